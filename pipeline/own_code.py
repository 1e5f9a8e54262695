"""Classes of the user's own: named by ``"module:Class"``, and started only by the user."""

import json
import os
import sys
import traceback
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from .. import classifiers as classifier_classes
from .. import features as feature_classes
from .parts import NOTHING, OWN_FAULTS, Part, find_class, kinds_of, parameters_of
from .persist import is_ours, package_of, packages_of
from .sources.base import SourceError

__all__ = [
    "OwnCodeError",
    "as_parts",
    "check_allowed",
    "named",
    "naming_own_code",
    "own_classes",
    "what_failed",
]

NAMES = {"HueHistogram": "hue", "HOG": "hog", "BagOfVisualWords": "words"}


class OwnCodeError(ValueError):
    """A class of the user's own that fails on whatever it is given."""


def what_failed(error: BaseException, estimator: BaseEstimator) -> str:
    """Return class and message of an exception, and the line of the user's module that met it.

    Examples
    --------
    >>> what_failed(KeyError("x"), BaseEstimator())
    "KeyError: 'x'"
    """
    module = sys.modules.get(type(estimator).__module__)
    file = getattr(module, "__file__", None) or ""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == file]
    where = f" ({os.path.basename(file)}, line {lines[-1]})" if lines else ""
    return f"{type(error).__name__}: {error}{where}"


@contextmanager
def naming_own_code(name: str, estimator: BaseEstimator, doing: str) -> Iterator[None]:
    """Tell an exception of the user's own code by its name and line, and what it was doing.

    That images cannot be read is no fault of the code that asks for them.
    """
    try:
        yield
    except OWN_FAULTS as error:
        if is_ours(estimator) or isinstance(error, SourceError):
            raise
        message = f"{name}: {what_failed(error, estimator)}, in {doing}"
        raise OwnCodeError(f"{message}; mend {type(estimator).__name__}") from error


def own_classes(parts: Mapping[str, Part], group: str) -> set[type]:
    """Return the classes in parts that are not of this package; their modules are imported."""
    return {
        find_class(kind, group, name, "get_params")
        for name, part in parts.items()
        for kind in kinds_of(part)
        if ":" in kind
    }


def check_allowed(parts: Mapping[str, Part], own: Collection[type], where: str) -> None:
    """Refuse parts that a file of a run names, if they are code that the user did not name.

    Parameters
    ----------
    parts : mapping of str to Part
    own : collection of type
        Classes that the user named. Parts may hold other estimators of their packages.
    where : str
        The file.
    """
    for name, part in parts.items():
        for kind in kinds_of(part):
            module, colon, class_name = kind.partition(":")
            is_whole = kind == part.kind
            is_named = getattr(sys.modules.get(module), class_name, None) in own
            if colon and not (is_named if is_whole else package_of(module) in packages_of(own)):
                verb = "is" if is_whole else "holds"
                raise ValueError(
                    f"{where}: {name} {verb} {kind}, code of your own, which no file of a run may "
                    "start; name a recipe that you trust with --recipe FILE, or in Python "
                    f"own=[{class_name}]"
                )


def as_parts(
    estimators: Mapping[str, Part | BaseEstimator] | Sequence[BaseEstimator],
) -> dict[str, Part]:
    """Return the parts of a recipe that estimators stand for."""
    if not isinstance(estimators, Mapping):
        estimators = named(estimators)
    return {
        name: part if isinstance(part, Part) else Part(**_described(part))
        for name, part in estimators.items()
    }


def named(estimators: Sequence[BaseEstimator]) -> dict[str, BaseEstimator]:
    """Return features or classifiers by their usual names, or else those of their classes."""
    if isinstance(estimators, BaseEstimator):
        raise TypeError(f"expected a list of estimators, got one of them: [{estimators}] is a list")
    found: dict[str, BaseEstimator] = {}
    for estimator in estimators:
        if isinstance(estimator, str):
            raise TypeError(
                f"expected an estimator such as HOG(), got the text {estimator!r}; a recipe takes "
                "names: vw.Recipe().with_features(['hue', 'hog'])"
            )
        if isinstance(estimator, type):
            name = estimator.__name__
            raise TypeError(f"expected an estimator, got its class {name}; write {name}()")
        if not hasattr(estimator, "get_params"):
            raise TypeError(
                f"expected an estimator such as HOG(), got {estimator!r}; derive its class from "
                "BaseEstimator of scikit-learn"
            )
        kind = type(estimator)
        name = kind.__name__
        if hasattr(estimator, "transform"):
            name = NAMES.get(name, name.lower()) if is_ours(estimator) else name.lower()
        if name in found:
            raise ValueError(f"two are named {name!r}: give a dict of names to them instead")
        found[name] = estimator
    return found


def _described(estimator: BaseEstimator) -> dict[str, Any]:
    kind = type(estimator)
    is_public = kind.__name__ in (*feature_classes.__all__, *classifier_classes.__all__)
    given = estimator.get_params(deep=False)
    return {
        "kind": kind.__name__
        if is_ours(estimator) and is_public
        else f"{kind.__module__}:{kind.__qualname__}",
        "parameters": {
            name: _plain(given[name], f"{kind.__name__}: {name}") for name in parameters_of(kind)
        },
    }


def _plain(value: Any, name: str) -> Any:
    """Return the value of a parameter as a file of a run keeps it."""
    if isinstance(value, BaseEstimator):
        described = _described(value)
        return {"kind": described["kind"], **described["parameters"]}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, list | tuple):
        return type(value)([_plain(item, name) for item in value])
    try:
        json.dumps(value)
    except TypeError as error:
        raise TypeError(
            f"{name}: expected numbers, texts, lists of them or an estimator, which a run "
            f"keeps in files, got {value!r}; write a class of your own that makes the rest itself"
        ) from error
    return NOTHING if value is None else value
