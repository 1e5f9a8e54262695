"""Objectives whose sums are computed by workers: the same bits as here."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone

from visualwords.classifiers import ColumnStack, LinearSVM, PrimalDual, Softmax, placed, row_blocks
from visualwords.classifiers.scaling import column_scaling


class Rows:
    """A matrix on a disk, of which the name alone is sent."""

    def __init__(self, file, rows=slice(None)):
        self.file, self.rows = file, rows
        self.X = np.load(file, mmap_mode="r")[rows]
        self.shape, self.dtype = self.X.shape, self.X.dtype
        self.n_read = 0

    def __reduce__(self):
        return Rows, (self.file, self.rows)

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        self.n_read += len(self.X[rows])
        return self.X[rows]

    def take(self, rows):
        return Rows(self.file, rows)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("model", [Softmax, LinearSVM])
@pytest.mark.parametrize(("weighted", "shift"), [(False, 0), (True, 1e5)])  # far: in a frame
def test_the_weights_have_the_same_bits(blobs, tmp_path, monkeypatch, model, weighted, shift):
    monkeypatch.setattr(placed, "BLOCKS_OF_A_TASK", 1)
    monkeypatch.setattr(row_blocks, "BLOCKS_OF_A_TASK", 4)
    X, y = blobs(n=7000, d=40, dtype=np.float32)
    X += np.float32(shift)
    sizes = []

    def in_workers(function, tasks):
        for task in tasks:
            sent = pickle.dumps(task)
            sizes.append(len(sent))
            yield function(pickle.loads(sent))

    parts = {}
    for name, columns in {"a": X[:, :10], "b": X[:, 10:]}.items():
        np.save(tmp_path / f"{name}.npy", columns)
        parts[name] = Rows(tmp_path / f"{name}.npy")
    weight = np.linspace(0.5, 1, len(y)) if weighted else None
    estimator = model(0.01, standardize="parts", solver=PrimalDual(max_iter=8))
    stack = ColumnStack(parts)
    here = estimator.fit(stack, y, sample_weight=weight)
    scores = here.decision_function(stack)
    there = clone(estimator).fit(stack.placed(in_workers), y, sample_weight=weight)
    assert_array_equal(there.coef_, here.coef_)
    n_read = parts["a"].n_read
    assert_array_equal(there.decision_function(stack.placed(in_workers)), scores)
    assert parts["a"].n_read == n_read
    scaling = column_scaling(stack.placed(in_workers), weight, None)
    assert parts["a"].n_read == n_read + 1  # the first row
    assert_array_equal(scaling.scale, column_scaling(stack, weight, 2).scale)
    assert len(sizes) > 3
    assert max(sizes) < X.nbytes / 10
