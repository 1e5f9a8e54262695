"""The memory that a job takes and took."""

import ctypes
import sys
from pathlib import Path

import psutil
import pyarrow as pa

__all__ = ["give_back", "peak_bytes"]

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


def give_back() -> None:
    """Give back to the system the memory that was freed.

    glibc and pyarrow keep it for the next allocation: after a vocabulary was learned, some 120 MB.
    Other systems give it back themselves.
    """
    pa.default_memory_pool().release_unused()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:  # musl has none
            trim(0)
