"""The stages of a job, as a user sees them: a progress bar while one runs, then one line."""

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

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Stage]:
        """Run one stage of ``total`` steps."""
        start = perf_counter()
        columns = (
            TextColumn("{task.description:<10}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        shown = self._console.is_terminal and not self._console.quiet
        with Progress(*columns, console=self._console, transient=True, disable=not shown) as bars:
            task = bars.add_task(name, total=total)
            stage = Stage(lambda steps: bars.advance(task, steps))
            yield stage
        elapsed = perf_counter() - start
        self.seconds[name] = self.seconds.get(name, 0.0) + elapsed
        self._console.print(f"{name:<10} {stage.summary:<58} {elapsed:8.2f} s", highlight=False)
