"""The parameters and attributes that all linear classifiers share, described once."""

from inspect import cleandoc
from typing import TypeVar

__all__ = ["with_shared_docs"]

Class = TypeVar("Class", bound=type)

ENTRIES = {
    "standardize": """\
standardize : bool, "parts" or "whiten"
    Learn on columns of zero mean and unit variance. X is neither changed nor copied. ``coef_`` and
    ``intercept_`` are for X as it came, but the penalty acts on the weights of the standardised
    columns. A constant column is left as it is. With "parts", the parts of a :class:`ColumnStack`
    are scaled further, so that each part has the same total variance. Then the penalty does not
    favour 1,000 visual words over 10 hues because they are more. Any other X is one part. With
    "whiten", the standardised columns become uncorrelated too, and the penalty acts on the weights
    of these columns (docs/recognition.md). That serves thousands of strongly correlated columns,
    such as triangle codes, where rows are several times as many. It keeps the whitened rows.
""",
    "fit_intercept": """\
fit_intercept : bool
    Learn intercepts. Without them, standardised columns are scaled but not centred.
""",
    "class_weight": """\
class_weight : dict, "balanced" or None
    Factor of the rows of each class, 1 for a class that the dict does not name. "balanced" gives
    all classes the same total weight.
""",
    "warm_start": """\
warm_start : bool
    Start at the weights of the last ``fit`` if the classes are the same.
""",
    "random_state": """\
random_state : int, RandomState or None
    Seed of all random choices. None leaves the seed to the solver, whose default is 0: the result
    is the same in every run.
""",
    "verbose": """\
verbose : int
    Above 0, print the objective after each iteration.
""",
    "n_jobs": """\
n_jobs : int or None
    Threads, as in joblib. The result is the same for any number.
""",
    "learned": """\
classes_ : ndarray of shape (n_classes,)
coef_ : ndarray of shape (n_classes, n_features), float64
    Weights for X as it came. There is one row per class, also for two classes.
intercept_ : ndarray of shape (n_classes,), float64
center_, unit_ : ndarray of shape (n_features,), float64
    Only of a model that was learned on standardised columns far from 0, or very small or large.
    Prediction subtracts ``center_`` from the columns and divides them by ``unit_`` first, and
    changes the weights accordingly, because products with raw columns would lose digits.
gap_ : float
    Upper bound of the distance between the objective and its minimum.
n_iter_ : int
    Iterations.
loss_curve_ : list of float
    The objective at the start and after each iteration. For a loss with kinks, a solver may report
    a smoothed loss until its last iteration.
""",
    "calibrate": """\
calibrate : bool
    Learn the temperature of the probabilities: they are the softmax of the scores divided by
    ``temperature_``, which minimises the cross-entropy of rows whose fold a model has not seen
    (temperature scaling, Guo et al. 2017). It takes about as long as one more penalty, and ``cv``
    must test each row once. ``predict`` and ``decision_function`` stay as they are.
""",
    "search": """\
per_part : bool
    Then search for a penalty for each part of a :class:`ColumnStack`. From the best penalty on, the
    penalty of each part alone and of all parts is raised and lowered by a factor of 4, then 2,
    while that scores better. A round is ``2 * (parts + 1)`` penalties that share their passes over
    X; 3 to 8 rounds take 1 to 3 times as long as the search for one penalty, and longer where
    models are fitted one by one (see ``tol``). ``cv`` must test each row once.
cv : int, splitter, iterable of (train, test) or None
    As in scikit-learn: an integer is a number of stratified folds, None is 5. The rows of these
    folds are shuffled by ``random_state``. Splits in which each row is tested once share their
    passes over X. Others, such as random splits, take passes of their own for each split, which all
    penalties share.
tol : float
    Tolerance of the models that are scored. Such a model is done when its next step promises to
    lower the objective by less than 3 % of ``tol`` (10 % with 25 rows a column or more), relative
    to the objective or, if this is smaller, to what it has gained since weights of 0 with the best
    intercepts. Where rows are few for the number of weights, the duality gap must be at most ten
    times as much of the value, and as much with up to 3 rows a column. Models with few rows and a
    loss with kinks are slow to reach it; these are fitted one by one. With less than 25 rows a
    column all begin at weights of 0, so that they know nothing of their fold. With no more rows
    than columns, up to 2,048, each model is fitted by itself, in coordinates of the rows of its
    split, until the duality gap is at most 10 % of ``tol`` of the value. The best penalty is fitted
    to all rows like any model.
""",
    "found": """\
alpha_ : float or dict
    The penalty with the best mean score; a dict from the names of the parts (or their numbers) if
    each has its own.
tried_ : list of float or dict
    The penalties that were tried.
scores_ : ndarray of shape (n_tried, n_splits)
    Accuracy of each penalty on each split. Rows count by their weights: with
    ``class_weight="balanced"`` all classes count alike. Weights that balance the classes are
    computed from all rows.
temperature_ : float
    With ``calibrate`` only.
""",
}


def with_shared_docs(cls: Class) -> Class:
    """Replace each line ``{name}`` in the docstring of a class by the shared entry of that name.

    The words ``{losses}`` are replaced by the names of the losses of the class.
    """
    text = cleandoc(cls.__doc__ or "")  # Python 3.13 takes the indentation away, others do not
    for name, entry in ENTRIES.items():
        text = text.replace(f"{{{name}}}\n", entry)
    names = ", ".join(f'"{name}"' for name in getattr(cls, "losses", {}))
    cls.__doc__ = text.replace("{losses}", f"{{{names}}}")
    return cls
