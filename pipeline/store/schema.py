"""What a JSON value must look like before anything is taken out of it."""

from collections.abc import Mapping
from typing import Any

from ..counts import counted

__all__ = ["is_count", "is_digests", "mismatch"]

HEXADECIMAL = b"0123456789abcdef"


def mismatch(value: Any, shape: Any, where: str = "the record") -> str:
    """Return what is wrong with a JSON value, or an empty text.

    Parameters
    ----------
    value : JSON value
    shape : type, tuple of types, function, list or dict
        A function tells whether a value is valid. ``[shape]`` is a list of any length, and
        ``[shape, shape, ...]`` one of this length. ``{str: shape}`` is an object of any names, and
        ``{"name": shape, "other?": shape}`` one that has at least these; "?" may be missing.
    where : str
        Name of the value.

    Examples
    --------
    >>> shape = {"rows": is_count, "failed": [[str, int]]}
    >>> mismatch({"rows": 3, "failed": [["a", 1]]}, shape)
    ''
    >>> mismatch({"rows": -1, "failed": []}, shape)
    'rows is -1'
    """
    if isinstance(shape, list):
        return _mismatch_of_list(value, shape, where)
    if isinstance(shape, Mapping):
        return _mismatch_of_object(value, shape, where)
    if isinstance(shape, type | tuple):
        types = shape if isinstance(shape, tuple) else (shape,)
        is_right = isinstance(value, types) and (bool in types or not isinstance(value, bool))
    else:
        is_right = shape(value)
    return "" if is_right else f"{where} is {_short(value)}"


def _mismatch_of_list(value: Any, shape: list[Any], where: str) -> str:
    if not isinstance(value, list):
        return f"{where} is {_short(value)}"
    if len(shape) > 1 and len(value) != len(shape):
        return f"{where} has {counted(len(value), 'item')}"
    shapes = shape * len(value) if len(shape) == 1 else shape
    found = (mismatch(v, s, where) for v, s in zip(value, shapes, strict=True))
    return next(filter(None, found), "")


def _mismatch_of_object(value: Any, shape: Mapping[Any, Any], where: str) -> str:
    if not isinstance(value, dict):
        return f"{where} is {_short(value)}"
    if str in shape:
        found = (mismatch(v, shape[str], name) for name, v in value.items())
        return next(filter(None, found), "")
    for key, wanted in shape.items():
        name = key.removesuffix("?")
        if name in value:
            if wrong := mismatch(value[name], wanted, name):
                return wrong
        elif name == key:
            return f"{where} has no {name}"
    return ""


def _short(value: Any) -> str:
    """Return a value as far as a message has room for it."""
    if isinstance(value, list | dict):  # perhaps of many levels
        return "a list" if isinstance(value, list) else "an object"
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def is_count(value: Any) -> bool:
    """Tell whether a value is a whole number of at least 0."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def is_digests(value: Any) -> bool:
    """Tell whether a value is digests in hexadecimal, one after another."""
    if not isinstance(value, str) or len(value) % 32 or not value.isascii():
        return False
    return not value.encode().translate(None, HEXADECIMAL)
