"""The memory that a job took."""

from pathlib import Path

import psutil

__all__ = ["peak_bytes"]

STATUS = Path("/proc/self/status")


def peak_bytes() -> int:
    """Return the most memory that this process held.

    Linux and Windows keep the peak. Elsewhere the memory that the process holds now is returned.
    """
    if STATUS.exists():
        values = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
        return 1024 * int(values["VmHWM"].split()[0])
    memory = psutil.Process().memory_info()
    return int(getattr(memory, "peak_wset", memory.rss))
