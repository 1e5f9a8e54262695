"""The model, seen: weights of each class as edges and hues, its strongest words, the vocabulary."""

import re
from typing import Any

import numpy as np
import numpy.typing as npt

from ...features import HOG, BagOfVisualWords, HueHistogram
from .charts import bare_axes, picture
from .displays import VocabularyDisplay, WeightsDisplay
from .hues import hue_numbers
from .material import Material
from .pictures import PictureReader, data_url, webp

__all__ = ["model_section"]

MOST_CLASSES = 20
WORDS_A_CLASS, EXAMPLES = 5, 3
NUMBERS = 6  # of a feature without a picture
LOOKED_AT = 300  # training images whose patches show the words
GALLERY_COLUMNS = 40
GLYPH_INCHES = 2.2
GLYPH_COLOURS = {"for": "#0072B2", "against": "#D55E00"}  # of the signs of weights


def model_section(material: Material, pictures: PictureReader) -> dict[str, Any] | None:
    """Return pictures of the weights of each class, and of the vocabulary."""
    model = material.model(material.main)
    if not material.is_linear:
        return None
    ends = np.cumsum(material.widths)
    columns = {
        name: slice(end - width, end)
        for name, end, width in zip(material.features, ends, material.widths, strict=True)
    }
    # The weight of a number times how much the number varies: what it can move.
    effects = model.coef_ * material.usual[1]
    if len(effects) == 1:  # of two classes, one row of weights, the second one's
        effects = np.concatenate([-effects, effects])
    kinds: dict[str, Any] = {n: material.transformers.get(n) for n in material.features}
    hogs = [name for name, kind in kinds.items() if isinstance(kind, HOG)]
    hues = [name for name, kind in kinds.items() if isinstance(kind, HueHistogram)]
    bags = [name for name, kind in kinds.items() if isinstance(kind, BagOfVisualWords)]
    vocabulary = _vocabulary(material, pictures, kinds[bags[0]]) if bags else None
    glyphs = _glyphs(kinds[hogs[0]], effects[:MOST_CLASSES, columns[hogs[0]]]) if hogs else []
    classes = []
    for number, name in enumerate(material.classes[:MOST_CLASSES]):
        seen: dict[str, Any] = {"name": name, "hog_for": None, "hues": [], "words": []}
        if hogs:
            seen["hog_for"], seen["hog_against"] = glyphs[number]
        if hues and effects[:, columns[hues[0]]].any():
            hue = material.transformers[hues[0]]
            seen["hues"] = hue_numbers(hue, effects[number, columns[hues[0]]])
        if vocabulary is not None:
            seen["words"] = _strongest_words(
                kinds[bags[0]], effects[number, columns[bags[0]]], vocabulary
            )
        others = [n for n in material.features if n not in [*hogs[:1], *hues[:1], *bags[:1]]]
        seen["numbers"] = [
            {"feature": n, "columns": _strongest(kinds[n], effects[number, columns[n]])}
            for n in others
        ]
        classes.append(seen)
    return {
        "classifier": material.main,
        "classes": classes,
        "n_left_out": max(0, len(material.classes) - MOST_CLASSES),
        "gallery": vocabulary
        and {
            "picture": data_url(webp(vocabulary.gallery(GALLERY_COLUMNS)), "image/webp"),
            "n_words": len(vocabulary.means),
            "n_unseen": int((vocabulary.counts == 0).sum()),
        },
    }


def _glyphs(hog: HOG, effects: npt.NDArray[np.float64]) -> list[list[str]]:
    """Draw the weights of each class, of each sign in its colour on white, as WebP images."""
    displays = [WeightsDisplay.from_weights(of_class, hog) for of_class in effects]
    figure, ax = bare_axes(displays[0].cells.shape, GLYPH_INCHES, "white")
    glyphs = []  # of the same axes, which take longer to make than to draw
    for display in displays:
        of_signs = []
        for sign, colour in GLYPH_COLOURS.items():
            display.plot(ax, sign=sign, color=colour)
            of_signs.append(picture(figure))
            display.lines_.remove()
        glyphs.append(of_signs)
    return glyphs


def _vocabulary(
    material: Material, pictures: PictureReader, bag: BagOfVisualWords
) -> VocabularyDisplay | None:
    """Find the patches of the words in some training images."""
    images = material.train.images
    chosen = images[np.linspace(0, len(images) - 1, min(len(images), LOOKED_AT)).astype(int)]
    found = pictures.read(chosen)
    if not found:
        return None
    return VocabularyDisplay.from_estimator(bag, list(found.values()), n_examples=EXAMPLES)


def _strongest(feature: Any, effects: npt.NDArray[np.float64]) -> list[dict[str, Any]]:
    """Return the numbers of any feature with the greatest effects, by their names if it has any."""
    names = getattr(feature, "get_feature_names_out", lambda: None)()
    if names is None:
        names = [f"number {column}" for column in range(len(effects))]
    order = np.argsort(-np.abs(effects), kind="stable")[:NUMBERS]
    return [{"name": str(names[c]), "effect": float(effects[c])} for c in order]


def _strongest_words(
    bag: BagOfVisualWords, effects: npt.NDArray[np.float64], vocabulary: VocabularyDisplay
) -> list[dict[str, Any]]:
    """Return the words with the greatest effects, with their pictures side by side."""
    names = bag.get_feature_names_out()
    words: list[dict[str, Any]] = []
    for column in np.argsort(-effects, kind="stable"):
        found = re.search(r"word(\d+)$", names[column])
        if found is None:  # a coding with other numbers than one a word
            return []
        word = int(found[1])
        if vocabulary.counts[word] and word not in [w["word"] for w in words]:
            row = np.hstack([vocabulary.means[word], *vocabulary.examples[word]])
            words.append(
                {
                    "word": word,
                    "effect": float(effects[column]),
                    "picture": data_url(webp(row, 75), "image/webp"),
                    "n_examples": len(vocabulary.examples[word]),
                }
            )
        if len(words) == WORDS_A_CLASS:
            break
    return words
