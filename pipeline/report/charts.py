"""Charts of a report: figures of matplotlib as SVG that follows the page's colours.

Charts hold no text of the user's; names of classes and files stand in the page itself.
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .pictures import data_url, webp

__all__ = ["COLOURS", "INK", "bare_axes", "chart", "picture", "svg"]

# Stand-ins that become CSS variables in the page, so that one chart serves light and dark. The
# variables are the palette of M. Okabe and K. Ito, Color Universal Design, 2008.
INK, FAINT = "#000001", "#000002"
COLOURS = ["#00000a", "#00000b", "#00000c", "#00000d", "#00000e"]
VARIABLES = {INK: "currentColor", FAINT: "var(--line)"} | {
    colour: f"var(--colour{number})" for number, colour in enumerate(COLOURS, 1)
}
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "visualwords",
    "font.family": "sans-serif",
    "font.size": 11,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.prop_cycle": cycler(color=COLOURS),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "grid.color": FAINT,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "lines.linewidth": 2,
}

# Inches around the axes, for the numbers and labels there. A layout engine would find narrower
# ones, and a chart would take three times as long.
LEFT, RIGHT, TOP, BOTTOM = 0.8, 0.2, 0.12, 0.6


@contextmanager
def chart(width: float = 6.0, height: float = 3.6) -> Iterator[tuple[Figure, Axes]]:
    """Make a figure with one pair of axes in the report's style; sizes in inches."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height))
        across, up = (width - LEFT - RIGHT) / width, (height - TOP - BOTTOM) / height
        yield figure, figure.add_axes((LEFT / width, BOTTOM / height, across, up))


def bare_axes(shape: tuple[int, ...], longest: float, colour: str) -> tuple[Figure, Axes]:
    """Make a figure that its axes fill, its longer side so many inches, for an array of cells."""
    rows, columns = shape[:2]
    scale = longest / max(rows, columns)
    figure = Figure(figsize=(columns * scale, rows * scale), facecolor=colour)
    return figure, figure.add_axes((0, 0, 1, 1))


def svg(figure: Figure, name: str, text: str) -> str:
    """Return a figure as an SVG element.

    Parameters
    ----------
    figure : Figure
    name : str
        Unique in the page.
    text : str
        What the figure shows, for those who do not see it.
    """
    stream = io.StringIO()
    with mpl.rc_context(STYLE):
        figure.savefig(stream, format="svg", metadata={"Date": None})
    drawing = stream.getvalue()
    drawing = drawing[drawing.index("<svg") :]
    drawing = re.sub(r"<metadata>.*?</metadata>", "", drawing, flags=re.DOTALL)
    for stand_in, variable in VARIABLES.items():
        drawing = drawing.replace(stand_in, variable)
    drawing = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", drawing)
    drawing = re.sub(r' (width|height)="[^"]*pt"', "", drawing, count=2)
    label = f'<svg role="img" aria-label="{escape(text)}" class="chart" '
    return drawing.replace("<svg ", label, 1)


def picture(figure: Figure, dots_per_inch: int = 80) -> str:
    """Draw a figure and return it as the data URL of a WebP image, with a dot at least."""
    figure.set_dpi(dots_per_inch)
    figure.set_size_inches(np.maximum(figure.get_size_inches(), 1.5 / dots_per_inch))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return data_url(webp(np.asarray(canvas.buffer_rgba())), "image/webp")
