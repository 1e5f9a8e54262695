"""Every kernel on small inputs, compiled in other ways than by default."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

TESTS = Path(__file__).parent
PROGRAM = TESTS / "every_kernel.py"

# How numba compiles, by environment variables. Checks of bounds are the same at any level of
# optimisation, and level 1 takes a fifth less time.
ENVIRONMENTS = {
    "with checks of array bounds": {"NUMBA_BOUNDSCHECK": "1", "NUMBA_OPT": "1"},
}

# Tests that pass in each of the environments too.
FILES = ("features/test_odd_images.py",)


@pytest.fixture(scope="module", params=ENVIRONMENTS)
def environment(request, tmp_path_factory):
    """Give the variables of an environment, with a kernel cache of its own."""
    cache = tmp_path_factory.mktemp("cache")
    return {**os.environ, "NUMBA_CACHE_DIR": str(cache), **ENVIRONMENTS[request.param]}


def results():
    """Compute the results of the kernels as they are compiled by default."""
    spec = importlib.util.spec_from_file_location("every_kernel", PROGRAM)
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    return program.results()


def run(environment, *arguments):
    command = [sys.executable, "-W", "error", "-X", "faulthandler", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", FILES)
def test_these_tests_pass_too(environment, file):
    run(environment, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", str(TESTS / file))


def test_every_kernel_gives_the_same_results(environment, tmp_path):
    file = tmp_path / "results.npz"
    run(environment, str(PROGRAM), str(file))
    found, expected = np.load(file), results()
    assert set(found.files) == set(expected)
    for key, value in expected.items():
        assert np.isfinite(value).all(), key
        np.testing.assert_allclose(found[key], value, rtol=1e-3, atol=1e-3, err_msg=key)
