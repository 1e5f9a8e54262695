"""What an installation weighs, and how long the first commands take in a fresh environment."""

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from .compilation import DEMO_SECONDS, print_verdict
from .harness import processor

ROOT = Path(__file__).parents[1]
SIZES = """
import json
from importlib.metadata import distributions
from pathlib import Path
print(json.dumps({
    d.name: sum(Path(f.locate()).stat().st_size for f in d.files if Path(f.locate()).is_file())
    for d in distributions()
}))
"""
IMPORT = """
from time import process_time
start = process_time()
import visualwords
print(process_time() - start)
"""
SHOWN = 12  # the heaviest distributions


def report() -> None:
    print(f"  {processor()}, Python {sys.version.split()[0]}")
    with TemporaryDirectory() as folder:
        environment = Path(folder, "environment")
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        python = str(environment / ("Scripts" if os.name == "nt" else "bin") / "python")
        before = sizes(python)
        installed = timed(python, "-m", "pip", "install", "--quiet", str(ROOT))
        print_sizes({k: v for k, v in sizes(python).items() if k not in before})
        print_times("pip install visualwords, downloads included", *installed)
        print_starts(python)
        print_demos(python, Path(folder))


def print_demos(python: str, folder: Path) -> None:
    """Print how long the demo takes without compiled kernels, with them, and with its results."""
    kernels = {"NUMBA_CACHE_DIR": str(folder / "kernels")}
    runs = {"first run": "a", "second run": "b", "again in the same folder": "b"}
    seconds = []
    for what, out in runs.items():
        command = (python, "-m", "visualwords", "demo", "--out", str(folder / out))
        wall, cpu = timed(*command, **kernels)
        seconds.append(cpu)
        print_times(f"visualwords demo, {what}", wall, cpu)
    print_verdict("of which compiling kernels, once", seconds[0] - seconds[1], DEMO_SECONDS)


def print_times(what: str, wall: float, cpu: float) -> None:
    print(f"  {what:<50} {cpu:7.1f} s of CPU, {wall:.1f} s in all", flush=True)


def print_sizes(found: dict[str, int]) -> None:
    """Print the heaviest distributions, then all of them together."""
    heaviest = sorted(found, key=found.__getitem__, reverse=True)
    for name in heaviest[:SHOWN]:
        print(f"  {name:<54} {found[name] / 2**20:6.0f} MB")
    rest = sum(found[name] for name in heaviest[SHOWN:])
    print(f"  {len(heaviest) - SHOWN} others {'':<44} {rest / 2**20:6.0f} MB")
    print(f"  {'all':<54} {sum(found.values()) / 2**20:6.0f} MB", flush=True)


def print_starts(python: str) -> None:
    """Print the least times of an import and of the command's help."""
    outputs = [output(python, "-c", IMPORT) for _ in range(9)]
    print(f"  {'import visualwords':<50} {min(map(float, outputs)) * 1e3:7.0f} ms of CPU")
    helped = min(timed(python, "-m", "visualwords", "--help")[1] for _ in range(9))
    print(f"  {'visualwords --help':<50} {helped * 1e3:7.0f} ms of CPU", flush=True)


def output(*command: str) -> str:
    return subprocess.run(command, cwd="/", check=True, capture_output=True, text=True).stdout


def sizes(python: str) -> dict[str, int]:
    return dict(json.loads(output(python, "-c", SIZES)))


def timed(*command: str, **variables: str) -> tuple[float, float]:
    """Return wall time and CPU time of a process and its workers."""
    start, before = perf_counter(), os.times()
    environment = {**os.environ, **variables}
    subprocess.run(command, env=environment, cwd="/", check=True, capture_output=True)
    after = os.times()
    cpu = after.children_user + after.children_system
    return perf_counter() - start, cpu - before.children_user - before.children_system
