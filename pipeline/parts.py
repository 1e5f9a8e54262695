"""The parts of a recipe: features and classifiers by their class and its parameters."""

import difflib
import importlib
import inspect
import json
import math
import os
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.utils import get_tags

from .. import classifiers as classifier_classes
from .. import features as feature_classes
from ..checks import check_pair
from ..classifiers.folds import check_folds
from ..features import ImageFeature
from .persist import NOT_PART_OF_THE_RESULT, is_ours

__all__ = [
    "GROUPS",
    "NOTHING",
    "OWN_FAULTS",
    "Part",
    "RecipeError",
    "check_enough_labels",
    "check_parameter",
    "check_penalties",
    "check_values",
    "find_class",
    "group_of",
    "kinds_of",
    "make_part",
    "nearest",
    "parameters_of",
    "parse_value",
    "usual_parameters",
]

GROUPS = ("features", "classifiers")
NOTHING = "none"  # TOML has no word for None
MAX_PIXELS = 1 << 24  # of an image that is described to check parameters
OWN_FAULTS = (Exception, SystemExit)  # what code of the user's own can end with: it may call exit()
METHODS = {"features": "transform", "classifiers": "predict"}


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


def make_part(name: str, part: Part, group: str, method: str | None = None) -> BaseEstimator:
    """Make a feature or a classifier, and the estimators among its parameters.

    ``method`` is what its class must have: that of the group, or another one.
    """
    kind = find_class(part.kind, group, name, method)
    known, values = parameters_of(kind), {}
    for parameter, value in part.parameters.items():
        _check_known(name, parameter, known, group)
        try:
            values[parameter] = _value(name, value, group)
        except RecipeError as error:  # of an estimator, which has no line of its own
            raise RecipeError(str(error), group, name, parameter) from error
    try:
        made: BaseEstimator = kind(**values)
    except OWN_FAULTS as error:
        is_known = isinstance(error, TypeError | ValueError)
        said = f"{error}" if is_known else f"{type(error).__name__}: {error}"
        raise RecipeError(f"{name}: {said}", group, name) from error
    return made


def _value(name: str, value: Any, group: str) -> Any:
    """Return the value of a parameter. A list is a tuple, or a list of named estimators."""
    if isinstance(value, list | tuple):
        items = tuple(_value(name, item, group) for item in value)
        return list(items) if any(map(_is_named_estimator, items)) else items
    if value == NOTHING:
        return None
    if _is_an_estimator(value):
        part = Part(value["kind"], {k: v for k, v in value.items() if k != "kind"})
        return make_part(f"{name}, {part.kind}", part, group, "get_params")
    return value


def _is_named_estimator(item: Any) -> bool:
    """Tell whether an item is a tuple such as ("scaler", StandardScaler()) in a pipeline."""
    return isinstance(item, tuple) and any(isinstance(part, BaseEstimator) for part in item)


def _is_an_estimator(value: Any) -> bool:
    """Tell whether the value of a parameter stands for an estimator."""
    return isinstance(value, Mapping) and "kind" in value


def kinds_of(value: Any) -> Iterator[str]:
    """Yield the kinds of a part and of all estimators among its parameters."""
    if isinstance(value, Part):
        yield value.kind
        value = value.parameters
    elif _is_an_estimator(value):
        yield str(value["kind"])  # a damaged file may hold anything
    if isinstance(value, Mapping):
        value = value.values()
    if not isinstance(value, str) and isinstance(value, Iterable):
        for item in value:
            yield from kinds_of(item)


def check_parameter(name: str, parameter: str, kind: str, group: str) -> None:
    """Check that a class has a parameter."""
    _check_known(name, parameter, parameters_of(find_class(kind, group, name)), group)


def _check_known(name: str, parameter: str, known: list[str], group: str) -> None:
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
            size = check_pair("image_size", size)
            if math.prod(size) > MAX_PIXELS:
                raise ValueError(f"image_size: expected at most {MAX_PIXELS} pixels, got {size}")
            estimator.transform([np.zeros((*size, 3), np.uint8)])
    except (TypeError, ValueError) as error:
        message = str(error).removeprefix("image 0: ")
        raise RecipeError(f"{name}: {message}", group, name, message.split(" ")[0]) from error


def check_enough_labels(
    name: str,
    classifier: BaseEstimator,
    labels: npt.NDArray[Any],
    groups: npt.NDArray[np.intp] | None,
) -> None:
    """Check that the labels of the training images are enough for a classifier's folds."""
    if is_ours(classifier) and hasattr(classifier, "cv"):
        try:
            check_folds(classifier.cv, labels, groups)
        except ValueError as error:
            raise RecipeError(f"{name}: {error}", "classifiers", name, "cv") from error


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


def find_class(kind: str, group: str, name: str = "", method: str | None = None) -> Any:
    """Return a class of this package by its name, or any class by ``"module:Class"``.

    A module may lie in the current folder. The class must have a method: by default that of the
    group.
    """
    package = feature_classes if group == "features" else classifier_classes
    where = (group, name, "kind")
    if not isinstance(kind, str) or ":" not in kind:
        found = getattr(package, kind, None) if kind in package.__all__ else None
        if not inspect.isclass(found) or not issubclass(found, BaseEstimator):
            names = [n for n in package.__all__ if is_part(getattr(package, n), group)]
            message = f"no {group[:-1]} of the kind {kind!r}{nearest(str(kind), names)}"
            message += "; a class of your own is named module:Class"
            raise RecipeError(message, *where)
        return found
    module, _, class_name = kind.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        found = getattr(importlib.import_module(module), class_name)
    except OWN_FAULTS as error:
        is_known = isinstance(error, ImportError | AttributeError | TypeError | ValueError)
        said = f"{error}" if is_known else f"{type(error).__name__}: {error}"
        message = f"{kind}: {said}; expected module:Class that can be imported"
        raise RecipeError(message, *where) from error
    method = method or METHODS[group]
    if not hasattr(found, method) or not hasattr(found, "get_params"):
        message = f"{kind}: expected a class with {method} that is derived from BaseEstimator"
        message += " of scikit-learn, which has get_params"
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
    """Read a value as JSON or, in braces, as TOML, which recipes have; or as text.

    Examples
    --------
    >>> parse_value("[8, 8]"), parse_value("{hog = 0.1}"), parse_value("dalal")
    ([8, 8], {'hog': 0.1}, 'dalal')
    """
    try:
        return json.loads(text)
    except ValueError:
        pass
    if text.startswith("{"):
        with suppress(tomllib.TOMLDecodeError):
            return tomllib.loads(f"value = {text}")["value"]
    return {"true": True, "false": False, "none": None}.get(text.lower(), text)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of a message that names the nearest right name, and all of them."""
    known = list(known)
    in_small_letters = {right.lower(): right for right in known}
    near = difflib.get_close_matches(name.lower(), in_small_letters, 1)
    meant = f"; did you mean {in_small_letters[near[0]]!r}?" if near else ""
    return f"{meant} (there are {', '.join(known)})"
