"""Show the stages of a job: a progress bar while a stage runs, then one line.

The first job on a machine compiles kernels, which takes longer than the rest of a small job. One
line says so when the first kernel is compiled, the bar counts them, and the line of the stage tells
how many they were and how long they took.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["Stage", "Stages"]


class Stage:
    """One running stage: ``advance`` moves its bar, ``summary`` becomes its line at the end."""

    def __init__(self, advance: Callable[[float], None]) -> None:
        self.advance = advance
        self.summary = ""


class _Compiler:
    """Count the kernels that a stage compiles, and their seconds.

    Parameters
    ----------
    show : callable
        Takes the number of kernels, the one that is being compiled included.
    """

    def __init__(self, show: Callable[[int], None]) -> None:
        self._show = show
        self._start = 0.0
        self.n_kernels = 0
        self.seconds = 0.0

    def __call__(self, is_over: bool) -> None:
        if is_over:
            self.seconds += perf_counter() - self._start
            return
        self._start = perf_counter()
        self.n_kernels += 1
        self._show(self.n_kernels)


class Stages:
    """Times the stages of a job and reports them on a console.

    Parameters
    ----------
    console : rich.console.Console or None
        None reports nothing; bars are drawn only on a terminal.

    Attributes
    ----------
    seconds : dict of str to float
        Wall-clock time of every stage so far; stages of the same name are added up.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(quiet=True)
        self.seconds: dict[str, float] = {}
        self._has_compiled = False

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Stage]:
        """Run one stage of ``total`` steps."""
        from ..compiling import compilations  # numba takes a second: `--help` does without

        start = perf_counter()
        columns = (
            TextColumn("{task.description:<10}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        shown = self._console.is_terminal and not self._console.quiet
        with Progress(*columns, console=self._console, transient=True, disable=not shown) as bars:
            task = bars.add_task(name, total=total, note="")
            stage = Stage(lambda steps: bars.advance(task, steps))

            def show(n_kernels: int) -> None:
                self._announce_compilation()
                bars.update(task, note=f"compiling kernel {n_kernels}")
                bars.refresh()

            compiler = _Compiler(show)
            with compilations(compiler):
                yield stage
        elapsed = perf_counter() - start
        self.seconds[name] = self.seconds.get(name, 0.0) + elapsed
        self._console.print(f"{name:<10} {stage.summary:<58} {elapsed:8.2f} s", highlight=False)
        if compiler.n_kernels:
            kernels = "1 kernel" if compiler.n_kernels == 1 else f"{compiler.n_kernels} kernels"
            what = f"  of which compiling {kernels}, once"
            self._console.print(f"{what:<69} {compiler.seconds:8.2f} s", highlight=False)

    def _announce_compilation(self) -> None:
        """Say once that kernels are being compiled."""
        if not self._has_compiled:
            self._has_compiled = True
            self._console.print(
                "compile    kernels are compiled on first use, once per machine: up to a minute",
                highlight=False,
            )
