"""What a job is asked to do: which features, which classifiers, which limits."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sklearn.base import BaseEstimator, clone

from ..features import HOG
from .ledger import group_numbers
from .names import check_feature_names, check_names
from .own_code import as_parts, check_allowed, named, own_classes
from .parts import (
    GROUPS,
    Part,
    RecipeError,
    check_enough_labels,
    check_parameter,
    check_penalties,
    check_values,
    find_class,
    group_of,
    make_part,
    nearest,
    parameters_of,
    parse_value,
    usual_parameters,
)
from .reader import Reader

__all__ = [
    "MakeFeatures",
    "Recipe",
    "check_recipe",
    "named_features",
    "own_code_refused",
    "recipe_of",
    "settled",
]

MakeFeatures = Callable[[pa.Table], Mapping[str, BaseEstimator]]

HOG_SIDES = (16, 64)
DEFAULT_FEATURES = {
    "hue": Part("HueHistogram"),
    "hog": Part("HOG"),
    "words": Part("BagOfVisualWords"),
}
DEFAULT_CLASSIFIERS = {
    "LinearSVM": Part("LinearSVM", {"standardize": "parts"}),
    "Softmax": Part("Softmax", {"standardize": "parts"}),
}
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
    features, classifiers : mapping of str to Part
        Estimators, or a sequence of them, are taken for parts with their classes and parameters.
    seed : int
        Decides the held-out images, the images that are learned from, and the first centroids.
    test_size : float
        Share of the images that is held out where nothing else says which are test images.
    max_pixels, max_side : int
        Limits of the :class:`~visualwords.pipeline.reader.Reader`.
    """

    features: Any = field(default_factory=lambda: dict(DEFAULT_FEATURES))
    classifiers: Any = field(default_factory=lambda: dict(DEFAULT_CLASSIFIERS))
    seed: int = 0
    test_size: float = 0.2
    max_pixels: int = Reader.max_pixels
    max_side: int = Reader.max_side

    def __post_init__(self) -> None:
        for group in GROUPS:
            object.__setattr__(self, group, as_parts(getattr(self, group)))
        check_names(list(self.features), list(self.classifiers))
        for name, (kind, low, high, expected) in SETTINGS.items():
            value = getattr(self, name)
            is_number = isinstance(value, kind | int) and not isinstance(value, bool)
            if not is_number or not low <= value <= high:
                raise RecipeError(f"{name}: expected {expected}, got {value!r}", name)

    @property
    def own_classes(self) -> set[type]:
        """The classes that are not of this package."""
        parts = ((getattr(self, group), group) for group in GROUPS)
        return set().union(*(own_classes(named, group) for named, group in parts))

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
        name = name.strip()
        known = sorted((*self.features, *self.classifiers), key=len, reverse=True)
        part = next((n for n in known if name.startswith(f"{n}.")), name.partition(".")[0])
        parameter = name[len(part) + 1 :]
        value = parse_value(text.strip())
        if part == name:
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
            if part.parameters:  # defaults need no check, which would load compiled kernels
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

    def check_training(self, images: pa.Table) -> None:
        """Check that the training images are enough for what the classifiers ask of labels.

        Some may turn out to be damaged later.
        """
        usable = images.filter(pc.is_null(images["kind"]))
        if usable.num_rows and usable["label"].null_count == 0:
            labels, groups = np.array(usable["label"].to_pylist(), str), group_numbers(usable)
            for name, classifier in self.make_classifiers().items():
                check_enough_labels(name, classifier, labels, groups)


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


def named_features(
    features: Sequence[BaseEstimator] | Mapping[str, BaseEstimator] | None, seed: int
) -> MakeFeatures:
    """Return a function that makes the features for training images, by their names."""
    if features is None:
        return replace(Recipe(), seed=seed).make_features
    by_name = features if isinstance(features, Mapping) else named(features)
    check_feature_names(by_name)

    def make(training: pa.Table) -> Mapping[str, BaseEstimator]:
        return {name: settled(f, training, seed) for name, f in by_name.items()}

    return make


def recipe_of(record: Mapping[str, Any]) -> Recipe:
    """Return the recipe that a run was made by."""
    values = {name: record["recipe"][name] for name in Recipe.__dataclass_fields__}
    for group in ("features", "classifiers"):
        parts = values[group].items()
        values[group] = {name: Part(part["kind"], part["parameters"]) for name, part in parts}
    return Recipe(**values)


def check_recipe(recipe: Recipe) -> Recipe:
    """Return a recipe; refuse the name of its file and anything else that is none."""
    if not isinstance(recipe, Recipe):
        raise TypeError(
            f"expected a Recipe, got {recipe!r}; read_recipe({str(recipe)!r}) of "
            "visualwords.pipeline.recipe_file reads a file"
        )
    return recipe


def own_code_refused(recipe: Recipe, file: Path, own: Collection[type]) -> Recipe:
    """Return a recipe that comes from a file in a run, unless it names code that would be run."""
    check_allowed(recipe.classifiers, own, str(file))
    try:
        recipe.make_classifiers()
    except ValueError as error:
        raise ValueError(f"{file}: {error}; `visualwords run` makes it again") from error
    return recipe
