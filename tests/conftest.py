"""Settings for all tests."""

import gc
import os
from contextlib import suppress
from importlib import import_module

import joblib
import pytest

# The references of the tests multiply matrices too. Several BLAS threads for each process of the
# tests would wait for each other on a busy machine. NumPy reads this when it is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Imports and compilations make many objects that live on. Looking for garbage among them after each
# 700 new ones takes a seventh of the time of both.
gc.set_threshold(100_000)

# Python compiles a module when it is first imported. Workers that imported all in the same order
# would all compile all. So the others begin with what the first one comes to last.
LAST_IMPORTS = {
    "gw1": ("pandas", "numba", "matplotlib.figure"),
    "gw2": ("polars", "hypothesis.extra.numpy", "playwright.sync_api"),
}
for name in LAST_IMPORTS.get(os.environ.get("PYTEST_XDIST_WORKER", ""), ()):
    with suppress(ImportError):
        import_module(name)

# These tests compile the kernels anew in processes of their own. The last one then compares with
# the kernels that the first worker has compiled meanwhile.
SLOWEST = "test_simd.py", "test_environments.py"


@pytest.hookimpl(optionalhook=True)  # without xdist nobody asks
def pytest_xdist_auto_num_workers():
    """Start one worker more than there are cores: a worker often waits for other processes."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    return joblib.cpu_count() + 1


def pytest_collection_modifyitems(items):
    """Put the slowest tests where the second worker of xdist begins, and classifiers after them.

    The first worker begins with features, and a third one with classifiers. So each compiles other
    kernels, and finds those of the others on disk later.
    """
    slowest = [item for name in SLOWEST for item in items if item.path.name == name]
    classifiers = [item for item in items if "classifiers" in item.path.parts]
    apart = {*slowest, *classifiers}
    others = [item for item in items if item not in apart]
    others.sort(key=lambda item: "features" not in item.path.parts)
    place = len(items) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 2))
    others[place:place] = slowest
    others[2 * place : 2 * place] = classifiers
    items[:] = others
