"""What the displays share: axes to draw on, and stars of lines for cells of orientations."""

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["axes_or_new", "draw_stars", "without_ticks"]

FloatArray = npt.NDArray[np.floating]


def axes_or_new(ax: Any) -> Any:
    """Return the axes that were given, or those of a new figure of pyplot."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots()[1]


def without_ticks(ax: Any, rows: float, columns: float) -> None:
    """Lay axes over a picture of so many rows and columns, the first row at the top."""
    ax.set(xlim=(0, columns), ylim=(rows, 0), aspect="equal")
    ax.set_axis_off()


def draw_stars(ax: Any, cells: FloatArray, angles: FloatArray, colour: str) -> Any:
    """Draw a star of lines in each cell; a line is as opaque as its number is large.

    Parameters
    ----------
    ax : matplotlib Axes
        A cell is one unit wide.
    cells : ndarray of shape (rows, columns, bins)
        At least 0.
    angles : ndarray of shape (bins,)
        Of the gradients, in radians from pointing right towards pointing down. A line is at right
        angles to its gradient, as the edge is.
    colour : colour of matplotlib

    Returns
    -------
    matplotlib.collections.LineCollection
    """
    from matplotlib.collections import LineCollection
    from matplotlib.colors import to_rgba

    rows, columns, _ = cells.shape
    y, x, _ = np.meshgrid(np.arange(rows) + 0.5, np.arange(columns) + 0.5, angles, indexing="ij")
    along = 0.45 * np.stack([-np.sin(angles), np.cos(angles)], axis=1)
    middles = np.stack([x, y], axis=-1)
    ends = np.stack([middles - along, middles + along], axis=-2).reshape(-1, 2, 2)
    most = max(float(np.percentile(cells, 99.5)), 1e-12)
    opacity = np.clip(cells.reshape(-1) / most, 0, 1)
    order = np.argsort(opacity, kind="stable")
    order = order[opacity[order] > 0.02]
    colours = np.tile(to_rgba(colour), (len(order), 1))
    colours[:, 3] = opacity[order]
    lines = LineCollection(list(ends[order]), colors=colours, linewidths=1.2)
    ax.add_collection(lines)
    return lines
