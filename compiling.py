"""Decorators for the compiled loops of both packages, and the arrays that they take."""

import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

import numba
import numpy as np
import numpy.typing as npt
from numba import njit
from numba.core import event

__all__ = [
    "compilations",
    "inlined",
    "inner",
    "kernel",
    "part",
    "read_only",
]

Number = TypeVar("Number", bound=np.generic)

# Options of a kernel. Nothing asks for its address, so numba need not compile a C wrapper.
_KERNEL: dict[str, Any] = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}


def kernel(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Compile a function that Python calls, and keep its machine code on disk.

    numba keeps machine code in ``__pycache__`` beside the source file or in the user's cache
    folder. Where both are read-only, it is kept in a folder among the temporary files, and one
    warning says so. Where that cannot be had either, each process compiles anew.

    Parameters
    ----------
    function : callable, optional
        Without it, the result is a decorator: ``@kernel(fastmath={"contract"})``.
    **options
        Further options of :func:`numba.njit`.
    """
    if function is None:
        return partial(kernel, **options)
    try:
        return njit(function, cache=True, **_KERNEL, **options)
    except RuntimeError as error:
        if "no locator available" not in str(error):
            raise
    return njit(function, cache=_keeps_in_a_temporary_folder(), **_KERNEL, **options)


@cache
def _keeps_in_a_temporary_folder() -> bool:
    """Let numba keep machine code among the temporary files; tell whether it can, and warn once."""
    user = getattr(os, "getuid", lambda: 0)()  # on Windows each user has his own temporary files
    folder = Path(tempfile.gettempdir(), f"visualwords-kernels-{user}")
    with suppress(OSError):
        folder.mkdir(mode=0o700)
    is_ours = folder.is_dir() and not folder.is_symlink() and folder.stat().st_uid == user
    if is_ours:
        numba.config.CACHE_DIR = os.environ["NUMBA_CACHE_DIR"] = str(folder)  # for workers, too
        outcome = f"keeps them in {folder}"
    else:
        outcome = "compiles them again in each process"
    warnings.warn(
        f"numba cannot write compiled kernels to {Path(__file__).parent} or to the home folder and "
        f"{outcome}; set NUMBA_CACHE_DIR to a folder that you can write to",
        RuntimeWarning,
        stacklevel=3,
    )
    return is_ours


class _Compilations(event.Listener):
    """Call ``report(is_over)`` when a kernel begins to be compiled and when it is compiled."""

    def __init__(self, report: Callable[[bool], None]) -> None:
        self._report = report
        self._depth = 0  # A kernel's compilation contains that of the functions that it calls.

    def on_start(self, event: event.Event) -> None:
        self._depth += 1
        if self._depth == 1:
            self._report(False)

    def on_end(self, event: event.Event) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._report(True)


def read_only(array: npt.NDArray[Number]) -> npt.NDArray[Number]:
    """Return a contiguous read-only view: one compiled version serves arrays and memory maps.

    Kernels of images take arrays that may be written to: :func:`.for_kernels`.
    """
    view = np.ascontiguousarray(array).view(np.ndarray)
    view.flags.writeable = False
    return view


@contextmanager
def compilations(report: Callable[[bool], None]) -> Iterator[None]:
    """Report the kernels that are compiled meanwhile, by any thread.

    Parameters
    ----------
    report : callable
        Is called with False before a kernel is compiled and with True after it. A kernel that is
        loaded from disk is not reported.
    """
    with event.install_listener("numba:compile", _Compilations(report)):
        yield


# A function that one kernel calls: numba copies it into that kernel before it compiles.
part = njit(inline="always")

# A function that several kernels call. Python does not call it, so it needs no wrappers.
_INNER: dict[str, Any] = {
    "error_model": "numpy",
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}
inner = partial(njit, **_INNER)
inlined = partial(inner, forceinline=True)  # a short function, or one with a single caller
