"""The confusion matrix, and the pictures behind its cells."""

from typing import Any

import numpy as np

from ..train import scores_by_class
from .material import Material
from .pictures import Album

__all__ = ["confusion_section"]

MOST_CLASSES = 40
PICTURES_A_CELL = 8
PICTURES_ON_THE_DIAGONAL = 4
MOST_PAIRS = 12


def confusion_section(material: Material, album: Album) -> dict[str, Any]:
    """Return the counts of true and predicted classes, and pictures of each pair.

    Of many classes, only those with the most errors are shown.
    """
    n = len(material.classes)
    y, predicted, counts = material.test.y, material.predicted, material.confusion
    wrong = counts.sum(axis=0) + counts.sum(axis=1) - 2 * counts.diagonal()
    shown = np.sort(np.argsort(-wrong, kind="stable")[:MOST_CLASSES])
    sure = material.sure
    pictures = {}
    # Cells with the most errors come first, as there is room for so many pictures.
    off = counts - np.diag(counts.diagonal())
    for cell in np.argsort(-off, axis=None, kind="stable"):
        i, j = divmod(int(cell), n)
        most = PICTURES_ON_THE_DIAGONAL if i == j else PICTURES_A_CELL
        if counts[i, j] and i in shown and j in shown:
            members = np.flatnonzero((y == i) & (predicted == j))
            members = members[np.argsort(-sure[members], kind="stable")][:most]
            pictures[f"{i},{j}"] = album.add(material.test.images[members])
    pairs = [
        {"true": material.classes[i], "predicted": material.classes[j], "count": int(off[i, j])}
        for i, j in (divmod(int(c), n) for c in np.argsort(-off, axis=None)[:MOST_PAIRS])
        if off[i, j]
    ]
    true, taken_for = (np.repeat(k, counts.ravel()) for k in np.indices((n, n)).reshape(2, -1))
    scores = scores_by_class(true, taken_for, range(n))
    return {
        "classifier": material.main,
        "by_class": [
            {"name": material.classes[k], "images": int(counts[k].sum())}
            | {name: scores[name][k] for name in ("recall", "precision", "f1")}
            for k in shown
        ],
        "balanced_accuracy": scores["balanced_accuracy"],
        "macro_f1": scores["macro_f1"],
        "shown": shown.tolist(),
        "n_classes": n,
        "counts": counts[np.ix_(shown, shown)].tolist(),
        "totals": counts.sum(axis=1)[shown].tolist(),
        "pictures": pictures,
        "pairs": pairs,
    }
