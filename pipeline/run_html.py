"""A run as a notebook shows it."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

__all__ = ["run_html"]

SIDE = 140  # pixels of the picture of a confusion matrix
MOST_CLASSES = 100


def run_html(folder: Path, record: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    """Return a run as HTML: its images, features, scores and confusions, and where its report is.

    Parameters
    ----------
    folder : Path
    record, metrics : mapping
        What ``run.json`` and ``metrics.json`` hold; empty where there are none yet.
    """
    rows = [("folder", escape(str(folder)))]
    if record:
        images = [escape(str(place)) for place in (record["train"], record["test"]) if place]
        rows.append(("images", ", ".join(images)))
        rows.append(("features", escape(", ".join(record["features"]))))
    if metrics:
        counts = metrics["images"]
        rows.append(("found", f"{counts['found']:,}, of which {counts['failed']:,} failed"))
    report = folder / "report.html"
    if report.exists():
        rows.append(("report", f'<a href="{escape(str(report))}">report.html</a>'))
    cells = "".join(
        f'<tr><th style="text-align:left">{name}</th><td style="text-align:left">{said}</td></tr>'
        for name, said in rows
    )
    scored = {n: s for n, s in metrics.get("classifiers", {}).items() if "confusion" in s}
    pictures = "".join(_confusion(name, scores["confusion"]) for name, scores in scored.items())
    return f"<div><table>{cells}</table>{_scores(scored)}{pictures}</div>"


def _scores(classifiers: Mapping[str, Any]) -> str:
    """Return a table of accuracies: a row for each set of features."""
    if not classifiers:
        return ""
    head = "".join(f"<th>{escape(name)}</th>" for name in classifiers)
    rows = "".join(
        f'<tr><th style="text-align:left">{escape(features)}</th>'
        + "".join(
            f"<td>{scores['by_features'][features]:.4f}</td>" for scores in classifiers.values()
        )
        + "</tr>"
        for features in next(iter(classifiers.values()))["by_features"]
    )
    return f"<table><tr><th>test accuracy</th>{head}</tr>{rows}</table>"


def _confusion(name: str, counts: list[list[int]]) -> str:
    """Return a small picture: rows are true classes, dark cells are frequent predictions."""
    n = len(counts)
    if n > MOST_CLASSES:
        return ""
    squares = "".join(
        f'<rect x="{j}" y="{i}" width="1" height="1" fill-opacity="{count / total:.3f}"/>'
        for i, row in enumerate(counts)
        for j, count in enumerate(row)
        if (total := sum(row)) and count
    )
    label = f"Confusion matrix of {escape(name)}: rows are true classes, columns predicted ones"
    return (
        f'<svg role="img" aria-label="{label}" width="{SIDE}" height="{SIDE}" '
        f'viewBox="-0.5 -0.5 {n + 1} {n + 1}" style="margin:6px" fill="#0072b2">'
        f'<title>{label}</title><rect width="{n}" height="{n}" fill="none" stroke="#888888" '
        f'stroke-width="0.05"/>{squares}</svg>'
    )
