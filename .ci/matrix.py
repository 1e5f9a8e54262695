"""Test the package in fresh environments: Pythons, old and new dependencies, builds of OpenCV.

``python .ci/matrix.py [NAME ...] -- TESTS`` needs uv beside its Python. Each row of ROWS is an
environment of its own, in which the wheel is tested. A Python that cannot be had is skipped.
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".venv-matrix"
UV = str(Path(sys.executable).parent / "uv")


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
TEST_PACKAGES = ["pytest", "pytest-xdist", "hypothesis", "pandas", "playwright"]
SHOWN = "numpy", "scikit-learn", "numba", "opencv-python", "opencv-python-headless"


def main(arguments: list[str]) -> int:
    """Build the wheel, try the named rows, or all, and print what came of each."""
    split = arguments.index("--")
    names, tests = arguments[:split], arguments[split + 1 :]
    subprocess.run(
        [UV, "build", "--quiet", "--wheel", "--out-dir", str(FOLDER / "wheel"), str(ROOT)],
        check=True,
    )
    results = {row.name: try_row(row, tests) for row in ROWS if row.name in (names or [row.name])}
    for name, result in results.items():
        print(f"{name:<14} {result}")
    return int(any("FAILED" in result for result in results.values()))


def try_row(row: Row, tests: list[str]) -> str:
    """Make the environment of a row, run the tests there and say what came of it."""
    print(f"== {row.name}", flush=True)
    environment = FOLDER / row.name
    if subprocess.run(
        [UV, "venv", "--quiet", "--clear", "--python", row.python, environment]
    ).returncode:
        return f"skipped: no Python {row.python} can be had"
    start = time.perf_counter()
    try:
        install(row, environment)
        python = environment / ("Scripts" if os.name == "nt" else "bin") / "python"
        subprocess.run([python, "-m", "pytest", "-q", "-n", "1", *tests], cwd=ROOT, check=True)
    except subprocess.CalledProcessError as error:
        return f"FAILED: {' '.join(map(str, error.cmd[1:5]))} ..."
    found = versions(environment)
    shown = ", ".join(f"{name} {found[name]}" for name in SHOWN if name in found)
    return f"passed in {time.perf_counter() - start:.0f} s: {shown}"


def install(row: Row, environment: Path) -> None:
    """Install the dependencies in the versions of the row, the wheel, and what the tests need."""
    (wheel,) = (FOLDER / "wheel").glob("*.whl")
    resolution = ["--resolution", row.resolution]
    pip(environment, "install", *resolution, "-r", str(ROOT / "pyproject.toml"))
    pip(environment, "install", "--no-deps", str(wheel))
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
