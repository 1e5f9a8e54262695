"""Estimators as JSON and arrays, never pickle: a file that is opened cannot run code.

An estimator of this package is its class name, its constructor's parameters and what ``fit``
learned, that is its attributes that end in an underscore. Values may be JSON values, arrays,
numbers, lists, tuples and dicts of these, or further estimators of this package. One ``.npz``
file holds the arrays and, as entry ``json``, the rest. Of an estimator of others all that it holds
is kept, where these values suffice. It is made again only for a user who names its class.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Collection
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator

__all__ = [
    "decode_estimator",
    "describe_estimator",
    "is_ours",
    "load_estimator",
    "package_of",
    "packages_of",
    "save_estimator",
]

Arrays = dict[str, npt.NDArray[Any]]

# Whatever a file says, only these packages' public classes are ever looked up.
PACKAGES = ("features", "classifiers")
ROOT = __name__.partition(".")[0]

DTYPES = frozenset({"<f4", "<f8", "<i4", "<i8", "|u1", "|b1"})  # beside texts

# Parameters that say how a result is computed, not what it is; a loaded estimator has defaults.
NOT_PART_OF_THE_RESULT = frozenset({"n_jobs", "verbose"})


def describe_estimator(estimator: BaseEstimator) -> dict[str, Any]:
    """Describe an estimator for a cache key: as it would be saved, with digests for arrays."""
    arrays: Arrays = {}
    if is_ours(estimator):
        encoded = _encode(estimator, arrays)
    else:
        encoded = _encode_values(estimator, _name(estimator), arrays)
    digests = {name: _digest(array) for name, array in arrays.items()}
    return {"estimator": encoded, "arrays": digests}


def save_estimator(estimator: BaseEstimator) -> bytes:
    """Give the bytes of an ``.npz`` file; the same estimator gives the same bytes.

    Raises
    ------
    TypeError
        If an estimator of others holds more than numbers, texts, arrays and estimators.
    """
    arrays: Arrays = {}
    text = json.dumps(_encode_estimator(estimator, arrays), sort_keys=True)
    buffer = io.BytesIO()
    entries: dict[str, Any] = {"json": np.frombuffer(text.encode(), np.uint8), **arrays}
    np.savez(buffer, **entries)
    return buffer.getvalue()


def load_estimator(path: Path) -> Any:
    """Read what :func:`save_estimator` wrote.

    Raises
    ------
    ValueError
        If the file is no such file, or names a class that this package does not have.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise ValueError(
            f"{path}: no such file; were `visualwords extract` and `train` done?"
        ) from error
    try:
        return decode_estimator(data)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def decode_estimator(data: bytes, own: Collection[type] = ()) -> Any:
    """Make of the bytes that :func:`save_estimator` gave the estimator; a ValueError of others.

    Parameters
    ----------
    data : bytes
    own : collection of type
        Classes of others that the user named. Estimators of their packages are made as well.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            arrays = {
                entry.filename.removesuffix(".npy"): _array_in(archive, entry)
                for entry in archive.infolist()
            }
        estimator = _decode(json.loads(arrays.pop("json").tobytes()), arrays, own)
        if not hasattr(estimator, "get_params"):
            raise ValueError("no estimator in it")
        return estimator
    except Exception as error:  # zipfile, numpy and json raise all kinds on a damaged file
        raise ValueError(f"not a saved estimator, or damaged: {error}") from error


def _array_in(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> npt.NDArray[Any]:
    """Read an array of the kinds that :func:`save_estimator` writes, uncompressed and finite."""
    if entry.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{entry.filename} is compressed")
    array = np.load(io.BytesIO(archive.read(entry)), allow_pickle=False)
    if array.dtype.kind != "U" and array.dtype.str not in DTYPES:
        raise ValueError(f"{entry.filename} holds numbers of the type {array.dtype}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"{entry.filename} holds numbers that are not finite")
    return array


def _encode(value: Any, arrays: Arrays) -> Any:
    """JSON for a value; its arrays are put into ``arrays`` and referred to by name."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        name = f"array{len(arrays)}"
        arrays[name] = value.astype(str) if value.dtype == object else value
        return {"array": name}
    if isinstance(value, tuple):
        return {"tuple": [_encode(item, arrays) for item in value]}
    if isinstance(value, list):
        return [_encode(item, arrays) for item in value]
    if isinstance(value, dict):
        return {"dict": [_encode(pair, arrays) for pair in value.items()]}
    if isinstance(value, BaseEstimator):
        return _encode_estimator(value, arrays)
    raise TypeError(f"cannot save a {type(value).__name__} without pickle")


def is_ours(estimator: BaseEstimator) -> bool:
    """Tell whether an estimator is of this package, so that it can be saved without pickle."""
    module = type(estimator).__module__.split(".")
    return module[0] == ROOT and len(module) > 1 and module[1] in PACKAGES


def _name(estimator: BaseEstimator) -> str:
    return f"{type(estimator).__module__}:{type(estimator).__qualname__}"


def _encode_estimator(estimator: BaseEstimator, arrays: Arrays) -> dict[str, Any]:
    if not is_ours(estimator):
        return _encode_values(estimator, _name(estimator), arrays, is_whole=True)
    package = type(estimator).__module__.split(".")[1]
    return _encode_values(estimator, f"{package}.{type(estimator).__name__}", arrays)


def _encode_values(
    estimator: BaseEstimator, name: str, arrays: Arrays, is_whole: bool = False
) -> dict[str, Any]:
    """Return parameters and what was learned; of an estimator of others all that it holds."""
    parameters = estimator.get_params(deep=False)
    learned = {
        name: value
        for name, value in vars(estimator).items()
        if name.endswith("_") or (is_whole and name not in parameters)
    }

    def encode(values: dict[str, Any]) -> dict[str, Any]:
        return {
            name: _encode(value, arrays)
            for name, value in sorted(values.items())
            if name not in NOT_PART_OF_THE_RESULT
        }

    return {
        "class": name,
        "parameters": encode(parameters),
        "learned": encode(learned),
    }


def _decode(encoded: Any, arrays: Arrays, own: Collection[type]) -> Any:
    if isinstance(encoded, list):
        return [_decode(item, arrays, own) for item in encoded]
    if not isinstance(encoded, dict):
        return encoded
    if "array" in encoded:
        return arrays[encoded["array"]]
    if "tuple" in encoded:
        return tuple(_decode(item, arrays, own) for item in encoded["tuple"])
    if "dict" in encoded:
        return dict(_decode(pair, arrays, own) for pair in encoded["dict"])
    if ":" in encoded["class"]:
        return _decode_own(encoded, arrays, own)
    estimator = _find_class(encoded["class"])()
    unknown = set(encoded["parameters"]) - set(estimator.get_params(deep=False))
    unknown |= {name for name in encoded["learned"] if not _is_learned(estimator, name)}
    if unknown:
        raise ValueError(f"{encoded['class']} has no {min(unknown)!r}")
    for name, value in (encoded["parameters"] | encoded["learned"]).items():
        setattr(estimator, name, _decode(value, arrays, own))
    return estimator


def _decode_own(encoded: Any, arrays: Arrays, own: Collection[type]) -> Any:
    """Make an estimator of others, of the packages of the classes that the user named."""
    module, _, name = encoded["class"].partition(":")
    if package_of(module) not in packages_of(own):
        raise ValueError(f"{encoded['class']} is code of your own, which no file may start")
    kind = getattr(import_module(module), name, None)
    if not (isinstance(kind, type) and hasattr(kind, "get_params")):
        raise ValueError(f"no estimator {encoded['class']!r}")
    estimator = kind(**{k: _decode(v, arrays, own) for k, v in encoded["parameters"].items()})
    for attribute, value in encoded["learned"].items():
        of_class = getattr(kind, attribute, None)
        if callable(of_class) or isinstance(of_class, property):
            raise ValueError(f"{encoded['class']} has no {attribute!r} that fit sets")
        setattr(estimator, attribute, _decode(value, arrays, own))
    return estimator


def package_of(module: str) -> str:
    """Return the package that a module lies in, or the module itself."""
    return module.partition(".")[0]


def packages_of(own: Collection[type]) -> set[str]:
    """Return the packages of classes that a user named."""
    return {package_of(kind.__module__) for kind in own}


def _is_learned(estimator: BaseEstimator, name: str) -> bool:
    """Tell whether a name is of an attribute that ``fit`` sets, and of no method or property."""
    is_public = name.isidentifier() and name.endswith("_") and not name.startswith("_")
    return is_public and not hasattr(type(estimator), name)


def _find_class(name: str) -> Any:
    package, _, class_name = name.partition(".")
    found = None
    if package in PACKAGES:
        module = import_module(f"..{package}", __package__)
        found = getattr(module, class_name, None) if class_name in module.__all__ else None
    if not (isinstance(found, type) and issubclass(found, BaseEstimator)):
        raise ValueError(f"no estimator {name!r} in this version of visualwords")
    return found


def _digest(array: npt.NDArray[Any]) -> str:
    header = f"{array.dtype.str}{array.shape}".encode()
    return hashlib.blake2b(header + array.tobytes(), digest_size=16).hexdigest()
