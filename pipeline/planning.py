"""What a job would compute and why, and how versions of a feature differ."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .extract import plan
from .features import FeatureRef, describe_feature, find_learned, learns
from .job import Options, scan_source, training_images
from .ledger import digests_of
from .recipe import Recipe
from .sources import open_source
from .store.descriptions import DESCRIPTION, key_of, read_description
from .store.files import Folder, open_folder
from .store.rows import FeatureRows

__all__ = ["FeaturePlan", "differences", "plan_job"]


@dataclass(frozen=True)
class FeaturePlan:
    """What there is to compute of a feature.

    Attributes
    ----------
    feature : str
    images : int
    cached, missing, failed : int
        Images that have a row, lack one, and cannot have one.
    learns : bool
        Whether something is to be learned first.
    why : str
    """

    feature: str
    images: int
    cached: int
    missing: int
    failed: int
    learns: bool
    why: str

    @property
    def text(self) -> str:
        """The plan as a line."""
        learned = "learn first, then " if self.learns else ""
        why = f" ({self.why})" if self.why else ""
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{learned}compute {self.missing}, {self.cached} cached{failed}{why}"


def plan_job(
    images: Any, store: Path | str, recipe: Recipe, options: Options, **columns: str
) -> list[FeaturePlan]:
    """Return what an extraction would compute. Images are scanned; none is decoded.

    Parameters
    ----------
    images : str, Path or Source
    store : Path or str
    recipe : Recipe
    options : Options
    **columns : str
        Names of the columns of a manifest.
    """
    folder, reader = open_folder(store), recipe.reader
    source = open_source(images, **columns)
    table = scan_source(source, folder, reader, options)
    training = training_images(table)
    digests, is_sound = digests_of(table)
    plans = []
    for name, feature in recipe.make_features(training).items():
        description = describe_feature(feature, reader)
        ref: FeatureRef | None = FeatureRef(name, f"{name}-{key_of(description)}")
        why = ""
        if learns(feature):
            found, sound = digests_of(training)
            ref, why = find_learned(folder, name, description, found[sound], reader)
        n_failed = int((~is_sound).sum())
        if ref is None:
            n_missing, n_cached = int(is_sound.sum()), 0
        else:
            todo = plan(source, table, {name: ref}, folder, options.retry)
            n_missing = int(todo.missing[name].sum())
            n_cached = int(todo.places[name].found.sum())
            n_failed = len(digests) - n_missing - n_cached
            why = _why_missing(folder, name, description, todo.features[name], n_missing)
        plans.append(
            FeaturePlan(name, len(digests), n_cached, n_missing, n_failed, ref is None, why)
        )
    return plans


def _why_missing(
    store: Folder, name: str, description: dict[str, Any], rows: FeatureRows, n_missing: int
) -> str:
    if not n_missing:
        return ""
    if rows.damaged:
        return f"{len(rows.damaged)} shards are damaged, such as {min(rows.damaged.values())}"
    if rows.n_rows:
        return "new images"
    known = _descriptions(store, name)
    if not known:
        return f"no {name} in the store"
    nearest = min((_changes(before, description) for before in known.values()), key=len)
    return "; ".join(nearest) or "new images"


def differences(store: Path | str, feature: str) -> list[str]:
    """Return lines that say how each cached version of a feature differs from the newest one."""
    folder = open_folder(store)
    known = _descriptions(folder, feature)
    if not known:
        features = sorted({name.rpartition("-")[0] for name in folder.names() if "-" in name})
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
        if name.startswith(f"{feature}-"):
            try:
                found[name] = read_description(store, name)
            except (OSError, ValueError):
                continue
    return found


def _changes(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Return what differs between two descriptions, such as ``n_bins: 10 before, 20 now``."""
    old, new = _flat(before), _flat(after)
    names = sorted(set(old) | set(new))
    return [
        f"{name}: {old.get(name, 'nothing')} before, {new.get(name, 'nothing')} now"
        for name in names
        if old.get(name) != new.get(name)
    ]


def _flat(description: dict[str, Any]) -> dict[str, Any]:
    """Return what a user can have changed, by plain names."""
    estimator = description["feature"]["estimator"]
    values = {"reader": description["reader"], "kernel": description["kernel"]}
    values |= {"code": description["code"]} if "code" in description else {}
    return values | {name: _plain(value) for name, value in estimator["parameters"].items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict) and "tuple" in value:
        return tuple(value["tuple"])
    if isinstance(value, dict) and "class" in value:
        return f"{value['class']}({_plain_parameters(value['parameters'])})"
    return value


def _plain_parameters(parameters: dict[str, Any]) -> str:
    return ", ".join(f"{name}={_plain(value)}" for name, value in parameters.items())
