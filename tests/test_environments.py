"""Every kernel on small inputs, compiled in another way than by default."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

TESTS = Path(__file__).parent
PROGRAM = TESTS / "every_kernel.py"

# How numba compiles: with checks of array bounds, and for a processor without the instruction that
# multiplies pairs. The checks are the same at any level of optimisation; level 1 with plain loops
# takes a third less time.
VARIABLES = {
    "NUMBA_BOUNDSCHECK": "1",
    "NUMBA_OPT": "1",
    "NUMBA_LOOP_VECTORIZE": "0",
    "NUMBA_CPU_NAME": "generic",
    "NUMBA_CPU_FEATURES": "",
}

# Tests that pass then, too. They run in the process that has compiled the kernels. It does without
# the test that starts another process, and those of layouts, of which a kernel gets only one.
ALSO = (
    TESTS / "features" / "test_odd_images.py",
    TESTS / "features" / "words" / "test_int16.py",
    f"{TESTS / 'features' / 'words' / 'test_search.py'}::test_bits",
    TESTS / "test_simd.py",
    *("-k", "not eight_lanes and not layout"),
)


def results():
    """Compute the results of the kernels as they are compiled by default."""
    spec = importlib.util.spec_from_file_location("every_kernel", PROGRAM)
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    return program.results()


def test_imports_compile_nothing_bounds_are_kept_and_numbers_are_the_same(tmp_path):
    file = tmp_path / "results.npz"
    command = [sys.executable, "-W", "error", "-X", "faulthandler", str(PROGRAM), str(file)]
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), **VARIABLES}
    done = subprocess.run(
        [*command, *map(str, ALSO)], env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found, expected = np.load(file), results()
    assert set(found.files) == set(expected)
    for key, value in expected.items():
        assert np.isfinite(value).all(), key
        np.testing.assert_allclose(found[key], value, rtol=1e-3, atol=1e-3, err_msg=key)
