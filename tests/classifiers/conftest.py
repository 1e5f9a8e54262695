"""Small problems that several tests share."""

import numpy as np
import pytest
from sklearn.datasets import make_classification


def make_blobs(n=300, d=8, k=4, seed=0, dtype=np.float64):
    X, y = make_classification(
        n,
        d,
        n_informative=d - 2,
        n_classes=k,
        n_clusters_per_class=1,
        flip_y=0.1,
        random_state=seed,
    )
    rng = np.random.default_rng(seed)
    return (X * np.geomspace(0.3, 3, d) + rng.normal(size=d)).astype(dtype), y


@pytest.fixture(scope="session")
def blobs():
    """Give a function that makes a matrix of unevenly scaled columns, and labels 0..k-1."""
    return make_blobs
