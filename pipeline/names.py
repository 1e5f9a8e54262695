"""Names that users give to features and classifiers, and that become names of files and columns."""

import re
from collections.abc import Collection, Sequence

from .duplicates import HASH
from .parts import RecipeError

__all__ = ["check_feature_names", "check_names", "feature_sets", "model_name", "probability_column"]

MOST_BYTES = 200  # of a name; a file of Linux may have 255, and temporary files have longer names
OF_NO_FILE = re.compile(r"\.|.*[/\\\x00-\x1f]", re.DOTALL)
COLUMNS = ("path", "label")  # of predictions.csv, beside those of each classifier


def feature_sets(features: Sequence[str]) -> list[tuple[str, ...]]:
    """Return each feature alone, then all together.

    Examples
    --------
    >>> feature_sets(["hue", "hog"])
    [('hue',), ('hog',), ('hue', 'hog')]
    """
    alone: list[tuple[str, ...]] = [(name,) for name in features]
    return [*alone, tuple(features)] if len(features) > 1 else alone


def model_name(classifier: str, features: Sequence[str]) -> str:
    """Return the name of a model: that of its classifier and of its features."""
    return f"{classifier}-{'+'.join(features)}"


def probability_column(classifier: str) -> str:
    """Return the column of predictions.csv with the probability of the class that it names."""
    return f"{classifier}_probability"


def check_feature_names(features: Collection[str]) -> None:
    """Refuse names of features that can be no names of folders in a store, and no features at all.

    Examples
    --------
    >>> check_feature_names(["hue", "my feature"])
    >>> check_feature_names(["a/b"])
    Traceback (most recent call last):
    visualwords.pipeline.parts.RecipeError: 'a/b': expected a name without slashes that does not \
begin with a dot
    """
    if not features:
        raise RecipeError("expected at least one feature, got none", "features")
    for name in features:
        _check_name(name, "features")
        if name == HASH:
            problem = "is a feature that each job computes; choose another name"
            raise RecipeError(f"{name!r} {problem}", "features", name)


def check_names(features: Sequence[str], classifiers: Sequence[str]) -> None:
    """Refuse names by which two files of a run, or two columns of a table, would be one.

    Parameters
    ----------
    features, classifiers : sequence of str

    Raises
    ------
    RecipeError
        With the names.

    Examples
    --------
    >>> check_names(["hue", "Softmax-hue"], ["Softmax"])
    Traceback (most recent call last):
    visualwords.pipeline.parts.RecipeError: the feature 'Softmax-hue' and the model of Softmax on \
hue would have the same file Softmax-hue.npz; choose another name
    """
    check_feature_names(features)
    columns = {*COLUMNS, *map(probability_column, classifiers)}
    for name in classifiers:
        _check_name(name, "classifiers")
        if name in columns:
            problem = "is a column of predictions.csv, as each classifier is; choose another name"
            raise RecipeError(f"{name!r} {problem}", "classifiers", name)
    owners = {name: (f"the feature {name!r}", "features", name) for name in features}
    for classifier, names in ((c, names) for c in classifiers for names in feature_sets(features)):
        file = model_name(classifier, names)
        model = f"the model of {classifier} on {', '.join(names)}"
        if file in owners:
            owner, *where = owners[file]
            problem = f"{owner} and {model} would have the same file {file}.npz"
            raise RecipeError(f"{problem}; choose another name", *where)
        _check_length(file, "classifiers", classifier)
        owners[file] = model, "classifiers", classifier


def _check_name(name: str, group: str) -> None:
    if not isinstance(name, str) or not name or OF_NO_FILE.match(name):
        problem = f"{name!r}: expected a name without slashes that does not begin with a dot"
        raise RecipeError(problem, group, str(name))
    _check_length(name, group, name)


def _check_length(file: str, *where: str) -> None:
    length = len(file.encode())
    if length > MOST_BYTES:
        problem = f"a file would have the name {file[:50]}..., which is {length} bytes long"
        raise RecipeError(f"{problem}, expected at most {MOST_BYTES}; give shorter names", *where)
