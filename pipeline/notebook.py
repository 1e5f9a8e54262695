"""How extractions and runs look in a notebook: small tables of HTML."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from .counts import counted

__all__ = ["extraction_html", "run_html", "table_html"]

SIDE = 140  # pixels of the picture of a confusion matrix
MOST_CLASSES = 100


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
    title = f"{counted(n_images, 'image')}, {n_ok} ok"
    return table_html(
        title, ["feature", "rows", "columns"], ([n, n_ok, w] for n, w in widths.items())
    )


def run_html(folder: str, record: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    """Return what a run is of, its accuracies and confusions, and where its report is.

    Parameters
    ----------
    folder : str
    record, metrics : mapping
        What ``run.json`` and ``metrics.json`` hold; a run that was not evaluated has no
        "classifiers".
    """
    scores = {n: found["by_features"] for n, found in metrics.get("classifiers", {}).items()}
    names = list(next(iter(scores.values()), {}))
    rows = ([name, *(f"{of[name]:.4f}" for of in scores.values())] for name in names)
    parts = [table_html(f"Run {folder}", ["test accuracy", *scores], rows)]
    if record:
        places = ", ".join(str(place) for place in (record["train"], record["test"]) if place)
        parts.insert(
            0, f"<p>Images of {escape(places)}: {escape(', '.join(record['features']))}</p>"
        )
    for name, found in metrics.get("classifiers", {}).items():
        if "confusion" in found:
            parts.append(_confusion_picture(name, found["confusion"]))
    report = Path(folder) / "report.html"
    if report.exists():
        parts.append(f'<p><a href="{escape(str(report))}">report.html</a></p>')
    return "".join(parts)


def _confusion_picture(name: str, counts: Sequence[Sequence[int]]) -> str:
    """Return a small picture: rows are true classes, full squares are frequent predictions."""
    n = len(counts)
    if n > MOST_CLASSES:
        return ""
    squares = "".join(
        f'<rect x="{j}" y="{i}" width="1" height="1" fill-opacity="{count / sum(row):.3f}"/>'
        for i, row in enumerate(counts)
        for j, count in enumerate(row)
        if count
    )
    label = f"Confusions of {escape(name)}: rows are true classes, columns predicted ones"
    return (
        f'<svg role="img" aria-label="{label}" width="{SIDE}" height="{SIDE}" '
        f'viewBox="-0.5 -0.5 {n + 1} {n + 1}" style="margin:6px" fill="#0072b2">'
        f'<title>{label}</title><rect width="{n}" height="{n}" fill="none" stroke="#888888" '
        f'stroke-width="0.05"/>{squares}</svg>'
    )
