"""Every kernel on small inputs, compiled in other ways than on this machine by default."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

PROGRAM = Path(__file__).with_name("every_kernel.py")

# How numba compiles, by environment variables.
ENVIRONMENTS = {
    "with checks of array bounds": {"NUMBA_BOUNDSCHECK": "1"},
}


@pytest.fixture(scope="module")
def expected():
    """Give the results of the kernels as they are compiled by default."""
    spec = importlib.util.spec_from_file_location("every_kernel", PROGRAM)
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    return program.results()


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_kernel_gives_the_same_in_any_environment(name, expected, tmp_path):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache"), **ENVIRONMENTS[name]}
    file = tmp_path / "results.npz"
    command = [sys.executable, "-W", "error", "-X", "faulthandler", str(PROGRAM), str(file)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    found = np.load(file)
    assert set(found.files) == set(expected)
    for key, value in expected.items():
        assert np.isfinite(value).all(), key
        np.testing.assert_allclose(found[key], value, rtol=1e-3, atol=1e-3, err_msg=key)
