"""The recipe ``best``: ``small`` or ``photographs``, whichever suits the size of the images."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import pyarrow as pa
from sklearn.base import BaseEstimator

from .parts import RecipeError
from .progress import Progress
from .recipe import SETTINGS, Recipe

__all__ = ["BEST", "LARGE", "SMALL", "BestRecipe", "Choice"]

BEST = "best"
SMALL, LARGE = "small", "photographs"
SMALL_SIDE = 64  # pixels; where the median of the shorter sides is larger, they are photographs


@dataclass(frozen=True)
class BestRecipe(Recipe):
    """A recipe that is settled once the sizes of the images are known.

    What is changed in it is changed in both recipes that it can become. A change that only one of
    them allows is an error where the other one is chosen.

    Attributes
    ----------
    candidates : mapping of str to Recipe or RecipeError
        By the names ``small`` and ``photographs``.
    """

    candidates: Mapping[str, Recipe | RecipeError] = field(default_factory=dict)

    @classmethod
    def of(cls, candidates: Mapping[str, Recipe | RecipeError]) -> Self:
        """Return the recipe that becomes one of the candidates.

        Raises
        ------
        RecipeError
            If no candidate is sound.
        """
        sound = [found for found in candidates.values() if isinstance(found, Recipe)]
        if not sound:
            raise next(found for found in candidates.values() if isinstance(found, RecipeError))
        parts = {"features": sound[0].features, "classifiers": sound[0].classifiers}
        return cls(**parts, **{k: getattr(sound[0], k) for k in SETTINGS}, candidates=candidates)

    def _each(self, change: Callable[[Recipe], Recipe]) -> Self:
        changed: dict[str, Recipe | RecipeError] = {}
        for name, found in self.candidates.items():
            try:
                changed[name] = change(found) if isinstance(found, Recipe) else found
            except RecipeError as error:
                changed[name] = error
        return self.of(changed)

    @property
    def own_classes(self) -> set[type]:
        """The classes that are not of this package."""
        sound = (found for found in self.candidates.values() if isinstance(found, Recipe))
        return set().union(*(found.own_classes for found in sound))

    def with_features(self, names: Sequence[str]) -> Self:
        """Keep the features of these names, in this order; see :class:`.Recipe`."""
        return self._each(lambda recipe: recipe.with_features(names))

    def with_setting(self, setting: str) -> Self:
        """Change one value; see :class:`.Recipe`."""
        return self._each(lambda recipe: recipe.with_setting(setting))

    def check(self) -> None:
        """Check the values of both recipes, of which one must be sound; see :class:`.Recipe`."""
        self._each(_checked)

    def for_images(self, images: pa.Table, max_side: int | None = None) -> tuple[Recipe, str]:
        """Return the recipe for images of their size, and its name with the size that decided.

        Parameters
        ----------
        images : pyarrow.Table
            The training images; one of ``rows`` 0 is of unknown size.
        max_side : int, optional
            Larger images were reduced to it; that of the recipe where it is left out.
        """
        rows, columns = (images[name].to_numpy().astype(float) for name in ("rows", "columns"))
        longer = np.maximum(rows, columns)
        shorter = np.minimum(rows, columns)[longer > 0]
        if len(shorter):
            shorter *= np.minimum(1, (max_side or self.max_side) / longer[longer > 0])
            side = int(np.median(np.maximum(1, np.rint(shorter))))
            name = SMALL if side <= SMALL_SIDE else LARGE
            why = f"{name}, for images of {side} pixels on their shorter side"
        else:
            name = SMALL
            why = f"{name}, as the size of no image can be read"
        try:
            return _checked(self.candidates[name]), why
        except RecipeError as error:
            raise RecipeError(f"{why}: {error}", *error.where) from error


def _checked(recipe: Recipe | RecipeError) -> Recipe:
    if isinstance(recipe, RecipeError):
        raise recipe
    recipe.check()
    return recipe


class Choice:
    """The recipe of a job, which is settled when the images are known.

    Parameters
    ----------
    recipe : Recipe
    progress : Progress
        Is told what was chosen, where there was a choice.

    Attributes
    ----------
    recipe : Recipe
    why : str or None
        The name of the recipe, and what decided; None where there was no choice.
    """

    def __init__(self, recipe: Recipe, progress: Progress) -> None:
        self.recipe = recipe
        self.why: str | None = None
        self._progress = progress

    def settle(self, images: pa.Table, max_side: int | None = None) -> Recipe:
        """Return the recipe for images, and tell what was chosen where there was a choice."""
        if isinstance(self.recipe, BestRecipe):
            self.recipe, self.why = self.recipe.for_images(images, max_side)
            self._progress.say("recipe", self.why)
        return self.recipe

    def make_features(self, images: pa.Table) -> dict[str, BaseEstimator]:
        """Return the features of the recipe for images; see :meth:`.Recipe.make_features`."""
        return self.settle(images).make_features(images)

    def make_features_to_train(self, images: pa.Table) -> dict[str, BaseEstimator]:
        """Return the features, where the images are enough to train the classifiers."""
        self.settle(images).check_training(images)
        return self.make_features(images)
