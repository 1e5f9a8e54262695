import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
# All kernels of the package are declared, and a small one is compiled.
CODE = """
import visualwords.features, visualwords.classifiers
from visualwords.compiling import kernel
@kernel
def double(x):
    return 2 * x
print(double(21))
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


def run_a_kernel(folder, **variables):
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")
    }
    (folder / "script.py").write_text(CODE)
    return subprocess.run(
        [sys.executable, "script.py"],
        cwd=folder,
        env=inherited | {"PYTHONPATH": str(folder), "HOME": "/dev/null"} | variables,
        capture_output=True,
        text=True,
    )


def test_kernels_work_where_nothing_can_be_written_and_one_warning_says_so(tmp_path):
    install_without_a_cache(tmp_path)
    result = run_a_kernel(tmp_path)
    assert result.stdout == "42\n", result.stderr
    assert result.stderr.count("Warning") == 1
    assert result.stderr.count("set NUMBA_CACHE_DIR to a folder") == 1


def test_kernels_are_kept_in_the_folder_that_the_user_names(tmp_path):
    install_without_a_cache(tmp_path)
    result = run_a_kernel(tmp_path, NUMBA_CACHE_DIR=str(tmp_path / "cache"))
    assert (result.stdout, result.stderr) == ("42\n", "")
    assert list((tmp_path / "cache").rglob("*.nbc"))
