"""What a job would compute and why, and how versions of a feature differ."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from sklearn.base import BaseEstimator

from .best_recipe import Choice
from .counts import counted
from .duplicates import HASH, make_hash
from .extract import plan
from .features import FeatureRef, describe_feature, find_learned, learns
from .job import Options, part_of, scan_source, training_images
from .ledger import digests_of
from .reader import Reader
from .recipe import Recipe
from .run_images import labelled_source
from .sources import Source, open_source
from .store.descriptions import DESCRIPTION, key_of, read_description
from .store.files import Folder, open_folder
from .store.maintenance import feature_rows
from .store.rows import FeatureRows
from .store.shards import DIGEST_BYTES

__all__ = ["FeaturePlan", "differences", "plan_job"]


@dataclass(frozen=True)
class FeaturePlan:
    """What there is to compute of a feature.

    Attributes
    ----------
    feature : str
    images : int
    cached, failed : int
        Images that have a row, and that cannot have one.
    missing : int
        Rows to compute: images with the same bytes have one.
    learns : bool
        Whether something is to be learned first.
    why : str
    recipe : str or None
        What the recipe ``best`` stands for, and why; None for other recipes.
    """

    feature: str
    images: int
    cached: int
    missing: int
    failed: int
    learns: bool
    why: str
    recipe: str | None = None

    @property
    def text(self) -> str:
        """The plan as a line."""
        learned = "learn first, then " if self.learns else ""
        why = f" ({self.why})" if self.why else ""
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{learned}compute {self.missing}, {self.cached} cached{failed}{why}"


def plan_job(
    images: Any,
    store: Path | str,
    recipe: Recipe | None = None,
    options: Options | None = None,
    *,
    test: Any = None,
    is_run: bool = False,
    **columns: str,
) -> list[FeaturePlan]:
    """Return what an extraction would compute. Images are scanned; none is decoded.

    Parameters
    ----------
    images : str, Path, Source or sequence
        As in :func:`~visualwords.extract`.
    store : Path or str
        Path or URL of the store.
    recipe : Recipe, optional
    options : Options, optional
    test : str, Path or Source, optional
        Test images of a run.
    is_run : bool
        Whether the images are those of a :class:`.Run`, which learns from its training images.
    **columns : str
        ``path_column``, ``label_column``, ``split_column`` and ``group_column`` name the columns
        of a manifest.

    Returns
    -------
    list of FeaturePlan
        For each feature its name ``feature``, the numbers of ``images``, of ``cached`` and
        ``failed`` ones and of ``missing`` rows, whether it ``learns`` first, and ``why``.
    """
    recipe, options = recipe or Recipe(), options or Options()
    folder, reader = open_folder(store), recipe.reader
    if is_run:
        source, assign_splits = labelled_source(images, test, recipe, columns)
    else:
        source, assign_splits = open_source(images, **columns), None
    table = scan_source(source, folder, reader, options, assign_splits)
    training = training_images(table)
    choice = Choice(recipe, options.progress)
    make_features = choice.make_features_to_train if is_run else choice.make_features
    features = {**make_features(training), HASH: make_hash()}
    table = part_of(table, options.part)
    return [
        replace(
            _plan_feature(name, feature, source, table, training, folder, reader, options),
            recipe=choice.why,
        )
        for name, feature in features.items()
    ]


def _plan_feature(
    name: str,
    feature: BaseEstimator,
    source: Source,
    images: pa.Table,
    training: pa.Table,
    store: Folder,
    reader: Reader,
    options: Options,
) -> FeaturePlan:
    digests, is_sound = digests_of(images)
    description = describe_feature(feature, reader)
    ref: FeatureRef | None = FeatureRef(name, f"{name}-{key_of(description)}")
    why = ""
    if learns(feature):
        found, sound = digests_of(training)
        ref, why = (None, "--relearn asks for it")
        if not options.relearn:
            ref, why = find_learned(store, name, description, found[sound], reader)
    if ref is None:
        lacks, n_cached = is_sound, 0
    else:
        todo = plan(source, images, {name: ref}, store, options.retry_failed)
        lacks, n_cached = todo.missing[name], int(todo.places[name].found.sum())
        why = _why_missing(store, name, description, todo.features[name], int(lacks.sum()))
    n_failed = len(digests) - int(lacks.sum()) - n_cached
    n_missing = len(np.unique(digests[lacks].view(f"S{DIGEST_BYTES}")))
    return FeaturePlan(name, len(digests), n_cached, n_missing, n_failed, ref is None, why)


def _why_missing(
    store: Folder, name: str, description: dict[str, Any], rows: FeatureRows, n_missing: int
) -> str:
    if not n_missing:
        return ""
    if rows.damaged:
        damaged = counted(len(rows.damaged), "shard is", "shards are")
        return f"{damaged} damaged, such as {min(rows.damaged.values())}"
    if rows.n_rows:
        return "new images"
    known = _descriptions(store, name)
    if not known:
        return f"no {name} in the store"
    nearest = min((_changes(before, description) for before in known.values()), key=len)
    return "; ".join(nearest) or "new images"


def differences(store: Path | str, feature: str) -> list[str]:
    """Return lines that say how each cached version of a feature differs from the newest one.

    Parameters
    ----------
    store : Path or str
        Path or URL of the store.
    feature : str
        Such as "hog".
    """
    folder = open_folder(store)
    known = _descriptions(folder, feature)
    if not known:
        features = sorted({rows.name for rows in feature_rows(folder)})
        raise ValueError(
            f"{store}: no feature {feature!r}; there are {', '.join(features) or 'none'}"
        )
    by_age = sorted(known, key=lambda name: folder.modified(f"{name}/{DESCRIPTION}"))
    newest = known[by_age[-1]]
    lines = [f"{by_age[-1]}: the newest"]
    for name in by_age[-2::-1]:
        lines.append(f"{name}: {'; '.join(_changes(known[name], newest)) or 'learned anew'}")
    return lines


def _descriptions(store: Folder, feature: str) -> dict[str, dict[str, Any]]:
    found = {}
    for name in store.names():
        if name.rpartition("-")[0] == feature:
            try:
                found[name] = read_description(store, name)
            except (OSError, ValueError):
                continue
    return found


def _changes(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Return what differs between two descriptions, such as ``n_bins: 10 before, 20 now``."""
    old, new = _flat(before), _flat(after)
    names = sorted(name for name in set(old) | set(new) if old.get(name) != new.get(name))
    return [
        "its code changed"
        if name == "code"
        else f"{name}: {old.get(name, 'nothing')} before, {new.get(name, 'nothing')} now"
        for name in names
    ]


def _flat(description: dict[str, Any]) -> dict[str, Any]:
    """Return what a user can have changed, by plain names."""
    estimator = description["feature"]["estimator"]
    values = {"reader": description["reader"], "kernel": description["kernel"]}
    values |= {"code": description["code"]} if "code" in description else {}
    return values | {name: _plain(value) for name, value in estimator["parameters"].items()}


def _plain(value: Any) -> Any:
    """Return a value without the marks of a file: estimators and what holds them as texts."""
    if isinstance(value, dict) and "tuple" in value:
        return f"({', '.join(str(_plain(item)) for item in value['tuple'])})"
    if isinstance(value, dict) and "class" in value:
        parameters = (f"{name}={_plain(item)}" for name, item in value["parameters"].items())
        return f"{re.split('[.:]', value['class'])[-1]}({', '.join(parameters)})"
    if isinstance(value, list):
        return f"[{', '.join(str(_plain(item)) for item in value)}]"
    return value
