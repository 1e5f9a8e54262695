"""A picture's own sheet: what each feature sees in it, and what it adds to the scores."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ...features import HOG, BagOfVisualWords, HueHistogram
from .charts import bare_axes, picture
from .displays import EvidenceDisplay, HOGDisplay
from .hues import hue_numbers
from .material import Material, score_parts
from .pictures import PictureReader, data_url, fitted_into, webp

__all__ = ["USUAL", "picture_sheet", "sheets_section"]

MISTAKES, RIGHT = 5, 3
SIDE = 192
PICTURE_INCHES = 2.4
CLASSES_A_SHEET = 3
USUAL = "usual image"  # the column of what no feature adds

Pixels = npt.NDArray[np.uint8]


def sheets_section(material: Material, pictures: PictureReader) -> list[dict[str, Any]]:
    """Return sheets of the most confident mistakes and of some pictures that are right."""
    if not material.is_linear:
        return []
    sure = material.sure
    is_right = material.predicted == material.test.y
    order = np.argsort(-sure, kind="stable")
    wrong, right = order[~is_right[order]][:MISTAKES], order[is_right[order]]
    right = right[np.linspace(0, len(right) - 1, min(RIGHT, len(right))).astype(int)]
    chosen = [*wrong.tolist(), *right.tolist()]
    pixels = pictures.read(material.test.images[chosen])
    return [
        picture_sheet(material, row, pixels[int(material.test.images[row])])
        for row in chosen
        if int(material.test.images[row]) in pixels
    ]


def picture_sheet(material: Material, row: int, pixels: Pixels) -> dict[str, Any]:
    """Return the sheet of a test image.

    Parameters
    ----------
    material : Material
    row : int
        Its row among the test images.
    pixels : ndarray of shape (rows, columns) or (rows, columns, 3), uint8

    Returns
    -------
    dict
        ``scores`` has, for the likeliest classes and the true one, the score of a usual image and
        what each feature adds to it; they add up to the score.
    """
    model, test = material.model(material.main), material.test
    X = test.X[row : row + 1]
    parts = score_parts(model, X, material.widths, material.usual[0])[0]
    if parts.shape[1] == 1:  # of two classes, the second one's score
        parts = np.concatenate([-parts / 2, parts / 2], axis=1)
    y, predicted = int(test.y[row]), int(material.predicted[row])
    rivals = np.argsort(-material.probabilities[row], kind="stable")
    shown = list(dict.fromkeys([*rivals[:CLASSES_A_SHEET].tolist(), y]))
    # The picture speaks for what was predicted, against the true class or the next one.
    against = y if y != predicted else int(next(k for k in rivals if k != predicted))
    images = material.extraction.images.slice(int(test.images[row]), 1)
    sheet: dict[str, Any] = {
        "path": images["path"][0].as_py(),
        "label": material.classes[y],
        "predicted": material.classes[predicted],
        "against": material.classes[against],
        "is_right": y == predicted,
        "picture": data_url(webp(fitted_into(pixels, SIDE), 80), "image/webp"),
        "features": [*material.features, USUAL],
        "scores": [_class_score(material, row, parts[:, k], k) for k in shown],
        "hog": None,
        "hues": [],
        "evidence": None,
        "most": float(np.abs(parts[:, shown]).max()) or 1.0,
    }
    start = 0
    for name, width in zip(material.features, material.widths, strict=True):
        feature, columns = material.transformers.get(name), slice(start, start + width)
        start += width
        if isinstance(feature, HOG):
            sheet["hog"] = _hog_picture(feature, pixels)
        elif isinstance(feature, HueHistogram) and material.usual[1][columns].any():
            sheet["hues"] = hue_numbers(feature, X[0, columns].astype(np.float64))
        elif isinstance(feature, BagOfVisualWords) and sheet["evidence"] is None:
            weights = _weights(model, predicted, columns) - _weights(model, against, columns)
            display = EvidenceDisplay.from_weights(weights, feature, pixels)
            # What words of a usual image add is taken off each patch alike.
            usual = float(weights @ material.usual[0][columns])
            evidence = display.evidence - usual / max(len(display.evidence), 1)
            display = EvidenceDisplay(pixels, evidence, display.positions)
            sheet["evidence"] = _evidence_picture(display)
            sheet["words_add"] = float(display.evidence.sum())
            sheet["n_patches"] = len(display.evidence)
    return sheet


def _class_score(
    material: Material, row: int, parts: npt.NDArray[np.float64], k: int
) -> dict[str, Any]:
    """Return what the sheet of a test image says of class ``k``, whose score has these parts."""
    return {
        "name": material.classes[k],
        "parts": parts.tolist(),
        "score": float(parts.sum()),
        "probability": float(material.probabilities[row, k]),
    }


def _weights(model: Any, k: int, columns: slice) -> npt.NDArray[np.float64]:
    if len(model.coef_) == 1:
        return np.asarray(model.coef_[0, columns] * (0.5 if k else -0.5))
    return np.asarray(model.coef_[k, columns])


def _hog_picture(hog: HOG, pixels: Pixels) -> str:
    display = HOGDisplay.from_estimator(hog, pixels)
    figure, ax = bare_axes(display.cells.shape, PICTURE_INCHES, "black")
    display.plot(ax, color="white")
    return picture(figure)


def _evidence_picture(display: EvidenceDisplay) -> str:
    figure, ax = bare_axes(display.map_.shape, PICTURE_INCHES, "white")
    display.plot(ax)
    return picture(figure)
