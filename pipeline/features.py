"""Features in a job: by name, by what decides their rows, and as the store keeps them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import get_tags

from .own_source import code_of
from .persist import decode_estimator, describe_estimator, is_ours, save_estimator
from .reader import READER_VERSION, Reader
from .store.descriptions import FILES, key_of, read_description, write_description
from .store.files import DamagedError, Folder
from .store.shards import DIGEST_BYTES, Digests

__all__ = [
    "FeatureRef",
    "describe_feature",
    "keep_feature",
    "keep_features",
    "load_feature",
    "reader_name",
]

LEARNED, LEARNED_FROM = FILES


@dataclass(frozen=True)
class FeatureRef:
    """A feature as a worker is told of it.

    Attributes
    ----------
    name : str
    folder : str
        In the store, where a feature of this package is loaded from.
    estimator : estimator or None
        A feature that is not of this package is sent itself.
    """

    name: str
    folder: str
    estimator: Any = None


def reader_name(reader: Reader) -> str:
    """Return version and limits of a reader as text: what decides which files it refuses."""
    return f"{READER_VERSION}-{reader.max_pixels}-{reader.max_side}"


def learns(feature: BaseEstimator) -> bool:
    """Tell whether a feature learns something from training images."""
    return bool(get_tags(feature).requires_fit)


def describe_feature(feature: BaseEstimator, reader: Reader) -> dict[str, Any]:
    """Return all that decides a row, but the image: JSON values.

    ``max_pixels`` is no part of it: an image with more pixels has no row, and the others have the
    same rows with any limit.
    """
    description = {
        "reader": f"{READER_VERSION}-{reader.max_side}",
        "kernel": getattr(feature, "kernel_version", None),
        "feature": describe_estimator(feature),
    }
    if (code := code_of(feature)) is not None:
        description["code"] = code
    return description


def keep_feature(
    store: Folder,
    name: str,
    feature: BaseEstimator,
    reader: Reader,
    recipe: Mapping[str, Any],
    learned_from: Digests | None,
) -> FeatureRef:
    """Write what a feature is and what it learned into the store, and return a reference.

    Parameters
    ----------
    store : Folder
    name : str
    feature : estimator
        Ready to transform.
    reader : Reader
    recipe : mapping
        Its description before it learned.
    learned_from : ndarray of V16 or None
        Digests of the images that it learned from.
    """
    description = describe_feature(feature, reader)
    ref = FeatureRef(name, f"{name}-{key_of(description)}", None if is_ours(feature) else feature)
    try:
        read_description(store, ref.folder)
    except (OSError, DamagedError):  # not there, or not whole
        files = {LEARNED: save_estimator(feature)} if is_ours(feature) else {}
        record = {"name": name, "recipe": key_of(recipe), **description}
        if learned_from is not None:
            files[LEARNED_FROM] = learned_from.tobytes()
            record["learned_from"] = len(learned_from)
        write_description(store, ref.folder, record, files)
    return ref


def keep_features(
    features: Mapping[str, BaseEstimator], store: Folder, reader: Reader
) -> dict[str, FeatureRef]:
    """Write features that are ready to transform into the store, and return references."""
    return {
        name: keep_feature(store, name, feature, reader, describe_feature(feature, reader), None)
        for name, feature in features.items()
    }


def load_feature(store: Folder, ref: FeatureRef, reader: Reader) -> Any:
    """Return the feature that a reference names.

    Raises
    ------
    DamagedError
        If the store does not hold what was written there.
    """
    if ref.estimator is not None:
        return ref.estimator
    name = f"{ref.folder}/{LEARNED}"
    try:
        feature = decode_estimator(store.read(name))
    except (OSError, ValueError) as error:
        raise DamagedError(
            f"{store.path(name)}: {error}; `visualwords extract` writes it again"
        ) from error
    if ref.folder != f"{ref.name}-{key_of(describe_feature(feature, reader))}":
        raise DamagedError(
            f"{store.path(name)}: not the feature of this folder; `visualwords extract` "
            "writes it again"
        )
    return feature


def find_learned(
    store: Folder, name: str, recipe: Mapping[str, Any], training: Digests, reader: Reader
) -> tuple[FeatureRef | None, str]:
    """Find a feature in the store that was learned as asked for, from images that still train.

    Returns
    -------
    ref : FeatureRef or None
    why : str
        Why there is none.
    """
    wanted, why = key_of(recipe), "nothing was learned with these parameters yet"
    known = np.sort(training.view(f"S{DIGEST_BYTES}"))
    best: tuple[int, str] | None = None
    for folder in store.names():
        if folder.rpartition("-")[0] != name:
            continue
        try:
            record = read_description(store, folder)
            if record["recipe"] != wanted or "learned_from" not in record:
                continue
            if LEARNED not in record["files"]:
                why = "code of your own learns in every job"
                continue
            data = store.read(f"{folder}/{LEARNED_FROM}")
            sample = np.frombuffer(data, f"S{DIGEST_BYTES}")
            load_feature(store, FeatureRef(name, folder), reader)
        except (OSError, ValueError):
            why = f"{store.path(folder)} is damaged"
            continue
        at = np.minimum(np.searchsorted(known, sample), len(known) - 1)
        gone = int((known[at] != sample).sum())
        if gone:
            train = "trains" if gone == 1 else "train"
            why = f"{gone} of the {len(sample)} images that it was learned from no longer {train}"
        else:
            best = max(best or (0, ""), (len(sample), folder))
    return (None, why) if best is None else (FeatureRef(name, best[1]), "")
