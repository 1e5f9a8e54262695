"""Show the stages of a job: a bar while one runs, then one line.

The first job on a machine compiles kernels, which takes longer than the rest of a small job. One
line says so when the first kernel is compiled, the bar counts them, and the line of the stage tells
how many they were and how long they took.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars

from .counts import counted
from .interruption import Interrupted

__all__ = ["Progress", "Stage"]

LOG_SECONDS = 1.0  # between two lines of the log


class Stage:
    """One running stage.

    Attributes
    ----------
    total : int or None
        Steps in all; None while that is not known.
    done, failed : int
    summary : str
        Becomes the line of the stage at its end.
    """

    def __init__(self, report: Any, name: str, total: int | None) -> None:
        self._report = report
        self._begin = time.perf_counter()
        self.name = name
        self.total = total
        self.done = 0
        self.failed = 0
        self.summary = ""

    def advance(self, steps: int, failed: int = 0) -> None:
        """Note that some steps are done, and how many images failed in them."""
        self.done += steps
        self.failed += failed
        self._report(self)

    @property
    def seconds(self) -> float:
        """Time since the stage began."""
        return time.perf_counter() - self._begin

    @property
    def rate(self) -> float:
        """Steps a second."""
        return self.done / max(self.seconds, 1e-9)


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
            self.seconds += time.perf_counter() - self._start
            return
        self._start = time.perf_counter()
        self.n_kernels += 1
        self._show(self.n_kernels)


@contextmanager
def _saying_how_far(stage: Stage) -> Iterator[None]:
    """Add to an interruption how far the stage came."""
    try:
        yield
    except Interrupted as error:
        total = "" if stage.total is None else f" of {stage.total}"
        error.add_note(f"{stage.name}: {stage.done}{total} done")
        raise


class Progress:
    """Times the stages of a job and reports them.

    Parameters
    ----------
    console : rich.console.Console, optional
        Without one only a notebook shows the stages; bars are drawn on a terminal only.
    log : Path, optional
        A file to which JSON lines are appended: at the start and at the end of each stage, and
        one a second between, even where a stage waits for its first result. What is printed
        between the stages has a line, too. ``summary`` is the text that is printed.

    Attributes
    ----------
    seconds : dict of str to float
        Wall-clock time of every stage so far; stages of the same name are added up.
    """

    def __init__(self, console: Console | None = None, log: Path | None = None) -> None:
        self._console = console or Console(quiet=not Console().is_jupyter)
        self._log = log
        if log is not None:  # a file that cannot be written is told of before the job begins
            log.parent.mkdir(parents=True, exist_ok=True)
            log.open("a").close()
        self._has_compiled = False
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str, total: int | None) -> Iterator[Stage]:
        """Run one stage of ``total`` steps."""
        from ..compiling import compilations  # numba takes a second: `--help` does without

        columns = (
            TextColumn("{task.description:<10}"),
            BarColumn(),
            MofNCompleteColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rate]:.0f}/s{task.fields[note]}"),
            TimeRemainingColumn(),
        )
        shown = self._console.is_terminal and not self._console.quiet
        with Bars(*columns, console=self._console, transient=True, disable=not shown) as bars:
            bar = bars.add_task(name, total=total, rate=0.0, note="")

            def report(stage: Stage) -> None:
                note = f", {stage.failed} failed" if stage.failed else ""
                bars.update(
                    bar, total=stage.total, completed=stage.done, rate=stage.rate, note=note
                )

            def show(n_kernels: int) -> None:
                self._announce_compilation()
                bars.update(bar, note=f", compiling kernel {n_kernels}")
                bars.refresh()

            stage, compiler = Stage(report, name, total), _Compiler(show)
            with compilations(compiler), _saying_how_far(stage), self._logging(stage):
                yield stage
        self.seconds[name] = self.seconds.get(name, 0.0) + stage.seconds
        self._append(stage, ended=True)
        self._print(name, stage.summary, stage.seconds)
        if compiler.n_kernels:
            what = f"  of which compiling {counted(compiler.n_kernels, 'kernel')}, once"
            self._console.print(f"{what:<69} {compiler.seconds:8.2f} s", highlight=False)

    def _announce_compilation(self) -> None:
        """Say once that kernels are being compiled."""
        if not self._has_compiled:
            self._has_compiled = True
            self._console.print(
                "compile    kernels are compiled on first use, once per machine: up to a minute",
                highlight=False,
            )

    def _print(self, name: str, summary: str, seconds: float) -> None:
        line = f"{name:<10} {summary:<58} {seconds:8.2f} s"
        self._console.print(line, highlight=False, soft_wrap=True)

    def say(self, name: str, text: str) -> None:
        """Print a line between the stages, and append it to the log."""
        self._console.print(f"{name:<10} {text}", highlight=False, soft_wrap=True)
        self._append_text(name, text)

    def tell_start(self) -> None:
        """Print how long the process took to start; most of it is loading libraries."""
        seconds = time.time() - psutil.Process().create_time()
        self.seconds["start"] = seconds
        self._print("start", "program and libraries loaded", seconds)

    def note(self, name: str, summary: str) -> None:
        """Print the line of a stage that had nothing to do, and append it to the log."""
        self._print(name, summary, 0.0)
        self._append_text(name, summary)

    def _append_text(self, name: str, text: str) -> None:
        stage = Stage(None, name, 0)
        stage.summary = text
        self._append(stage, ended=True)

    @contextmanager
    def _logging(self, stage: Stage) -> Iterator[None]:
        """Append a line to the log at once, and then one a second."""
        is_over = threading.Event()

        def log() -> None:
            with suppress(OSError):  # the line at the end of the stage meets it again
                self._append(stage, ended=False)
                while not is_over.wait(LOG_SECONDS):
                    self._append(stage, ended=False)

        thread = threading.Thread(target=log, daemon=True)
        if self._log is not None:
            thread.start()
        try:
            yield
        finally:
            is_over.set()
            if self._log is not None:
                thread.join()

    def _append(self, stage: Stage, *, ended: bool) -> None:
        if self._log is None:
            return
        left = None if stage.total is None or not stage.done else stage.total - stage.done
        line = {
            "time": time.time(),
            "stage": stage.name,
            "done": stage.done,
            "total": stage.total,
            "failed": stage.failed,
            "rate": round(stage.rate, 1),
            "seconds": round(stage.seconds, 3),
            "remaining_seconds": None if left is None else round(left / stage.rate, 1),
            "ended": ended,
            "summary": stage.summary,
        }
        with self._log.open("a") as file:
            file.write(json.dumps(line) + "\n")
