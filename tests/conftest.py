"""Settings for all tests."""

import os

# The references of the tests multiply matrices too. Several BLAS threads for each process of the
# tests would wait for each other on a busy machine. NumPy reads this when it is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# These tests compile the kernels anew in processes of their own. They take longest, so they come
# first: the other worker of pytest-xdist runs the rest meanwhile.
SLOWEST = "test_environments.py", "test_simd.py"


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.name not in SLOWEST)
