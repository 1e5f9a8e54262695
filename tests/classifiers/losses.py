"""The losses that the tests run over. A new loss is one entry of ``DEFINITIONS``.

Each test takes the losses with the traits that it is about.
"""

import numpy as np

from visualwords.classifiers import CrammerSinger, CrossEntropy, Hinge, OneVsRestHinge, SquaredHinge


def margins(s, y):
    """List ``1 + s_k - s_y`` of the other classes."""
    return [1 + s[k] - s[y] for k in range(len(s)) if k != y]


# The losses, and their definitions for the scores s of an example of class y.
DEFINITIONS = {
    Hinge(): lambda s, y: sum(max(0, m) for m in margins(s, y)),
    SquaredHinge(): lambda s, y: sum(max(0, m) ** 2 for m in margins(s, y)),
    CrammerSinger(): lambda s, y: max(0, *margins(s, y)),
    OneVsRestHinge(): lambda s, y: sum(
        max(0, 1 - s[k] if k == y else 1 + s[k]) for k in range(len(s))
    ),
    CrossEntropy(): lambda s, y: np.log(sum(np.exp(s))) - s[y],
}

LOSSES = list(DEFINITIONS)
SMOOTH = [loss for loss in LOSSES if loss.smooth]
KINKED = [loss for loss in LOSSES if not loss.smooth]
PIECEWISE_LINEAR = [loss for loss in LOSSES if loss.piecewise_linear]
# Losses that DualAscent and InteriorPoint minimise.
WITH_DUAL_FORM = [loss for loss in LOSSES if loss.dual_box is not None]
# Losses whose kinks the user rounds.
ROUNDED = [type(loss)(width) for loss in PIECEWISE_LINEAR for width in (0.1, 0.5, 3.0)]
