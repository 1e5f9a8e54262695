"""A page to explore the loss: by hand in two dimensions, and on a run's own images."""

from typing import Any

import numpy as np
from markupsafe import Markup

from .build import as_data, environment, page_file
from .losses import losses_section
from .material import Material

__all__ = ["explore_page", "toy_problem"]

POINTS_A_CLASS = 8
MIDDLES = ((-1.2, -0.6), (1.1, -0.9), (0.1, 1.2))


def toy_problem() -> dict[str, Any]:
    """Return points ``X`` of three classes ``y`` in two dimensions, and first weights ``W``."""
    random = np.random.default_rng(4)
    y = np.repeat(np.arange(3), POINTS_A_CLASS)
    X = np.array(MIDDLES)[y] + 0.6 * random.normal(size=(len(y), 2))
    W = random.normal(size=(3, 3))
    return {"X": X.round(3).tolist(), "y": y.tolist(), "W": W.round(2).tolist()}


def explore_page(material: Material, title: str) -> str:
    """Return the page as HTML that needs no network."""
    return (
        environment()
        .get_template("explore.html.j2")
        .render(
            title=title,
            style=Markup(page_file("style.css")),
            script=Markup(page_file("hands_on.js")),
            toy=as_data(toy_problem()),
            losses=losses_section(material),
        )
    )
