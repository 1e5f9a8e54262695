"""What the estimators take as ``X``: arrays, memory maps, stacks, other sources of rows."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from visualwords.classifiers import ColumnStack, LinearSVM, Softmax, SoftmaxCV


@pytest.mark.parametrize("estimator", [LinearSVM(0.01), Softmax(0.01, standardize=True)])
def test_same_bits_for_any_number_of_threads_and_any_kind_of_matrix(blobs, estimator, tmp_path):
    X, y = blobs(n=5000, d=40, dtype=np.float32)
    np.save(tmp_path / "X.npy", X)
    one = estimator.set_params(n_jobs=1).fit(X, y)
    coef, scores = one.coef_, one.decision_function(X)
    matrices = [
        X,
        np.load(tmp_path / "X.npy", mmap_mode="r"),
        ColumnStack([np.ascontiguousarray(X[:, :13]), X[:, 13:]]),
    ]
    for matrix in matrices:
        two = estimator.set_params(n_jobs=2).fit(matrix, y)
        assert_array_equal(two.coef_, coef)
        assert_array_equal(two.decision_function(matrix), scores)


@pytest.mark.parametrize(("dtype", "standardize"), [(np.float32, False), (np.float64, True)])
@pytest.mark.parametrize("n", [300, 5000])
@pytest.mark.parametrize("estimator", [LinearSVM(1.0), Softmax(0.1), SoftmaxCV([0.1, 1], cv=2)])
def test_how_a_matrix_lies_in_memory_does_not_count(blobs, estimator, n, dtype, standardize):
    X, y = blobs(n=n, d=40, dtype=dtype)
    expected = clone(estimator).set_params(standardize=standardize).fit(X, y)
    for same in (np.asfortranarray(X), X[::-1, ::-1].copy()[::-1, ::-1]):
        found = clone(expected).fit(same, y)
        assert_array_equal(found.coef_, expected.coef_)
        assert_array_equal(found.decision_function(same), expected.decision_function(X))


class Recording:
    """A source that remembers how many rows were asked for at a time."""

    def __init__(self, X):
        self.X, self.shape, self.dtype, self.most = X, X.shape, X.dtype, 0

    def __len__(self):
        return len(self.X)

    def __getitem__(self, rows):
        block = self.X[rows]
        self.most = max(self.most, len(block))
        return block


@pytest.mark.parametrize("estimator", [LinearSVM(0.01, standardize=True), SoftmaxCV([0.01, 0.1])])
def test_a_source_is_read_in_blocks_and_learned_like_an_array(blobs, estimator):
    X, y = blobs(n=6000, d=50, dtype=np.float32)
    source = Recording(X)
    from_source = clone(estimator).fit(source, y)
    assert_array_equal(from_source.coef_, clone(estimator).fit(X, y).coef_)
    assert_array_equal(from_source.predict(source), from_source.predict(X))
    assert source.most <= 4096


def test_a_memory_map_is_never_copied_whole(tmp_path):
    rng = np.random.default_rng(0)
    shape = (60000, 200)
    X = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", np.float32, shape)
    y = rng.integers(0, 3, shape[0])
    for start in range(0, shape[0], 1000):
        X[start : start + 1000] = rng.normal(size=(1000, shape[1]))
    X[:, 0] += y
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    tracemalloc.start()
    Softmax(0.01, standardize=True).fit(X, y).predict(X)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < X.nbytes / 2


def test_bad_sources(blobs):
    X, y = blobs(dtype=np.float32)
    X[7, 3] = np.nan
    with pytest.raises(ValueError, match=r"not finite .* in rows 0 to"):
        LinearSVM().fit(Recording(X), y)
    with pytest.raises(ValueError, match="300 rows but y has 299 labels"):
        LinearSVM().fit(Recording(blobs()[0]), y[:-1])
    with pytest.raises(ValueError, match="float32 or float64"):
        LinearSVM().fit(Recording(blobs()[0].astype(np.int32)), y)
    for empty in (X[:0], X[:, :0]):
        with pytest.raises(ValueError, match="at least 1 row and 1 column, got a source of shape"):
            LinearSVM().fit(Recording(empty), y[: len(empty)])
    with pytest.raises(ValueError, match="same number of rows"):
        ColumnStack([X, X[1:]])
    with pytest.raises(ValueError, match="at least one matrix"):
        ColumnStack([])
    with pytest.raises(ValueError, match="the stack has no parts 'c', 0; its parts are 'a', 'b'"):
        ColumnStack({"a": X, "b": X}).only(["a", "c", 0])
    for part in (pd.DataFrame(X), csr_array(blobs()[0]), X.tolist()):
        message = f"other sources of rows, got a {type(part).__name__}; make an array of it first"
        with pytest.raises(TypeError, match=message):
            ColumnStack([X, part])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row", [0, 600])
@pytest.mark.parametrize("stacked", [False, True])
def test_standardised_columns_are_checked_even_in_rows_of_weight_0(blobs, value, row, stacked):
    X, y = blobs(n=700, d=4)
    X[row, 2] = value
    X = ColumnStack([X[:, :2], X[:, 2:]]) if stacked else X
    weight = np.where(np.arange(700) == row, 0, 1)
    with pytest.raises(ValueError, match=f"rows {row // 512 * 512} to" if stacked else "NaN|infin"):
        Softmax(standardize=True).fit(X, y, sample_weight=weight)


@pytest.mark.parametrize("cuts", [[], [2]])
@pytest.mark.parametrize("kind", [">f4", ">f8", "<f4", "<f8"])
@pytest.mark.parametrize("wrap", [np.asarray, Recording])
def test_parts_of_either_byte_order(blobs, cuts, kind, wrap):
    X, y = blobs(n=100, d=4)
    stack = ColumnStack([wrap(part) for part in np.split(X.astype(kind), cuts, axis=1)])
    expected = Softmax(0.1).fit(X.astype(stack.dtype), y)
    assert_array_equal(Softmax(0.1).fit(stack, y).coef_, expected.coef_)
    assert_array_equal(expected.predict(stack), expected.predict(X))


def test_scikit_learn_takes_the_rows_of_folds_from_a_stack(blobs):
    X, y = blobs(n=300)
    parts = {"a": X[:, :2], "b": 100 * X[:, 2:]}
    for stack in (ColumnStack(parts), ColumnStack(parts).in_memory()):
        assert_array_equal(np.asarray(stack), np.hstack(list(parts.values())))
        for rows in (np.array([3, 299, 3]), np.arange(300) % 7 == 0, slice(5, 20), [-1, 0]):
            some = stack[rows, ...]
            assert some.names == ["a", "b"]
            assert_array_equal(some[:], np.asarray(stack)[rows])
        folds = [(np.arange(0, 300, 2), np.arange(1, 300, 2))]
        model = LinearSVM(standardize="parts")
        (found,) = cross_val_score(model, stack, y, cv=folds)
        train = ColumnStack({name: part[::2] for name, part in parts.items()})
        assert found == model.fit(train, y[::2]).score(np.asarray(stack)[1::2], y[1::2])
        scaled = make_pipeline(StandardScaler(), model)
        expected = cross_val_score(scaled, np.asarray(stack), y, cv=folds)
        assert_array_equal(cross_val_score(scaled, stack, y, cv=folds), expected)
        with pytest.raises(TypeError, match=r"expected X\[rows\], got X\["):
            stack[:, 0]


def test_a_stack_in_memory_gives_views_of_the_same_rows():
    parts = [np.arange(8.0).reshape(4, 2), np.arange(4.0).reshape(4, 1)]
    stack = ColumnStack(parts).in_memory()
    assert_array_equal(stack[1:3], np.hstack(parts)[1:3])
    assert not stack[1:3].flags.owndata
    assert stack.widths == [2, 1]


@pytest.mark.parametrize("cut", [[], [3], [1, 4]])
def test_single_rows_of_a_stack_are_those_of_the_whole(cut, tmp_path):
    X = np.random.default_rng(0).normal(size=(30, 6)).astype(np.float32)
    parts = np.split(X, cut, axis=1)
    np.save(tmp_path / "part.npy", parts[-1])
    parts = [*parts[:-1], np.load(tmp_path / "part.npy", mmap_mode="r")]
    for last in (parts[-1], parts[-1].astype(np.float64)):
        stack = ColumnStack([*parts[:-1], last])
        for rows in ([], [7], [29, 0, 0, 5]):
            index = np.array(rows, np.intp)
            found = stack.take_rows(index)
            assert found.dtype == stack.dtype
            assert_array_equal(found, X[index])
