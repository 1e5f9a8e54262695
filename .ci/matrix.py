"""Test the package in fresh environments: Pythons, old and new dependencies, builds of OpenCV.

``python .ci/matrix.py [NAME ...]`` needs the package uv. Each row of ROWS is an environment of its
own, in which the checkout is tested. A Python that cannot be had is skipped.
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import uv

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".venv-matrix"
UV = uv.find_uv_bin()


class Row(NamedTuple):
    """An environment: a Python, which versions of the dependencies, and a build of OpenCV."""

    name: str
    python: str
    resolution: str = "highest"
    opencv: str = "opencv-python-headless"


ROWS = [
    Row("3.11-lowest", "3.11", "lowest-direct"),
    Row("3.11-opencv4", "3.11", opencv="opencv-python-headless<5"),
    Row("3.12-desktop", "3.12", opencv="opencv-python"),
    Row("3.13", "3.13"),
    Row("3.14", "3.14"),
]
TEST_PACKAGES = [
    "pytest",
    "pytest-xdist",
    "hypothesis",
    "pandas",
    "playwright",
    "axe-playwright-python",
]
# What dependencies and Pythons can change: numerics, kernels, estimators, decoders, tables, charts,
# the command line. Left out are clusters, S3, browsers, signals and long searches.
TESTS = [
    "tests/test_hints.py",
    "tests/test_simd.py",
    "tests/test_threads.py",
    "tests/features/hog",
    "tests/features/patches",
    "tests/features/test_common.py",
    "tests/features/test_hue.py",
    "tests/features/test_image.py",
    "tests/features/words/test_bag.py",
    "tests/features/words/test_bag_mirror.py",
    "tests/features/words/test_bag_use.py",
    "tests/features/words/test_search.py",
    "tests/classifiers/test_estimators.py",
    "tests/classifiers/test_linear.py",
    "tests/classifiers/test_cross_validation.py",
    "tests/classifiers/solvers/test_solvers.py",
    "tests/pipeline/formats",
    "tests/pipeline/store/test_rows.py",
    "tests/pipeline/store/test_tables.py",
    "tests/pipeline/sources/test_folder.py",
    "tests/pipeline/sources/test_manifest.py",
    "tests/pipeline/sources/test_tar.py",
    "tests/pipeline/test_reader.py",
    "tests/pipeline/test_persist.py",
    "tests/pipeline/test_versions.py",
    "tests/pipeline/test_load_image.py",
    "tests/pipeline/test_job.py",
    "tests/pipeline/test_recipe_file.py",
    "tests/pipeline/test_cli.py",
    "tests/pipeline/report/test_displays.py",
]
# The newest packages below old dependencies warn of what these still call.
OLD = ["-W", "ignore::DeprecationWarning", "-W", "ignore::pytest.PytestRemovedIn10Warning"]
SHOWN = "numpy", "scikit-learn", "numba", "opencv-python", "opencv-python-headless"


def main(arguments: list[str]) -> int:
    """Try the named rows, or all, and print what came of each."""
    names = arguments or [row.name for row in ROWS]
    results = {row.name: try_row(row) for row in ROWS if row.name in names}
    for name, result in results.items():
        print(f"{name:<14} {result}")
    return int(any("FAILED" in result for result in results.values()))


def try_row(row: Row) -> str:
    """Make the environment of a row, run the tests there and say what came of it."""
    print(f"== {row.name}", flush=True)
    environment = FOLDER / row.name
    make = [UV, "venv", "--quiet", "--clear", "--python", row.python, str(environment)]
    if subprocess.run(make).returncode:
        return f"skipped: no Python {row.python} can be had"
    start = time.perf_counter()
    try:
        install(row, environment)
        python = environment / ("Scripts" if os.name == "nt" else "bin") / "python"
        warnings = OLD if row.resolution == "lowest-direct" else []
        command = [python, "-m", "pytest", "-q", "-n", "1", *warnings, *TESTS]
        kernels = {"NUMBA_CACHE_DIR": str(environment / "kernels")}
        subprocess.run(command, cwd=ROOT, env={**os.environ, **kernels}, check=True)
    except subprocess.CalledProcessError as error:
        return f"FAILED: {' '.join(map(str, error.cmd[1:5]))} ..."
    found = versions(environment)
    shown = ", ".join(f"{name} {found[name]}" for name in SHOWN if name in found)
    return f"passed in {time.perf_counter() - start:.0f} s: {shown}"


def install(row: Row, environment: Path) -> None:
    """Install the dependencies in the versions of the row, the package, and what the tests need."""
    resolution = ["--resolution", row.resolution]
    pip(environment, "install", *resolution, "-r", str(ROOT / "pyproject.toml"))
    pip(environment, "install", "--no-deps", "--editable", str(ROOT))
    frozen = FOLDER / "constraints.txt"
    frozen.write_text("".join(f"{n}=={v}\n" for n, v in versions(environment).items()))
    pip(environment, "install", "--constraint", str(frozen), *TEST_PACKAGES)
    if row.opencv != "opencv-python-headless":
        pip(environment, "uninstall", "opencv-python-headless")
        pip(environment, "install", row.opencv)


def pip(environment: Path, command: str, *arguments: str) -> None:
    """Call ``uv pip`` for an environment."""
    target = ["--python", str(environment)]
    subprocess.run([UV, "pip", command, "--quiet", *target, *arguments], check=True)


def versions(environment: Path) -> dict[str, str]:
    """Return the versions of what is installed from the registry."""
    command = [UV, "pip", "list", "--format", "freeze", "--python", str(environment)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    pairs = (line.partition("==") for line in done.stdout.splitlines())
    return {name: version for name, _, version in pairs}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
