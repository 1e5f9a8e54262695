"""Time functions in turns, so that changes of the machine's speed affect all of them alike."""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from platform import machine
from statistics import median
from time import perf_counter


def race(
    contestants: Mapping[str, Callable[[], object]], repeats: int = 7, warm_up: bool = True
) -> dict[str, float]:
    """Return the median seconds of each contestant; they run in turns, in one process."""
    if warm_up:
        for run in contestants.values():
            run()
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(repeats):
        for name, run in contestants.items():
            start = perf_counter()
            run()
            seconds[name].append(perf_counter() - start)
    return {name: median(times) for name, times in seconds.items()}


def row(what: str, ours: float, peer: str, theirs: float, target: float | None = None) -> str:
    """Return a line of a report: our time, the peer's, their ratio and the least ratio wanted."""
    ratio = theirs / ours
    verdict = "" if target is None else f"  >= {target:g}x {'ok' if ratio >= target else 'MISSED'}"
    return f"{what:<58} {_time(ours):>10}  {peer:<34} {_time(theirs):>10}  {ratio:7.2f}x{verdict}"


def _time(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def processor() -> str:
    """Return the name of the processor, its cores and whether it has AVX-512."""
    file = Path("/proc/cpuinfo")
    text = file.read_text() if file.exists() else ""
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    name = next((v.strip() for k, v in fields.items() if k.strip() == "model name"), machine())
    wide = "AVX-512" if "avx512f" in text else "no AVX-512"
    return f"{name}, {os.cpu_count()} cores, {wide}"


def cifar_folder() -> Path:
    """Return the folder of CIFAR-10; where there is none, exit and say what to do."""
    folder = Path(os.environ.get("VISUALWORDS_DATA", ""), "cifar10")
    if not folder.is_dir():
        sys.exit(
            f"no folder {folder}: set VISUALWORDS_DATA to the folder that holds "
            "cifar10/{train,test}/CLASS/*.png"
        )
    return folder
