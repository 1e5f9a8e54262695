"""A full disk, a broken disk and missing rights at each call that changes a file, in turn."""

import errno
import io
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .bed import Bed, command, write_classes

ERRORS = (errno.ENOSPC, errno.EIO, errno.EACCES)
CHANGES = {"os.mkdir": "mkdir", "os.rename": "replace", "os.remove": "unlink", "os.rmdir": "rmdir"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Faults:
    """Count the calls that change files in a folder, and let one of them fail.

    Calls are seen by an audit hook, which stays for the life of the process, and writes and fsyncs
    by wrappers while a trial lasts.

    Attributes
    ----------
    calls : list of str
        The calls so far, such as "open feature.json".
    """

    def __init__(self) -> None:
        self.calls: list[str] = []
        self._root = self._failing = self._error = None
        sys.addaudithook(self._audit)

    @contextmanager
    def at(self, root: Path, number: int | None, error: int) -> Iterator[None]:
        """Let the call of a number fail, of those that change files in a folder."""
        fsync, fdopen = os.fsync, os.fdopen
        self.calls, self._root, self._failing, self._error = [], str(root), number, error

        def checked_fsync(fd: int) -> None:
            self._called("fsync", os.readlink(f"/proc/self/fd/{fd}"))
            fsync(fd)

        os.fsync, os.fdopen = checked_fsync, self._open_checked  # type: ignore[assignment]
        try:
            yield
        finally:
            os.fsync, os.fdopen, self._root = fsync, fdopen, None

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._root is None:
            return
        if event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING:
            self._called("open", arguments[0])
        elif event in CHANGES:
            self._called(CHANGES[event], arguments[0])

    def _open_checked(self, fd: int, mode: str) -> io.BufferedWriter:
        called, path = self._called, os.readlink(f"/proc/self/fd/{fd}")

        class Checked(io.FileIO):
            def write(self, data: Any) -> int:
                called("write", path)
                return super().write(data)

        return io.BufferedWriter(Checked(fd, mode))

    def _called(self, name: str, path: Any) -> None:
        if not isinstance(path, str | os.PathLike) or not str(path).startswith(str(self._root)):
            return
        self.calls.append(f"{name} {Path(path).name}")
        if len(self.calls) - 1 == self._failing:
            raise OSError(self._error, os.strerror(self._error or 0), str(path))


def trial(bed: Bed, faults: Faults, number: int, error: int, expected: Any) -> str:
    """Let one call of a job fail, and return what became of it."""
    with faults.at(bed.run, number, error):
        outcome = bed.do("small run", seconds=600)
    if outcome.fault:
        return outcome.fault
    if outcome.code == 0:
        return "did without" if bed.numbers("run", outcome) == expected else "silent"
    said = outcome.err.strip()
    if "\n" in said or os.strerror(error) not in said or str(bed.run) not in said:
        return f"unclear: {said}"
    if (bed.run / "store").exists() and list((bed.run / "store").glob("*-*")):
        verified = command("store", "verify", str(bed.run / "store"))
        if verified.code:
            return f"store damaged: {verified.out}{verified.err}{verified.fault}"
    again = bed.do("small run", seconds=600)
    if again.code or again.fault:
        return f"next run fails: {again.fault}{again.err}"
    is_same = bed.numbers("run", again) == expected
    return "one sentence, mended" if is_same else "other numbers afterwards"


GOOD = ("did without", "one sentence, mended")


def trials(
    folder: Path, chosen: Callable[[int], Any] = lambda n: range(n)
) -> tuple[Counter[str], list[str]]:
    """Let calls fail in turn; return how often what happened, and the details of what is wrong."""
    faults, wrong = Faults(), []
    counts: Counter[str] = Counter()
    images = write_classes(folder / "images")
    whole = Bed(images, folder / "whole")
    with faults.at(whole.run, None, 0):
        expected = whole.numbers("run", whole.do("small run", seconds=600))
    calls = faults.calls
    for number in chosen(len(calls)):
        for error in ERRORS:
            bed = Bed(images, folder / f"{number}-{error}")
            found = trial(bed, faults, number, error, expected)
            counts[found if found in GOOD else "wrong"] += 1
            if found not in GOOD:
                name = errno.errorcode[error]
                wrong.append(f"{name} at call {number}, {calls[number]}: {found}")
            shutil.rmtree(bed.run, ignore_errors=True)
    return counts, wrong


def report() -> None:
    with tempfile.TemporaryDirectory() as root:
        counts, wrong = trials(Path(root))
    print(*wrong, sep="\n")
    print(f"a call that fails    {counts.total()} times: {dict(counts)}")
