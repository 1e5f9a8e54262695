"""What CIFAR's pickles hold, found by reading their opcodes. Nothing in them is run."""

import pickletools
from collections.abc import Iterator
from typing import Any, NamedTuple

__all__ = ["Value", "values_of_keys"]

# Bytes between an opcode and the raw bytes that it carries.
LENGTH_BYTES = {
    "SHORT_BINSTRING": 1,
    "BINSTRING": 4,
    "SHORT_BINBYTES": 1,
    "BINBYTES": 4,
    "BINBYTES8": 8,
    "BYTEARRAY8": 8,
}
TEXTS = frozenset(["SHORT_BINSTRING", "SHORT_BINUNICODE", "BINUNICODE", "SHORT_BINBYTES"])
NUMBERS = frozenset(["BININT", "BININT1", "BININT2", "INT", "LONG1"])
COLUMN_MAJOR = "NEWTRUE"  # of an array: the opcode right before its bytes


class Value(NamedTuple):
    """What follows a key in a pickled dict.

    Attributes
    ----------
    numbers : list of int
    texts : list of str
    start, size : int
        Where in the file the largest raw bytes lie.
    is_column_major : bool
        Whether these are the bytes of an array in Fortran's order.
    """

    numbers: list[int]
    texts: list[str]
    start: int = 0
    size: int = 0
    is_column_major: bool = False


def values_of_keys(data: bytes, keys: frozenset[str]) -> dict[str, Value]:
    """Return what follows each key, up to the next of the keys.

    Raises
    ------
    ValueError
        If the bytes are no pickle, or end early.

    Examples
    --------
    >>> import pickle
    >>> packed = pickle.dumps({"labels": [3, 5], "names": ["cat", "dog"]})
    >>> found = values_of_keys(packed, frozenset({"labels", "names"}))
    >>> found["labels"].numbers, found["names"].texts
    ([3, 5], ['cat', 'dog'])
    """
    found: dict[str, Value] = {}
    current = Value([], [])
    key, before = "", ""
    for name, argument, at in _opcodes(data):
        if name in TEXTS and argument in keys:
            key = argument
            found[key] = current = Value([], [])
        elif key and name in NUMBERS:
            current.numbers.append(argument)
        elif key and name in TEXTS:
            current.texts.append(argument)
        if key and name in LENGTH_BYTES and len(argument) > current.size:
            start = at + 1 + LENGTH_BYTES[name]
            current = current._replace(
                start=start, size=len(argument), is_column_major=before == COLUMN_MAJOR
            )
            found[key] = current
        before = name
    return found


def _opcodes(data: bytes) -> Iterator[tuple[str, Any, int]]:
    for opcode, argument, at in pickletools.genops(data):
        if isinstance(argument, bytes) and opcode.name == "SHORT_BINBYTES":
            argument = argument.decode("latin-1")
        yield opcode.name, argument, at or 0
