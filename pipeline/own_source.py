"""The source of a user's own class, which decides what it computes as a version would."""

import ast
import hashlib
import inspect
import json
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from .persist import is_ours

__all__ = ["code_of"]

INSTALLED = frozenset({"site-packages", "dist-packages"})


def code_of(estimator: BaseEstimator) -> str | None:
    """Return the source of a user's own class, and of what it uses from modules in its folder.

    It uses the functions, classes, modules and constants whose names are in its source, and what
    these use in turn. So the code changes with a helper, and not with the rest of its file. Other
    code in installed packages is left out. Estimators among the parameters count, too.

    Parameters
    ----------
    estimator : estimator

    Returns
    -------
    str or None
        "" for a class of an interactive session, whose source is not known. None if all classes are
        of this package, which has a version.
    """
    parts = [estimator, *estimator.get_params().values()]
    own = [type(p) for p in parts if isinstance(p, BaseEstimator) and not is_ours(p)]
    return "\n".join(map(_code_of_class, dict.fromkeys(own))) if own else None


def _code_of_class(kind: type) -> str:
    found: dict[str, str] = {}
    todo: list[Any] = [kind]
    folder = _file(kind).parent
    while todo:
        thing = todo.pop()
        name = getattr(thing, "__qualname__", thing.__name__)
        place = f"{_module(thing).__name__}:{name}"
        if place in found:
            continue
        found[place] = _source_of(thing)
        for used, value in _names_in(found[place], _module(thing)):
            if not isinstance(value, ModuleType) and not hasattr(value, "__qualname__"):
                found[f"{_module(thing).__name__}:{used}"] = _constant(value)
            elif _is_beside(value, folder):
                todo.append(value)
    first, *others = found.values()
    return "\n".join([first, *sorted(filter(None, others))])


def _source_of(thing: Any) -> str:
    try:
        return inspect.getsource(thing)
    except (OSError, TypeError):
        return ""


def _names_in(source: str, module: ModuleType) -> Iterator[tuple[str, Any]]:
    """Yield the names of a module that are in a source, and what they stand for."""
    try:
        tree = ast.parse(textwrap.dedent(source))
    except SyntaxError:  # of a lambda within an expression
        return
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    for name in names & set(vars(module)):
        yield name, inspect.unwrap(vars(module)[name])


def _module(thing: Any) -> ModuleType:
    return thing if isinstance(thing, ModuleType) else sys.modules[thing.__module__]


def _file(thing: Any) -> Path:
    return Path(getattr(_module(thing), "__file__", None) or "/nowhere")


def _is_beside(thing: Any, folder: Path) -> bool:
    """Tell whether something of a module lies in a folder, and in no installed package there."""
    if not isinstance(thing, ModuleType) and thing.__module__ not in sys.modules:
        return False
    file = _file(thing)
    return file.is_relative_to(folder) and INSTALLED.isdisjoint(file.parts)


def _constant(value: Any) -> str:
    """Return a value as text; "" for values that have no text of their own."""

    def described(part: Any) -> Any:
        if isinstance(part, np.ndarray):
            digest = hashlib.blake2b(np.ascontiguousarray(part).tobytes(), digest_size=16)
            return [str(part.dtype), part.shape, digest.hexdigest()]
        if isinstance(part, set | frozenset):
            return sorted(part, key=repr)
        if isinstance(part, np.generic):
            return part.item()
        raise TypeError

    try:
        return json.dumps(value, default=described)
    except (TypeError, ValueError):
        return ""
