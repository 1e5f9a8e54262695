"""How extractions and runs look in a notebook: small tables of HTML."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

__all__ = ["extraction_html", "run_html", "table_html"]


def table_html(title: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table of HTML; every text is escaped.

    Examples
    --------
    >>> table_html("a < b", ["x"], [[1]])
    '<table><caption>a &lt; b</caption><tr><th>x</th></tr><tr><td>1</td></tr></table>'
    """
    lines = [("th", head), *(("td", row) for row in rows)]
    cells = (
        "".join(f"<{tag}>{escape(str(value))}</{tag}>" for value in values) for tag, values in lines
    )
    body = "".join(f"<tr>{row}</tr>" for row in cells)
    return f"<table><caption>{escape(title)}</caption>{body}</table>"


def extraction_html(n_images: int, n_ok: int, widths: Mapping[str, int]) -> str:
    """Return a table of the features of an extraction.

    Parameters
    ----------
    n_images, n_ok : int
    widths : mapping of str to int
        Columns of each feature.
    """
    title = f"{n_images} images, {n_ok} ok"
    return table_html(
        title, ["feature", "rows", "columns"], ([n, n_ok, w] for n, w in widths.items())
    )


def run_html(folder: str, metrics: Mapping[str, Any]) -> str:
    """Return a table of the accuracies of a run: a row for each choice of features.

    Parameters
    ----------
    folder : str
    metrics : mapping
        What ``metrics.json`` holds; a run that was not evaluated has no "classifiers".
    """
    scores = {n: found["by_features"] for n, found in metrics.get("classifiers", {}).items()}
    names = list(next(iter(scores.values()), {}))
    rows = ([name, *(f"{of[name]:.4f}" for of in scores.values())] for name in names)
    return table_html(f"Run {folder}", ["test accuracy", *scores], rows)
