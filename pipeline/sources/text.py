"""Text files line by line, in UTF-8 and nothing else."""

import io
from collections.abc import Iterator
from contextlib import contextmanager

from .base import SourceError
from .files import open_binary

__all__ = ["open_text"]


@contextmanager
def open_text(name: str) -> Iterator[io.TextIOWrapper]:
    """Open a file in UTF-8, with a byte-order mark or without; line ends stay as they are.

    Raises
    ------
    SourceError
        On opening or reading, if it cannot be read or is in another encoding.
    """
    with open_binary(name) as file:
        start = file.read(1000)
        file.seek(0)
        if b"\0" in start.split(b"\n")[0]:
            raise SourceError(f"{name}: not in UTF-8 (UTF-16?); save it in UTF-8")
        try:
            yield io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
        except UnicodeDecodeError as error:
            raise SourceError(
                f"{name}, line {_line_in_another_encoding(name)}: not in UTF-8; save it in UTF-8"
            ) from error


def _line_in_another_encoding(name: str) -> int:
    with open_binary(name) as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode("utf-8-sig")
            except UnicodeDecodeError:
                return number
    return 1
