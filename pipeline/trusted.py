"""``TRUSTED_TYPES``: the classes of this package that a file of skops may hold."""

from inspect import isabstract, isclass

from sklearn.base import BaseEstimator

from .. import classifiers, features
from ..classifiers import Loss

__all__ = ["TRUSTED_TYPES"]

# What skops makes of a file, beside classes of NumPy, SciPy and scikit-learn that skops trusts
# itself: features, classifiers, losses and solvers. ``skops.io.load(file, trusted=TRUSTED_TYPES)``
# makes objects of no other class.
TRUSTED_TYPES: tuple[str, ...] = tuple(
    sorted(
        f"{kind.__module__}.{kind.__qualname__}"
        for package in (features, classifiers)
        for kind in (getattr(package, name) for name in package.__all__)
        if isclass(kind) and issubclass(kind, BaseEstimator | Loss) and not isabstract(kind)
    )
)
