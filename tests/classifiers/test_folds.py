"""How rows are divided into folds: splitters, groups, small classes and seeds."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

from visualwords.classifiers import LinearSVMCV, SoftmaxCV


def test_folds_without_any_weight_are_refused(blobs):
    X, y = blobs(n=300)
    weight = np.zeros(300)
    weight[[np.argmax(y == k) for k in range(3)]] = 1
    with pytest.raises(ValueError, match="cv=5: there are folds whose rows all have weight 0"):
        SoftmaxCV().fit(X, y, weight)


def test_generators_and_groups_and_none(blobs):
    X, y = blobs(n=300)
    groups = np.arange(300) // 10
    search = SoftmaxCV([0.01, 1.0], cv=GroupKFold(3)).fit(X, y, groups=groups)
    pairs = GroupKFold(3).split(X, y, groups)
    assert_array_equal(search.scores_, SoftmaxCV([0.01, 1.0], cv=pairs).fit(X, y).scores_)
    search = SoftmaxCV([0.01, 1.0], cv=3).fit(X, y, groups=groups)
    pairs = list(StratifiedGroupKFold(3, shuffle=True, random_state=0).split(X, y, groups))
    assert all(not set(groups[train]) & set(groups[test]) for train, test in pairs)
    assert_array_equal(search.scores_, SoftmaxCV([0.01, 1.0], cv=pairs).fit(X, y).scores_)
    with pytest.raises(ValueError, match="cv=31: 31 folds need 31 groups, got 30; take fewer"):
        SoftmaxCV([0.01, 1.0], cv=31).fit(X, y, groups=groups)
    with pytest.warns(UserWarning, match="a fold is trained without one of the classes"):
        SoftmaxCV([0.01, 1.0], cv=3).fit(X, y, groups=np.where(y == 1, 99, groups))
    five = SoftmaxCV([0.01, 1.0], cv=None).fit(X, y)
    assert_array_equal(five.scores_, SoftmaxCV([0.01, 1.0]).fit(X, y).scores_)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([0, 1], r"groups must have shape \(300,\), the group of each row, got \(2,\)"),
        (np.zeros((300, 1)), r"groups must have shape \(300,\), .* got \(300, 1\)"),
        (["a", None] * 150, "groups has values that cannot be sorted, give all of one kind"),
    ],
)
def test_groups_that_are_none(blobs, groups, message):
    with pytest.raises(ValueError, match=message):
        SoftmaxCV([0.1], cv=3).fit(*blobs(n=300), groups=groups)


@pytest.mark.parametrize("search", [SoftmaxCV([0.01, 1.0]), LinearSVMCV([0.01, 1.0])])
@pytest.mark.parametrize(
    ("n", "warning"),
    [
        (3, "5 folds, and class 3 has 3 rows, so some folds are tested without it"),
        (1, "5 folds, and class 3 has 1 row, so one fold is trained without it"),
    ],
)
def test_a_class_smaller_than_the_number_of_folds_is_warned_of(blobs, search, n, warning):
    X, y = blobs(n=300)
    few = np.flatnonzero(y == 3)[n:]
    X, y = np.delete(X, few, axis=0), np.delete(y, few)
    with pytest.warns(UserWarning, match=warning) as caught:
        model = clone(search).fit(X, y)
    assert len(caught) == 1
    assert model.scores_.shape == (2, 5)
    assert model.scores_.max() > 0.6
    assert_array_equal(model.classes_, range(4))


def test_a_random_state_shuffles_the_folds(blobs):
    X, y = blobs(n=300)
    search = SoftmaxCV([0.01, 1.0], cv=3)
    of_seed = [clone(search).set_params(random_state=seed).fit(X, y).scores_ for seed in (7, 7, 8)]
    assert_array_equal(of_seed[0], of_seed[1])
    assert not np.array_equal(of_seed[0], of_seed[2])
    of_state = [
        clone(search).set_params(random_state=np.random.RandomState(seed)).fit(X, y).scores_
        for seed in (7, 7)
    ]
    assert_array_equal(*of_state)
