"""The loss explored on a run's own images: along lines, over a plane, by optimizers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ...classifiers import (
    CrossEntropy,
    GradientDescent,
    Hinge,
    Objective,
    RandomLocalSearch,
    RandomSearch,
    breakpoints,
    landscape,
    random_directions,
)
from .charts import COLOURS, chart, svg
from .components import principal_components
from .displays import LandscapeDisplay
from .material import Material

__all__ = ["losses_section"]

ROWS = 600
N_COMPONENTS = 50
ALPHA = 0.01
N_STEPS = 60
STEP = 4.0
N_CURVES = 5
STEP_SIZES = (0.1, 1.0, 4.0, 16.0, 64.0)
SEARCH_STEPS = 200

Weights = npt.NDArray[np.float64]


def losses_section(material: Material) -> list[dict[str, str]]:
    """Return charts of the hinge and softmax losses on some training images."""
    hinge, softmax = (_objective(material, loss) for loss in (Hinge(), CrossEntropy()))
    start = np.zeros(hinge.shape)
    descent = GradientDescent(STEP, max_iter=SEARCH_STEPS, tol=0)
    found = descent.minimize(softmax, start, keep_iterates=True)
    path = found.iterates[: N_STEPS + 1]
    has_path = len(path) > 2  # not of features that are the same for all images
    return [
        _line_chart(hinge, softmax, path[-1]),
        _pieces_chart(hinge, path[-1]),
        *([_plane_chart(softmax, path)] if has_path else []),
        _step_chart(softmax, start, found.values),
        _search_chart(softmax, start, found.values),
    ]


def _objective(material: Material, loss: Any) -> Objective:
    """Return a loss on the principal components of evenly drawn training images."""
    train = material.train
    rows = np.linspace(0, len(train) - 1, min(len(train), ROWS)).astype(int)
    X = np.asarray(train.X[:][rows], np.float64)
    X = (X - X.mean(axis=0)) / np.maximum(X.std(axis=0), 1e-12) / np.sqrt(X.shape[1])
    X = principal_components(X, N_COMPONENTS)
    return Objective(X, train.y[rows], loss, alpha=ALPHA, n_classes=len(material.classes))


def _line_chart(hinge: Objective, softmax: Objective, W: Weights) -> dict[str, str]:
    (direction,) = np.sqrt(W.size) * random_directions(W, 1) / 4
    steps = np.linspace(-4, 4, 81)
    with chart() as (figure, ax):
        for name, objective in (("hinge", hinge), ("softmax", softmax)):
            values = landscape(objective, W, [direction], steps[:, None])
            ax.plot(steps, values / values.min(), label=name)
        ax.legend()
        ax.set(xlabel="step along a random direction", ylabel="loss / its least on the line")
        text = (
            "Both losses along one line through the weights after gradient descent: convex, with "
            "one lowest point."
        )
        return _entry("Along a line", "line", figure, text)


def _pieces_chart(hinge: Objective, W: Weights) -> dict[str, str]:
    few = hinge.subset(np.linspace(0, hinge.n_samples - 1, N_CURVES).astype(np.intp))
    (direction,) = np.sqrt(W.size) * random_directions(W, 1) / 2
    examples, positions = breakpoints(few, W, direction, -4.0, 4.0)
    t = np.unique(np.r_[-4.0, positions, 4.0])
    losses = landscape(few, W, [direction], t[:, None], per_example=True)
    with chart() as (figure, ax):
        ax.plot(t, losses)
        ax.plot(
            positions,
            losses[np.searchsorted(t, positions), examples],
            linestyle="none",
            marker="o",
            markersize=4,
            color=COLOURS[-1],
        )
        ax.set(xlabel="step along a random direction", ylabel="hinge loss of one image")
        text = (
            f"The hinge losses of {few.n_samples} single images consist of straight pieces; dots "
            f"mark the {len(positions)} points where pieces meet."
        )
        return _entry("Pieces of single images", "pieces", figure, text)


def _plane_chart(objective: Objective, iterates: Any) -> dict[str, str]:
    display = LandscapeDisplay.from_iterates(objective, iterates, n_points=33)
    with chart(5.0, 4.4) as (figure, ax):
        display.plot(ax, color="#E69F00")
        ax.grid(False)
        text = (
            f"The softmax loss over the plane nearest to the path of {len(display.path) - 1} steps "
            "of gradient descent: dark is low, the star is the end."
        )
        return _entry("Over a plane", "plane", figure, text)


def _step_chart(objective: Objective, start: Weights, descent: Sequence[float]) -> dict[str, str]:
    """Draw descents of several step sizes; that of ``STEP`` is given."""
    least = np.inf
    with chart() as (figure, ax):
        for step in STEP_SIZES:
            solver = GradientDescent(step, max_iter=N_STEPS, tol=0)
            found = descent if step == STEP else solver.minimize(objective, start).values
            values = np.asarray(found[: N_STEPS + 1])
            ax.plot(values, label=f"{step:g}")
            least = min(least, float(np.nanmin(values)))
        ax.legend(title="step size", loc="upper right")
        above = values[0] - least
        ax.set(xlabel="step", ylabel="softmax loss")
        if above > 0:  # something was learned
            ax.set_ylim(least - 0.05 * above, values[0] + 0.9 * above)
        text = (
            f"Gradient descent with step sizes from {STEP_SIZES[0]:g} to {STEP_SIZES[-1]:g}: small "
            "steps are slow; steps that are too large leave the picture at the top, or never "
            "settle."
        )
        return _entry("Step sizes", "steps", figure, text)


def _search_chart(objective: Objective, start: Weights, descent: Sequence[float]) -> dict[str, str]:
    found = {
        "random search": RandomSearch(SEARCH_STEPS, 1e-3).minimize(objective, start).values,
        "random local search": RandomLocalSearch(SEARCH_STEPS, 1e-3)
        .minimize(objective, start)
        .values,
        "gradient descent": descent,
    }
    best = {}
    with chart() as (figure, ax):
        for name, losses in found.items():
            values = np.minimum.accumulate(losses)
            ax.plot(values, label=name)
            best[name] = float(values[-1])
        ax.legend()
        ax.set(xlabel="step", ylabel="least softmax loss so far")
        text = f"The least loss after {SEARCH_STEPS} steps: " + ", ".join(
            f"{name} {value:.3f}" for name, value in best.items()
        )
        return _entry("Search without and with a gradient", "search", figure, text + ".")


def _entry(title: str, name: str, figure: Any, text: str) -> dict[str, str]:
    return {"title": title, "svg": svg(figure, f"loss-{name}", text), "text": text}
