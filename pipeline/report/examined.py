"""The data examined: what is there twice, labelled wrongly, odd, or out of balance."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..duplicates import SAME_BYTES
from ..job import TEST, TRAIN
from .labels import doubtful_labels
from .material import Material
from .pictures import Album, PictureReader

__all__ = ["examined_section"]

LOOKED_AT = 2000  # images that are decoded to find dark and blurred ones
MOST_PAIRS, MOST_LABELS, MOST_ODD = 24, 36, 12
MOST_CLASSES = 60
DARK, BRIGHT = 30.0, 225.0  # mean grey of 0 to 255
TINY_SIDE, ODD_RATIO = 24, 3.0


def examined_section(material: Material, album: Album, pictures: PictureReader) -> dict[str, Any]:
    """Return what a look at the images and labels found."""
    images = material.extraction.images
    pairs = material.extraction.duplicates().to_pylist()
    pairs.sort(key=lambda row: row["split"] == row["same_as_split"])  # leaks first
    n_leaks = sum(row["split"] != row["same_as_split"] for row in pairs)
    pairs = evenly(pairs[:n_leaks], MOST_PAIRS) + evenly(pairs[n_leaks:], MOST_PAIRS)
    counts = material.metrics["images"]
    numbers = {name: i for i, name in enumerate(images["path"].to_pylist())}
    doubts = doubtful_labels(material, MOST_LABELS)
    labels = images["label"].take(np.array([image for image, _ in doubts], np.intp)).to_pylist()
    return {
        "counts": counts,
        "duplicates": [
            row
            | {"pictures": album.add([numbers[row["path"]], numbers[row["same_as"]]])}
            | {"says": "has the bytes of" if row["kind"] == SAME_BYTES else "looks like"}
            for row in pairs[:MOST_PAIRS]
        ],
        "doubts": [
            {"pictures": album.add([image]), "label": label, "likelier": material.classes[k]}
            for (image, k), label in zip(doubts, labels, strict=True)
        ],
        "odd": _odd_pictures(material, album, pictures),
        "balance": _balance(material),
    }


def _odd_pictures(
    material: Material, album: Album, pictures: PictureReader
) -> list[dict[str, Any]]:
    """Find dark, bright, blurred, tiny and odd-shaped pictures among some of the images."""
    images = material.extraction.images
    chosen = material.extraction.chosen()
    chosen = chosen[np.linspace(0, len(chosen) - 1, min(len(chosen), LOOKED_AT)).astype(int)]
    pixels = pictures.read(chosen)
    read = np.array(sorted(pixels), np.intp)
    grey = np.array([pixels[n].mean() for n in read])
    blur = np.array([sharpness(pixels[n]) for n in read])
    sizes = np.stack([images[name].to_numpy() for name in ("rows", "columns")])[:, chosen]
    short, long = sizes.min(axis=0), sizes.max(axis=0)
    kinds = [
        ("dark", f"mean grey below {DARK:g} of 255", read[grey < DARK]),
        ("bright", f"mean grey above {BRIGHT:g} of 255", read[grey > BRIGHT]),
        ("blurred", "far less sharp than the others", read[_much_less(blur)]),
        ("tiny", f"shorter side below {TINY_SIDE} pixels", chosen[short < TINY_SIDE]),
        ("long", f"one side over {ODD_RATIO:g} times the other", chosen[long > ODD_RATIO * short]),
    ]
    return [
        {
            "name": name,
            "meaning": meaning,
            "count": len(found),
            "looked_at": len(chosen),
            "pictures": album.add(found[:MOST_ODD]),
        }
        for name, meaning, found in kinds
    ]


def evenly(items: list[Any], most: int) -> list[Any]:
    """Return so many items at most, drawn evenly from all."""
    chosen = np.linspace(0, len(items) - 1, min(len(items), most)).astype(int)
    return [items[i] for i in chosen]


def sharpness(pixels: npt.NDArray[np.uint8]) -> float:
    """Return the variance of the Laplacian of a picture reduced to 64 pixels, relative to its own.

    The size is the same for all so that large pictures are not taken for blurred ones. Source: J.
    L. Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", ICPR 2000.
    """
    grey = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    scale = min(1.0, 64 / max(grey.shape))
    size = tuple(max(1, round(side * scale)) for side in grey.shape[::-1])
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA).astype(np.float64)
    return float(cv2.Laplacian(small, cv2.CV_64F).var() / max(small.var(), 1.0))


def _much_less(values: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Return which values lie far below the others: six median deviations of their logarithms."""
    logs = np.log(np.maximum(values, 1e-6))
    if not len(logs):
        return np.zeros(0, bool)
    middle = np.median(logs)
    return logs < middle - 6 * max(float(np.median(np.abs(logs - middle))), 1e-6)


def _balance(material: Material) -> dict[str, Any]:
    n = len(material.classes)
    train = material.counts(TRAIN)
    test = material.counts(TEST)
    order = np.argsort(-train, kind="stable")
    kept = (
        order
        if n <= MOST_CLASSES
        else np.r_[order[: MOST_CLASSES // 2], order[-MOST_CLASSES // 2 :]]
    )
    return {
        "ratio": float(train.max() / max(train.min(), 1)),
        "most": int(train.max()),
        "n_left_out": n - len(kept),
        "rows": [
            {"name": material.classes[k], "train": int(train[k]), "test": int(test[k])}
            for k in kept
        ],
    }
