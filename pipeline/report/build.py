"""From a run to one file of HTML that needs no network."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ..counts import counted
from .accuracy import accuracy_section
from .atlas import map_section
from .calibration import calibration_section
from .confusion import confusion_section
from .examined import examined_section
from .examples import examples_section
from .losses import losses_section
from .material import Material, score_parts
from .model import model_section
from .overview import overview_section
from .pictures import Album, PictureReader
from .sheets import USUAL, sheets_section

__all__ = ["report_page"]

MOST_PICTURES = 1400
NAVIGATION = (
    ("run", "What was run"),
    ("accuracy", "Accuracy"),
    ("confusion-title", "Confusion"),
    ("pictures", "Pictures"),
    ("calibration", "Calibration"),
    ("examined", "Data"),
    ("model", "Model"),
    ("picture_sheets", "Single pictures"),
    ("atlas", "Map"),
    ("losses", "Loss"),
)


def report_page(
    material: Material, pictures: PictureReader, record: Mapping[str, Any], recipe: str, title: str
) -> str:
    """Return the page of a run.

    Parameters
    ----------
    material : Material
    pictures : PictureReader
    record : mapping
        What ``run.json`` holds.
    recipe : str
        The recipe as TOML.
    title : str
    """
    album = Album(MOST_PICTURES)
    examples = examples_section(material, album)
    examined = examined_section(material, album, pictures)
    confusion, model = confusion_section(material, album), model_section(material, pictures)
    sections = {
        "overview": overview_section(material, record, recipe),
        "accuracy": accuracy_section(material),
        "examples": examples,
        "examined": examined,
        "map": map_section(material, album),
        "confusion": confusion,
        "calibration": calibration_section(material),
        "model": model,
        "picture_sheets": sheets_section(material, pictures),
        "losses": losses_section(material),
        "classes": material.classes,
    }
    sheets = album.sheets(pictures)
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            title=title,
            navigation=[entry for entry in NAVIGATION if sections.get(entry[0], True)],
            sheets=sheets,
            missing=pictures.missing,
            from_memory=pictures.has_arrays,
            style=Markup(page_file("style.css")),
            script=Markup(page_file("page.js")),
            data=as_data(_page_data(material, album, confusion)),
            **sections,
        )
    )


@cache
def environment() -> Environment:
    """Return the environment of the templates, in which all text is escaped.

    A process compiles each template once.
    """
    made = Environment(
        loader=PackageLoader("visualwords.pipeline.report", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    made.filters["counted"] = counted
    return made


def page_file(name: str) -> str:
    return (Path(__file__).parent / "page" / name).read_text(encoding="utf-8")


def as_data(value: Any) -> Markup:
    """Return JSON that can stand in a script element, whatever its texts say."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))


def _page_data(material: Material, album: Album, confusion: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the page's script needs: each picture's path, classes and score by features."""
    images, test = material.extraction.images, material.test
    row_of = {int(image): row for row, image in enumerate(test.images)}
    labels = {name: k for k, name in enumerate(material.classes)}
    chosen = images.select(["path", "split", "label"]).take(list(album.places)).to_pylist()
    pictures = []
    for image, said in zip(album.places, chosen, strict=True):
        row = row_of.get(image)
        predicted = -1 if row is None else int(material.predicted[row])
        sure = 0.0 if row is None else round(float(material.sure[row]), 4)
        label = labels.get(said["label"], -1)
        scores = [] if row is None else _scores(material, row, predicted, label)
        pictures.append([said["path"], said["split"], label, predicted, sure, scores])
    return {
        "classes": material.classes,
        "classifier": material.main,
        "features": [*material.features, USUAL],
        "pictures": pictures,
        "cells": confusion["pictures"],
        "counts": confusion["counts"],
        "totals": confusion["totals"],
    }


def _scores(material: Material, row: int, predicted: int, label: int) -> list[list[float]]:
    model = material.model(material.main)
    if not material.is_linear or len(model.coef_) == 1:
        return []
    row_X = material.test.X[row : row + 1]
    parts = score_parts(model, row_X, material.widths, material.usual[0])[0]
    return [[k, *np.round(parts[:, k], 7).tolist()] for k in dict.fromkeys([predicted, label])]
