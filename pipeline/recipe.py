"""What a job is asked to do: which features, which classifiers, which limits."""

import difflib
import importlib
import inspect
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from sklearn.base import BaseEstimator, clone
from sklearn.utils import get_tags

from .. import classifiers as classifier_classes
from .. import features as feature_classes
from ..features import HOG, ImageFeature
from .persist import NOT_PART_OF_THE_RESULT, is_ours
from .reader import Reader

__all__ = ["Part", "Recipe", "RecipeError"]

HOG_SIDES = (16, 64)


class RecipeError(ValueError):
    """A recipe with a key or a value that is not valid.

    Attributes
    ----------
    where : tuple of str
        The names that lead to it, such as ("features", "hue", "n_bins").
    """

    def __init__(self, message: str, *where: str) -> None:
        super().__init__(message)
        self.where = where


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
GROUPS = ("features", "classifiers")
NOTHING = "none"  # TOML has no word for None
METHODS = {"features": "transform", "classifiers": "predict"}
# What each setting must be, and how that is said.
SETTINGS: dict[str, tuple[type, float, float, str]] = {
    "seed": (int, 0, 2**32 - 1, "a whole number from 0 to 4294967295"),
    "test_size": (float, 1e-9, 1 - 1e-9, "a number above 0 and below 1"),
    "max_pixels": (int, 1, 2**40, "a whole number of at least 1"),
    "max_side": (int, 1, 2**20, "a whole number of at least 1"),
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

    def __post_init__(self) -> None:
        for name, (kind, low, high, expected) in SETTINGS.items():
            value = getattr(self, name)
            is_number = isinstance(value, kind | int) and not isinstance(value, bool)
            if not is_number or not low <= value <= high:
                raise RecipeError(f"{name}: expected {expected}, got {value!r}", name)

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
            if part not in SETTINGS:
                raise RecipeError(f"no setting {part!r}{nearest(part, SETTINGS)}")
            return self._replaced(**{part: value})
        group = next((g for g in GROUPS if part in getattr(self, g)), None)
        if group is None:
            if parameter != "kind":
                names = [*self.features, *self.classifiers]
                raise RecipeError(f"no feature or classifier {part!r}{nearest(part, names)}")
            group = group_of(value)
        parts = dict(getattr(self, group))
        changed = parts.get(part, Part(""))
        if parameter == "kind":
            known = parameters_of(find_class(value, group))
            kept = {k: v for k, v in changed.parameters.items() if k in known}
            changed = Part(value, usual_parameters(value, group) | kept)
        else:
            check_parameter(part, parameter, changed.kind, group)
            changed = Part(changed.kind, {**changed.parameters, parameter: value})
        return self._replaced(**{group: parts | {part: changed}})

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
            feature = make_part(name, part, "features")
            made[name] = settled(feature, images, self.seed)
            check_values(name, made[name], "features")
        return made

    def check(self) -> None:
        """Make all parts and check their values, before the first image is read."""
        for name, part in self.features.items():
            check_values(name, make_part(name, part, "features"), "features")
        self.make_classifiers()

    def make_classifiers(self) -> dict[str, BaseEstimator]:
        """Make the classifiers."""
        made = {}
        for name, part in self.classifiers.items():
            made[name] = make_part(name, part, "classifiers")
            check_values(name, made[name], "classifiers")
            check_penalties(name, made[name], self.features)
        return made


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


def make_part(name: str, part: Part, group: str) -> BaseEstimator:
    """Make a feature or a classifier. A parameter with a ``kind`` is made as well."""
    kind = find_class(part.kind, group, name)
    for parameter in part.parameters:
        check_parameter(name, parameter, part.kind, group)
    values = {k: _value(name, v, group) for k, v in part.parameters.items()}
    try:
        made: BaseEstimator = kind(**values)
    except (TypeError, ValueError) as error:
        raise RecipeError(f"{name}: {error}", group, name) from error
    return made


def _value(name: str, value: Any, group: str) -> Any:
    if isinstance(value, list):
        return tuple(value)
    if value == NOTHING:
        return None
    if isinstance(value, dict) and "kind" in value:
        parameters = {k: v for k, v in value.items() if k != "kind"}
        return make_part(f"{name}, {value['kind']}", Part(value["kind"], parameters), group)
    return value


def check_parameter(name: str, parameter: str, kind: str, group: str) -> None:
    """Check that a class has a parameter."""
    known = parameters_of(find_class(kind, group, name))
    if parameter not in known:
        message = f"{name} has no parameter {parameter!r}{nearest(parameter, known)}"
        raise RecipeError(message, group, name, parameter)


def check_values(name: str, estimator: BaseEstimator, group: str) -> None:
    """Check the values of the parameters before the first image is read.

    A feature that learns nothing describes a black image; otherwise each image would be refused.
    """
    try:
        for check in ("_check_parameters", "_loss"):
            if is_ours(estimator) and hasattr(estimator, check):
                getattr(estimator, check)()
        if group == "features" and is_ours(estimator) and not get_tags(estimator).requires_fit:
            size = getattr(estimator, "image_size", None) or (64, 64)
            estimator.transform([np.zeros((*size, 3), np.uint8)])
    except (TypeError, ValueError) as error:
        message = str(error).removeprefix("image 0: ")
        raise RecipeError(f"{name}: {message}", group, name, message.split(" ")[0]) from error


def check_penalties(name: str, classifier: BaseEstimator, features: Iterable[str]) -> None:
    """Check that each feature has a penalty where a classifier has one for each part."""
    alpha = getattr(classifier, "alpha", None) if is_ours(classifier) else None
    where = ("classifiers", name, "alpha")
    if isinstance(alpha, tuple):
        example = ", ".join(f"{feature} = {classifier.alpha[0]}" for feature in features)
        message = f"{name}: alpha: expected a number or a table of the features, {{ {example} }}"
        raise RecipeError(message, *where)
    if isinstance(alpha, Mapping):
        for feature in features:
            if feature not in alpha:
                message = f"{name}: alpha has no value for the feature {feature!r}"
                raise RecipeError(f"{message}, only for {', '.join(alpha)}", *where)


def usual_parameters(kind: str, group: str) -> dict[str, Any]:
    """Return the parameters that a part has in every job, unless it names others."""
    is_scaled = group == "classifiers" and ":" not in kind
    return (
        {"standardize": "parts"}
        if is_scaled and "standardize" in parameters_of(find_class(kind, group))
        else {}
    )


def group_of(kind: str) -> str:
    """Return whether a class is of the features or of the classifiers."""
    try:
        find_class(kind, "features")
    except RecipeError:
        find_class(kind, "classifiers")
        return "classifiers"
    return "features"


def find_class(kind: str, group: str, name: str = "") -> Any:
    """Return a class of this package by its name, or any class by ``"module:Class"``.

    A module may lie in the current folder.
    """
    package = feature_classes if group == "features" else classifier_classes
    where = (group, name, "kind")
    if not isinstance(kind, str) or ":" not in kind:
        found = getattr(package, kind, None) if kind in package.__all__ else None
        if not inspect.isclass(found) or not issubclass(found, BaseEstimator):
            names = [n for n in package.__all__ if is_part(getattr(package, n), group)]
            message = f"no {group[:-1]} of the kind {kind!r}{nearest(str(kind), names)}"
            raise RecipeError(message, *where)
        return found
    module, _, class_name = kind.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        found = getattr(importlib.import_module(module), class_name)
    except (ImportError, AttributeError, ValueError) as error:
        message = f"{kind}: {error}; expected module:Class that can be imported"
        raise RecipeError(message, *where) from error
    method = METHODS[group]
    if not hasattr(found, method) or not hasattr(found, "get_params"):
        message = f"{kind}: expected a scikit-learn estimator with {method} and get_params"
        raise RecipeError(message, *where)
    return found


def is_part(found: Any, group: str) -> bool:
    """Tell whether a public name is a feature or a classifier that a recipe can name."""
    base = ImageFeature if group == "features" else BaseEstimator
    is_one = inspect.isclass(found) and issubclass(found, base) and found is not base
    return is_one and hasattr(found, METHODS[group])


def parameters_of(kind: Any) -> list[str]:
    """Return the names of the parameters of an estimator's constructor."""
    return [n for n in inspect.signature(kind).parameters if n not in NOT_PART_OF_THE_RESULT]


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
