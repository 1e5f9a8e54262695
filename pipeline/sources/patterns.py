"""Names that stand for several files: ``shard-{000..009}.tar``, ``part-*.parquet``."""

import glob
import itertools
import os
import re
from collections.abc import Iterator

from .base import SourceError
from .files import filesystem, is_url

__all__ = ["expand_braces", "matching"]

MAX_FILES = 1_000_000


def matching(name: str) -> list[str]:
    """Return the files that a name stands for, in their order; a name without a pattern is one."""
    if os.path.exists(name) and not os.path.isdir(name):
        return [name]
    if "{" in name:
        return list(expand_braces(name))
    if not glob.has_magic(name):
        return [name]
    if not (found := _glob(name)):
        raise SourceError(f"{name}: no file matches")
    return found


def _glob(pattern: str) -> list[str]:
    if not is_url(pattern):
        return sorted(glob.glob(pattern, recursive=True))
    fs, path = filesystem(pattern)
    fs.invalidate_cache()
    return sorted(fs.unstrip_protocol(name) for name in fs.glob(path))


def expand_braces(pattern: str) -> Iterator[str]:
    """Yield the names that a pattern stands for.

    Examples
    --------
    >>> list(expand_braces("shard-{08..10}.tar"))
    ['shard-08.tar', 'shard-09.tar', 'shard-10.tar']
    >>> list(expand_braces("{train,val}-{0..1}.tar"))
    ['train-0.tar', 'train-1.tar', 'val-0.tar', 'val-1.tar']
    """
    parts = re.split(r"\{([^{}]*)\}", pattern)
    choices: list[list[str]] = []
    total = 1
    for k, part in enumerate(parts):
        numbers = re.fullmatch(r"(\d+)\.\.(\d+)", part)
        if k % 2 == 0:
            choices.append([part])
        elif numbers:
            first, last = int(numbers[1]), int(numbers[2])
            total *= max(last - first + 1, 0)
            if not 0 < total <= MAX_FILES:
                raise SourceError(f"{pattern}: {total} files, expected 1 to {MAX_FILES}")
            width = len(numbers[1])
            choices.append([f"{number:0{width}d}" for number in range(first, last + 1)])
        else:
            choices.append(part.split(","))
    yield from ("".join(chosen) for chosen in itertools.product(*choices))
