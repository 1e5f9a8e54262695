"""The loss along a line, over a plane, and along the path of an optimizer, for pictures.

Scores are linear in the weights,

    scores(W + a U + b V) = scores(W) + a * scores(U) + b * scores(V),

so three products with X serve any number of points. Along a line the loss of an example is convex.
For the hinges it consists of straight pieces, and :func:`breakpoints` finds where they meet.

References
----------
CS231n, Optimization: Stochastic Gradient Descent, "Visualizing the loss function". H. Li, Z. Xu,
G. Taylor, C. Studer and T. Goldstein, Visualizing the loss landscape of neural nets, 2018 (the
plane of an optimizer's path).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_random_state

from visualwords.threads import row_blocks

from .objective import Objective, Weights

__all__ = ["PathPlane", "breakpoints", "landscape", "path_plane", "random_directions"]

BLOCK_ROWS = 4096
ROUNDING = 1e-12

Vector = npt.NDArray[np.float64]


def random_directions(
    W: Weights, count: int = 2, *, random_state: Any = 0
) -> npt.NDArray[np.float64]:
    """Draw orthonormal random directions of weights.

    Parameters
    ----------
    W : ndarray of shape (n_classes, n_features + 1)
        Only the shape is used. Every direction has norm 1.
    count : int
    random_state : int, RandomState or None

    Returns
    -------
    ndarray of shape (count, n_classes, n_features + 1)

    Raises
    ------
    ValueError
        If ``count`` is larger than the number of weights.

    Examples
    --------
    >>> u, v = random_directions(np.zeros((3, 5)))
    >>> round(float((u * u).sum()), 9), abs(round(float((u * v).sum()), 9))
    (1.0, 0.0)
    """
    if not 0 < count <= W.size:
        raise ValueError(f"count must be from 1 to the number of weights, {W.size}, got {count!r}")
    normal = check_random_state(random_state).normal(size=(count, W.size))
    orthonormal, _ = np.linalg.qr(normal.T)
    return np.ascontiguousarray(orthonormal.T).reshape(count, *W.shape)


def landscape(
    objective: Objective,
    W: Weights,
    directions: npt.ArrayLike,
    points: npt.ArrayLike,
    *,
    per_example: bool = False,
) -> npt.NDArray[np.float64]:
    """Compute the objective at ``W + sum over r of points[..., r] * directions[r]``.

    Parameters
    ----------
    objective : Objective
    W : ndarray of shape (n_classes, n_features + 1)
    directions : array-like of shape (n_directions, n_classes, n_features + 1)
        One for a line, two for a plane.
    points : array-like of shape (..., n_directions)
        Coordinates: ``a[:, None]`` for a line, ``np.stack(np.meshgrid(a, b), axis=-1)`` for a
        plane, ``path_plane(...).points`` for a path.
    per_example : bool
        Return the loss of every example, without penalty and sample weights.

    Returns
    -------
    ndarray of shape (...), or (..., n) per example; float64

    Raises
    ------
    ValueError
        If directions and weights, or points and directions, have shapes that do not match.

    Examples
    --------
    >>> from visualwords.classifiers import Hinge
    >>> objective = Objective(np.eye(3), np.arange(3), Hinge(), alpha=0.0, n_classes=3)
    >>> along = np.eye(3, 4)[None]
    >>> landscape(objective, np.zeros((3, 4)), along, [[-1.0], [0.0], [0.5], [1.0], [2.0]])
    array([4., 2., 1., 0., 0.])
    """
    directions, points = _check(objective, W, directions, points)
    n_classes = objective.n_classes
    together = objective.scores(np.concatenate([W, *directions]))
    scores, *changes = (
        together[:, start : start + n_classes] for start in range(0, together.shape[1], n_classes)
    )

    def at(point: Vector) -> Any:
        blocks = []
        for rows in row_blocks(objective.n_samples, BLOCK_ROWS):
            moved = scores[rows].copy()
            for step, change in zip(point.astype(moved.dtype), changes, strict=True):
                moved += step * change[rows]
            blocks.append(objective.loss.values(moved, objective.y[rows]))
        losses = np.concatenate(blocks)
        if per_example:
            return losses
        at_point = W + np.tensordot(point, directions, 1)
        return objective.mean(losses) + objective.penalty.value(at_point)

    values = list(objective.map(at, points.reshape(-1, len(directions))))
    shape = (*points.shape[:-1], objective.n_samples) if per_example else points.shape[:-1]
    return np.array(values, dtype=np.float64).reshape(shape)


def _check(
    objective: Objective, W: Weights, directions: npt.ArrayLike, points: npt.ArrayLike
) -> tuple[Vector, Vector]:
    directions, points = np.asarray(directions, np.float64), np.asarray(points, np.float64)
    if W.shape != objective.shape:
        raise ValueError(f"W must be of shape {objective.shape}, got {W.shape}")
    if directions.ndim != 3 or directions.shape[1:] != objective.shape:
        raise ValueError(
            f"directions must be of shape (n_directions, {objective.shape[0]}, "
            f"{objective.shape[1]}), got {directions.shape}"
        )
    if points.ndim == 0 or points.shape[-1] != len(directions):
        raise ValueError(
            f"points must have {len(directions)} coordinates, one for each direction, in their "
            f"last axis, got shape {points.shape}"
        )
    return directions, points


def breakpoints(
    objective: Objective, W: Weights, direction: Weights, start: float, stop: float
) -> tuple[npt.NDArray[np.intp], Vector]:
    """Find where the straight pieces of the examples' losses meet along ``W + t * direction``.

    A convex piecewise linear function is straight between two points if its slopes there are equal.
    Otherwise the two tangents meet on or below the function. If they meet on it, that is the only
    breakpoint; otherwise both halves are searched. So only values and subgradients are needed.

    Parameters
    ----------
    objective : Objective
        With a piecewise linear loss.
    W, direction : ndarray of shape (n_classes, n_features + 1)
    start, stop : float
        Range of ``t``, without its ends.

    Returns
    -------
    examples : ndarray of shape (m,), integers
        The example of each breakpoint.
    positions : ndarray of shape (m,), float64
        The ``t`` of each breakpoint, ascending.

    Raises
    ------
    ValueError
        If the loss is not piecewise linear, or the range is empty.

    Examples
    --------
    >>> from visualwords.classifiers import Hinge
    >>> objective = Objective(np.eye(3), np.arange(3), Hinge(), alpha=0.0, n_classes=3)
    >>> breakpoints(objective, np.zeros((3, 4)), np.eye(3, 4) * [[1], [2], [4]], 0, 10)
    (array([2, 1, 0]), array([0.25, 0.5 , 1.  ]))
    """
    if not objective.loss.piecewise_linear:
        raise ValueError(
            f"breakpoints needs a piecewise linear loss such as Hinge(), got {objective.loss!r}"
        )
    if not start < stop:
        raise ValueError(f"start must be less than stop, got {start!r} and {stop!r}")
    tangents = _Tangents(objective, W, direction)
    examples = np.arange(objective.n_samples)
    left = tangents(examples, np.full(len(examples), float(start)))
    right = tangents(examples, np.full(len(examples), float(stop)))
    owners, found = [examples[:0]], [left[0, :0]]
    while len(examples):
        bent = tangents.bent(examples, left, right)
        examples, left, right = examples[bent], left[:, bent], right[:, bent]
        middle = tangents(examples, _crossing(left, right))
        inner = tangents.above(examples, left, middle)
        owners.append(examples[~inner])
        found.append(middle[0, ~inner])
        examples = np.tile(examples[inner], 2)
        left, right = (
            np.hstack([left[:, inner], middle[:, inner]]),
            np.hstack([middle[:, inner], right[:, inner]]),
        )
    return _inside(np.concatenate(owners), np.concatenate(found), start, stop)


class _Tangents:
    """Tangents of the examples' losses along a line, as rows of positions, values and slopes."""

    def __init__(self, objective: Objective, W: Weights, direction: Weights) -> None:
        together = objective.scores(np.concatenate([W, direction])).astype(np.float64, order="C")
        self._scores, self._changes = np.hsplit(together, 2)
        self._loss, self._y = objective.loss, objective.y
        # Sizes of values and slopes: rounding errors are small multiples of these.
        self._size = np.abs(self._scores).sum(axis=1) + 1
        self._steepness = np.abs(self._changes).sum(axis=1)

    def __call__(self, examples: npt.NDArray[np.intp], positions: Vector) -> Vector:
        changes = self._changes[examples]
        scores = self._scores[examples] + positions[:, None] * changes
        values, gradients = self._loss.values_and_grad(scores, self._y[examples])
        return np.stack([positions, values, (gradients * changes).sum(axis=1)])

    def bent(
        self, examples: npt.NDArray[np.intp], left: Vector, right: Vector
    ) -> npt.NDArray[np.bool_]:
        """Return whether the slope grows from the left tangent to the right one."""
        return right[2] - left[2] > ROUNDING * self._steepness[examples]

    def above(
        self, examples: npt.NDArray[np.intp], left: Vector, right: Vector
    ) -> npt.NDArray[np.bool_]:
        """Return whether the value at the right is above the tangent at the left."""
        reached = left[1] + left[2] * (right[0] - left[0])
        size = self._size[examples] + np.abs(right[0]) * self._steepness[examples]
        return right[1] - reached > ROUNDING * size


def _crossing(left: Vector, right: Vector) -> Vector:
    """Return the positions where two tangents meet."""
    width = right[0] - left[0]
    ahead = (right[1] - left[1] - right[2] * width) / (left[2] - right[2])
    return left[0] + np.clip(ahead, 0, width)


def _inside(
    examples: npt.NDArray[np.intp], positions: Vector, start: float, stop: float
) -> tuple[npt.NDArray[np.intp], Vector]:
    inside = (positions > start) & (positions < stop)
    examples, positions = examples[inside], positions[inside]
    order = np.lexsort((examples, positions))
    return examples[order], positions[order]


@dataclass(frozen=True)
class PathPlane:
    """The plane through the end of an optimizer's path that lies closest to the path.

    Attributes
    ----------
    origin : ndarray of shape (n_classes, n_features + 1)
        The last weights.
    directions : ndarray of shape (2, n_classes, n_features + 1)
        Orthonormal. The path spreads most along the first.
    points : ndarray of shape (n_iter + 1, 2)
        The projected weights: ``origin + points[i] @ directions`` is near the i-th weights.
    explained : float
        Part of the sum of squared distances to the origin that lies in the plane, from 0 to 1.
    """

    origin: Weights
    directions: Vector
    points: Vector
    explained: float


def path_plane(iterates: Sequence[Weights]) -> PathPlane:
    """Project an optimizer's path onto the plane of its two principal components.

    Parameters
    ----------
    iterates : sequence of ndarray of shape (n_classes, n_features + 1)
        At least 3: ``solver.minimize(objective, W, keep_iterates=True).iterates``.

    Returns
    -------
    PathPlane

    Raises
    ------
    ValueError
        If there are fewer than 3 iterates.

    Examples
    --------
    >>> plane = path_plane([np.array([[4.0, 0.0]]), np.array([[2.0, 1.0]]), np.zeros((1, 2))])
    >>> plane.points.shape, round(plane.explained, 6)
    ((3, 2), 1.0)
    """
    if len(iterates) < 3:
        raise ValueError(
            f"a plane needs at least 3 iterates, got {len(iterates)}; run the optimizer with "
            "keep_iterates=True"
        )
    origin = iterates[-1]
    offsets = np.stack([W - origin for W in iterates]).reshape(len(iterates), -1)
    _, singular, components = np.linalg.svd(offsets, full_matrices=False)
    # The sign of a component is arbitrary: the path starts on the positive side.
    components = components[:2] * np.where(components[:2] @ offsets[0] < 0, -1, 1)[:, None]
    total = float((singular**2).sum())
    explained = float((singular[:2] ** 2).sum()) / total if total else 1.0
    return PathPlane(
        origin, components.reshape(2, *origin.shape), offsets @ components.T, explained
    )
