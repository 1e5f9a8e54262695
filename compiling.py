"""Decorators for the compiled loops of both packages."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

from numba import njit
from numba.core import event

__all__ = [
    "compilations",
    "inlined",
    "inner",
    "kernel",
    "part",
]

# Options of a kernel. Nothing asks for its address, so numba need not compile a C wrapper.
_KERNEL: dict[str, Any] = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}


def kernel(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Compile a function that Python calls, and keep its machine code on disk.

    numba keeps machine code in ``__pycache__`` beside the source file or in the user's cache
    folder. Where both are read-only, the function is compiled anew in each process, and one
    warning says so.

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
        _warn_that_nothing_is_kept()
        return njit(function, **_KERNEL, **options)


@cache
def _warn_that_nothing_is_kept() -> None:
    """Warn, once in a process, that compiled kernels cannot be kept on disk."""
    warnings.warn(
        f"numba cannot write compiled kernels to {Path(__file__).parent} or to the home folder, so "
        "each process compiles them again; set NUMBA_CACHE_DIR to a folder that you can write to",
        RuntimeWarning,
        stacklevel=3,
    )


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
