"""Time the demo with an empty and a full cache of kernels, and the first call of a process."""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

DEMO_SECONDS, FIRST_CALL_SECONDS = 20.0, 0.3
FIRST_CALL = """
import numpy as np
from time import perf_counter
from visualwords.features import hog
image = np.zeros((32, 32), np.uint8)
start = perf_counter()
hog(image)
print(perf_counter() - start)
"""


def report() -> None:
    with TemporaryDirectory() as folder:
        environment = {**os.environ, "NUMBA_CACHE_DIR": str(Path(folder, "cache"))}
        cold, warm = (run_demo(Path(folder, name), environment) for name in ("cold", "warm"))
        first = min(float(python(environment, "-c", FIRST_CALL)) for _ in range(3))
    print(f"demo, all cores: {cold:.1f} s with an empty cache of kernels, {warm:.1f} s with a full")
    print_verdict("compilation of the demo", cold - warm, DEMO_SECONDS)
    print_verdict("first hog() of a process, full cache", first, FIRST_CALL_SECONDS)


def run_demo(out: Path, environment: dict[str, str]) -> float:
    start = perf_counter()
    python(environment, "-m", "visualwords", "demo", "--out", str(out))
    return perf_counter() - start


def python(environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, *arguments]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return done.stdout


def print_verdict(what: str, seconds: float, limit: float) -> None:
    verdict = "ok" if seconds < limit else "MISSED"
    print(f"  {what:<40} {seconds:6.2f} s  < {limit:g} s {verdict}")
