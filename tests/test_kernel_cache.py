import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# A small kernel is compiled.
CODE = """
from visualwords.compiling import kernel
@kernel
def double(x):
    return 2 * x
print(double(21))
"""
# All kernels of the package are declared before.
IMPORT_ALL = "import visualwords.features, visualwords.classifiers\n"
# A worker process runs the kernel, too.
WORKER = """
import subprocess, sys
subprocess.run([sys.executable, "-c", "import small"], check=True)
"""


def install_without_a_cache(folder):
    """Copy the package without ``pipeline``; a file stands where numba would make its folder."""
    package = folder / "visualwords"
    (folder / "__pycache__").touch()
    files = [*ROOT.glob("*.py"), *ROOT.glob("features/**/*.py"), *ROOT.glob("classifiers/**/*.py")]
    for file in files:
        copy = package / file.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, copy)
        (copy.parent / "__pycache__").touch()


def run_a_kernel(folder, code=CODE, **variables):
    (folder / "script.py").write_text(code)
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")
    }
    return subprocess.run(
        [sys.executable, "script.py"],
        cwd=folder,
        env=inherited | {"PYTHONPATH": str(folder), "HOME": "/dev/null"} | variables,
        capture_output=True,
        text=True,
    )


@pytest.fixture
def installed(tmp_path):
    """A package beside which nothing can be written, and an empty folder of temporary files."""
    install_without_a_cache(tmp_path)
    (tmp_path / "temporary").mkdir()
    return tmp_path


def kept_in(folder):
    return list(folder.rglob("*.nbc"))


def test_kernels_are_kept_among_temporary_files_and_one_line_says_so(installed):
    temporary = installed / "temporary"
    (installed / "small.py").write_text(CODE)
    first = run_a_kernel(installed, IMPORT_ALL + "import small" + WORKER, TMPDIR=str(temporary))
    assert first.stdout == "42\n42\n", first.stderr
    assert first.stderr.count("Warning") == 1  # of both processes
    assert f"keeps them in {temporary}" in first.stderr
    assert "set NUMBA_CACHE_DIR to a folder" in first.stderr
    (kept,) = kept_in(temporary)
    written = kept.stat().st_mtime_ns
    again = run_a_kernel(installed, "import small", TMPDIR=str(temporary))
    assert again.stdout == "42\n"
    assert [file.stat().st_mtime_ns for file in kept_in(temporary)] == [written]


@pytest.mark.parametrize("is_link", [False, True])
def test_a_folder_of_somebody_else_is_not_used(installed, is_link):
    taken = installed / "temporary" / f"visualwords-kernels-{os.getuid()}"
    other = installed / "other"
    other.mkdir()
    if is_link:
        taken.symlink_to(other)
    else:
        taken.touch()
    result = run_a_kernel(installed, TMPDIR=str(taken.parent))
    assert result.stdout == "42\n", result.stderr
    assert result.stderr.count("Warning") == 1
    assert "compiles them again in each process" in result.stderr
    assert not kept_in(installed)


def test_kernels_are_kept_in_the_folder_that_the_user_names(installed):
    result = run_a_kernel(installed, NUMBA_CACHE_DIR=str(installed / "cache"))
    assert (result.stdout, result.stderr) == ("42\n", "")
    assert kept_in(installed / "cache")
