"""Recipes as TOML files that say what each option means."""

import inspect
import json
import re
import textwrap
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .. import classifiers as classifier_classes
from .. import features as feature_classes
from .best_recipe import BEST, LARGE, SMALL, BestRecipe
from .parts import (
    GROUPS,
    NOTHING,
    Part,
    RecipeError,
    find_class,
    nearest,
    parameters_of,
    usual_parameters,
)
from .recipe import DEFAULT_CLASSIFIERS, DEFAULT_FEATURES, SETTINGS, Recipe
from .store.files import LocalFolder

__all__ = ["read_recipe", "recipe_text"]

WIDTH = 98
SHIPPED = Path(__file__).parent / "recipes"
DEFAULTS = {"features": DEFAULT_FEATURES, "classifiers": DEFAULT_CLASSIFIERS}
HEAD = """\
# A recipe of visualwords: `visualwords run TRAIN --out RUN --recipe FILE` follows it.
# Every option is here with its default; remove what you do not change. "none" stands for None.
"""
MEANINGS = {
    "seed": "Seed of the split and of the vocabulary.",
    "test_size": "Share of the images to hold out, where nothing else says which are test images.",
    "max_pixels": "Images with more pixels are refused.",
    "max_side": "Larger images are reduced to so many pixels on their longer side.",
    "features": "The features: those that have a table here. `kind` is a class of this package, or "
    "module:Class for a transformer of your own.",
    "classifiers": "The classifiers: those that have a table here. Kinds SoftmaxCV and LinearSVMCV "
    "choose their penalty by cross-validation; module:Class is a classifier of your own.",
}


def read_recipe(file: Path | str) -> Recipe:
    """Read a recipe. What the file leaves out has its default.

    Parameters
    ----------
    file : Path or str
        TOML, or the name of a recipe that ships with the package, such as "lecture"; see
        :func:`recipe_text`. "best" becomes "small" or "photographs" when the sizes of the images
        are known. With a table ``features`` the job has the features in it, and
        likewise with ``classifiers``.

    Raises
    ------
    RecipeError
        If a key or a value is not valid; the message names file and line.
    """
    if str(file) == BEST and not Path(file).is_file():
        return BestRecipe.of({name: read_recipe(name) for name in (SMALL, LARGE)})
    shipped = SHIPPED / f"{file}.toml"
    if Path(file).name == str(file) and shipped.exists() and not Path(file).is_file():
        file = shipped
    try:
        text = LocalFolder(Path(file).parent).read(Path(file).name).decode()
        document = tomllib.loads(text)
    except FileNotFoundError as error:
        names = ", ".join(sorted([BEST, *(path.stem for path in SHIPPED.glob("*.toml"))]))
        raise RecipeError(
            f"{file}: no such file; `visualwords init` writes a recipe, and these ship with the "
            f"package: {names}"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RecipeError(f"{file}: not a TOML file: {error}") from error
    try:
        recipe = _recipe(document)
        recipe.check()
    except RecipeError as error:
        line = line_of(text, error.where)
        raise RecipeError(f"{file}, line {line}: {error}", *error.where) from error
    return recipe


def _recipe(document: Mapping[str, Any]) -> Recipe:
    values: dict[str, Any] = {}
    for key, value in document.items():
        if key in GROUPS:
            values[key] = _parts(key, value)
        elif key in SETTINGS:
            values[key] = value
        else:
            raise RecipeError(f"no key {key!r}{nearest(key, [*SETTINGS, *GROUPS])}", key)
    return Recipe(**values)


def _parts(group: str, tables: Any) -> dict[str, Part]:
    if not isinstance(tables, dict) or not tables:
        raise RecipeError(f"expected tables such as [{group}.NAME]", group)
    parts = {}
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise RecipeError(f"{name}: expected a table [{group}.{name}]", group, name)
        default = DEFAULTS[group].get(name, Part(name))
        kind = table.get("kind", default.kind)
        if kind == name and "kind" not in table and name not in DEFAULTS[group]:
            _check_name(group, name)
        find_class(kind, group, name)
        given = {key: value for key, value in table.items() if key != "kind"}
        parts[name] = Part(kind, usual_parameters(kind, group) | given)
    return parts


def _check_name(group: str, name: str) -> None:
    """Refuse a name that has no kind, unless the name is a kind."""
    try:
        find_class(name, group)
    except RecipeError:
        meant = nearest(name, DEFAULTS[group])
        message = f'{name} needs a kind, such as kind = "module:Class"{meant}'
        raise RecipeError(message, group, name) from None


def line_of(text: str, where: tuple[str, ...]) -> int:
    """Return the number of the line that holds a key, or of the nearest table around it.

    Parameters
    ----------
    text : str
        TOML.
    where : tuple of str
        The names that lead to the key.
    """
    best, depth = 1, 0
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[+([^\]]+)\]", line)
        key = re.match(r"\s*([\w\"'.-]+)\s*=", line)
        if header:
            table = _names(header[1])
            names = table
        elif key:
            names = (*table, *_names(key[1]))
        else:
            continue
        if len(names) > depth and names == where[: len(names)]:
            best, depth = number, len(names)
    return best


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip().strip("\"'") for name in text.split("."))


def recipe_text(recipe: Recipe | None = None, *, commented: bool = True) -> str:
    """Return a recipe as TOML, with all defaults filled in.

    Parameters
    ----------
    recipe : Recipe, optional
        The default one where it is left out.
    commented : bool
        Say what each option means.

    Examples
    --------
    >>> print(recipe_text(commented=False)[:61])
    seed = 0
    test_size = 0.2
    max_pixels = 67108864
    max_side = 512
    """
    recipe = recipe or Recipe()
    lines = [HEAD] if commented else []
    for name in SETTINGS:
        lines += _comment(MEANINGS[name]) if commented else []
        lines.append(f"{name} = {_toml(getattr(recipe, name))}")
    for group in GROUPS:
        lines += ["", *(_comment(MEANINGS[group]) if commented else [])]
        for name, part in getattr(recipe, group).items():
            lines += _part_lines(group, name, part, commented)
    return "\n".join(lines) + "\n"


def _part_lines(group: str, name: str, part: Part, commented: bool) -> Iterator[str]:
    kind = find_class(part.kind, group)
    meanings = parameter_meanings(kind) if commented else {}
    signature = inspect.signature(kind).parameters
    yield from ["", f"[{group}.{_key(name)}]", f"kind = {_toml(part.kind)}"]
    for parameter in parameters_of(kind):
        yield from _comment(meanings.get(parameter, ""))
        default = signature[parameter].default
        value = part.parameters.get(parameter, default)
        if value is default is None or value is inspect.Parameter.empty:
            if commented:
                yield f"# {parameter} ="
        else:
            yield f"{parameter} = {_toml(value)}"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[\w-]+", name, re.ASCII) else json.dumps(name)


def _toml(value: Any) -> str:
    """Return a value as TOML."""
    if value is None:
        return json.dumps(NOTHING)
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml(item) for item in value)}]"
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(k)} = {_toml(v)}" for k, v in value.items()) + " }"
    return repr(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, WIDTH)]


def parameter_meanings(kind: Any) -> dict[str, str]:
    """Return what the parameters of a class mean, from its docstring in numpydoc's format."""
    section = re.search(
        r"Parameters\n-+\n(.*?)(\n\n\S+.*\n-+\n|\Z)", inspect.getdoc(kind) or "", re.S
    )
    if section is None:
        return {}
    meanings = {}
    for entry in re.split(r"\n(?=\S)", section[1]):
        head, _, body = entry.partition("\n")
        names, _, type_ = head.partition(" : ")
        text = " ".join(body.split())
        for name in re.split(r",\s*", names):
            meanings[name] = _plain(f"{type_}. {text}" if type_ else text)
            other = re.match(r"As in :\w+:`~?([\w.]+)`", text)
            if other:
                meanings[name] = _borrowed(other[1], name) or meanings[name]
    return meanings


def _borrowed(other: str, parameter: str) -> str | None:
    """Return what a parameter means according to the class or function that explains it."""
    for package in (feature_classes, classifier_classes):
        found = getattr(package, other.rpartition(".")[2], None)
        if found is not None:
            return parameter_meanings(found).get(parameter)
    return None


def _plain(text: str) -> str:
    """Return text without the marks of reStructuredText."""
    text = re.sub(r":\w+:`~?([^`]*)`", r"\1", text)
    return re.sub(r"\s*\[\d+\]_", "", text).replace("``", "")
