"""What a job is asked to do: which features, which classifiers, which limits."""

import difflib
import importlib
import inspect
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from sklearn.base import BaseEstimator, clone

from .. import classifiers as classifier_classes
from .. import features as feature_classes
from ..features import HOG
from .reader import Reader

__all__ = ["Part", "Recipe", "RecipeError"]

HOG_SIDES = (16, 64)


class RecipeError(ValueError):
    """A recipe with a key or a value that is not valid."""


@dataclass(frozen=True)
class Part:
    """A feature or a classifier of a recipe.

    Attributes
    ----------
    kind : str
        A class of this package, or ``"module:Class"``.
    parameters : dict
        Of its constructor.
    """

    kind: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


DEFAULT_FEATURES = {
    "hue": Part("HueHistogram"),
    "hog": Part("HOG"),
    "words": Part("BagOfVisualWords"),
}
DEFAULT_CLASSIFIERS = {
    "LinearSVM": Part("LinearSVM", {"standardize": "parts"}),
    "Softmax": Part("Softmax", {"standardize": "parts"}),
}


@dataclass(frozen=True)
class Recipe:
    """What a job is asked to do.

    Attributes
    ----------
    features, classifiers : dict of str to Part
    seed : int
        Decides the held-out images, the images that are learned from, and the first centroids.
    test_size : float
        Share of the images that is held out where nothing else says which are test images.
    max_pixels, max_side : int
        Limits of the :class:`~visualwords.pipeline.reader.Reader`.
    """

    features: Mapping[str, Part] = field(default_factory=lambda: dict(DEFAULT_FEATURES))
    classifiers: Mapping[str, Part] = field(default_factory=lambda: dict(DEFAULT_CLASSIFIERS))
    seed: int = 0
    test_size: float = 0.2
    max_pixels: int = Reader.max_pixels
    max_side: int = Reader.max_side

    @property
    def reader(self) -> Reader:
        """The reader with the limits of the recipe."""
        return Reader(self.max_pixels, self.max_side)

    def with_features(self, names: Sequence[str]) -> "Recipe":
        """Keep the features of these names, in this order."""
        return self._replaced(features={name: self._feature(name) for name in names})

    def _feature(self, name: str) -> Part:
        if name in self.features:
            return self.features[name]
        raise RecipeError(f"no feature {name!r}{nearest(name, self.features)}")

    def _replaced(self, **changes: Any) -> "Recipe":
        return Recipe(**{**{k: getattr(self, k) for k in self.__dataclass_fields__}, **changes})

    def with_setting(self, setting: str) -> "Recipe":
        """Change one value, such as ``words.n_words=200`` or ``seed=1``."""
        name, equals, text = setting.partition("=")
        if not equals:
            raise RecipeError(f"{setting!r}: expected NAME.PARAMETER=VALUE, such as hue.n_bins=20")
        part, dot, parameter = name.strip().partition(".")
        value = parse_value(text.strip())
        if not dot:
            scalars = [n for n in self.__dataclass_fields__ if n not in ("features", "classifiers")]
            if part not in scalars:
                raise RecipeError(f"no setting {part!r}{nearest(part, scalars)}")
            return self._replaced(**{part: value})
        for group in ("features", "classifiers"):
            parts = dict(getattr(self, group))
            if part in parts:
                known = parameters_of(find_class(parts[part].kind, group))
                if parameter not in known:
                    raise RecipeError(
                        f"{part} has no parameter {parameter!r}{nearest(parameter, known)}"
                    )
                changed = {**parts[part].parameters, parameter: value}
                return self._replaced(**{group: parts | {part: Part(parts[part].kind, changed)}})
        names = [*self.features, *self.classifiers]
        raise RecipeError(f"no feature or classifier {part!r}{nearest(part, names)}")

    def make_features(self, images: pa.Table) -> dict[str, BaseEstimator]:
        """Make the features, of the size and with the seed that the recipe leaves open.

        Parameters
        ----------
        images : pyarrow.Table
            The training images: HOG without ``image_size`` takes the median of their shorter
            sides, rounded down to a multiple of 8, within 16 to 64.
        """
        made = {}
        for name, part in self.features.items():
            feature = _make(name, part, "features")
            made[name] = settled(feature, images, self.seed)
        return made

    def make_classifiers(self) -> dict[str, BaseEstimator]:
        """Make the classifiers."""
        return {name: _make(name, part, "classifiers") for name, part in self.classifiers.items()}


def settled(feature: BaseEstimator, images: pa.Table, seed: int) -> BaseEstimator:
    """Return a copy in which is settled what a feature leaves open.

    That is the size of HOG's images, and the seed of what learns.
    """
    feature = clone(feature)
    parameters = feature.get_params(deep=False)
    if isinstance(feature, HOG) and parameters["image_size"] is None:
        side = _hog_side(images)
        feature.set_params(image_size=(side, side))
    if "random_state" in parameters and parameters["random_state"] in (None, 0):
        feature.set_params(random_state=seed)
    return feature


def _hog_side(images: pa.Table) -> int:
    shorter = np.minimum(images["rows"].to_numpy(), images["columns"].to_numpy())
    sound = shorter[shorter > 0]
    low, high = HOG_SIDES
    return int(np.clip(np.median(sound) // 8 * 8, low, high)) if len(sound) else low


def _make(name: str, part: Part, group: str) -> BaseEstimator:
    kind = find_class(part.kind, group)
    known = parameters_of(kind)
    for parameter in part.parameters:
        if parameter not in known:
            raise RecipeError(f"{name} has no parameter {parameter!r}{nearest(parameter, known)}")
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in part.parameters.items()}
    try:
        made: BaseEstimator = kind(**values)
    except (TypeError, ValueError) as error:
        raise RecipeError(f"{name}: {error}") from error
    return made


def find_class(kind: str, group: str) -> Any:
    """Return a class of this package by its name, or any class by ``"module:Class"``."""
    package = feature_classes if group == "features" else classifier_classes
    if ":" not in kind:
        found = getattr(package, kind, None) if kind in package.__all__ else None
        if not inspect.isclass(found) or not issubclass(found, BaseEstimator):
            names = [n for n in package.__all__ if inspect.isclass(getattr(package, n))]
            raise RecipeError(f"no {group[:-1]} of the kind {kind!r}{nearest(kind, names)}")
        return found
    module, _, name = kind.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise RecipeError(f"{kind}: {error}; expected module:Class that can be imported") from error
    method = "transform" if group == "features" else "predict"
    if not hasattr(found, method) or not hasattr(found, "get_params"):
        raise RecipeError(f"{kind}: expected a scikit-learn estimator with {method} and get_params")
    return found


def parameters_of(kind: Any) -> list[str]:
    """Return the names of the parameters of an estimator's constructor."""
    return [name for name in inspect.signature(kind).parameters if name != "n_jobs"]


def parse_value(text: str) -> Any:
    """Read a value as JSON, or as text where it is none."""
    try:
        return json.loads(text)
    except ValueError:
        lowered = text.lower()
        return {"true": True, "false": False, "none": None}.get(lowered, text)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of a message that names the nearest right name, and all of them."""
    known = list(known)
    near = difflib.get_close_matches(name, known, 1)
    meant = f"; did you mean {near[0]!r}?" if near else ""
    return f"{meant} (there are {', '.join(known)})"
