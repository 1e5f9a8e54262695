"""What a store holds; checks, repair, pruning and export."""

import io
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from .descriptions import DESCRIPTION, FILES, damaged_files
from .files import DamagedError, Folder, LocalFolder, open_folder
from .rows import FeatureRows
from .tables import read_table

__all__ = ["FeatureSummary", "collect_garbage", "export_feature", "repair", "summaries", "verify"]

LEDGER = re.compile(r"images(-\d+-of-\d+)?\.parquet")
FEATURE_FOLDER = re.compile(r"(?P<name>.+)-(?P<key>[0-9a-f]{32})")


@dataclass(frozen=True)
class FeatureSummary:
    """What a store holds of one version of a feature.

    Attributes
    ----------
    folder : str
    rows, columns, shards, bytes : int
    modified : float
        Time of the last change, in seconds since 1970.
    """

    folder: str
    rows: int
    columns: int
    shards: int
    bytes: int
    modified: float


def feature_rows(store: Folder) -> Iterator[FeatureRows]:
    """Yield the features of a store."""
    for folder in store.names():
        match = FEATURE_FOLDER.fullmatch(folder)
        if match:
            yield FeatureRows(store, match["name"], match["key"])


def summaries(store: Path | str | Folder) -> list[FeatureSummary]:
    """Return what a store holds, by feature: folder, rows, columns, shards, bytes, modified.

    Parameters
    ----------
    store : Path or str
        Path or URL of the store.
    """
    store = open_folder(store)
    found = []
    for rows in feature_rows(store):
        files = store.names(rows.folder)
        paths = [f"{rows.folder}/{name}" for name in files]
        n_bytes = sum(store.size(path) for path in paths)
        modified = max((store.modified(path) for path in paths), default=0.0)
        n_shards = len(rows.shard_files)
        found.append(
            FeatureSummary(rows.folder, rows.n_rows, rows.n_columns, n_shards, n_bytes, modified)
        )
    return found


def verify(store: Path | str | Folder) -> list[str]:
    """Return the files that do not hold what was written there.

    Parameters
    ----------
    store : Path or str
        Path or URL of the store.
    """
    store = open_folder(store)
    damaged: list[str] = []
    for rows in feature_rows(store):
        rows.check_all()
        damaged += rows.damaged.values()
        damaged += damaged_files(store, rows.folder)
    return damaged + [name for name in _tables(store) if not _is_sound_table(store, name)]


def _tables(store: Folder) -> list[str]:
    """Return the names of the tables of a store: the ledgers of extractions and the index."""
    names = [name for name in store.names() if LEDGER.fullmatch(name)]
    for reader in store.names("index"):
        names += [f"index/{reader}/{name}" for name in store.names(f"index/{reader}")]
    return [name for name in names if name.endswith(".parquet")]


def _is_sound_table(store: Folder, name: str) -> bool:
    try:
        read_table(store, name)
    except (OSError, DamagedError):
        return False
    return True


def repair(store: Path | str | Folder) -> list[str]:
    """Remove what is damaged, so that the next job computes it again; return the names.

    Parameters
    ----------
    store : Path or str
        Path or URL of the store.
    """
    store = open_folder(store)
    damaged = verify(store)
    for name in damaged:
        for file in _removed_with(name):
            store.remove(file)
    return damaged


def _removed_with(name: str) -> list[str]:
    """Return what goes with a damaged file, the record first: without it, the rest is not there."""
    folder, _, file = name.rpartition("/")
    if not FEATURE_FOLDER.fullmatch(folder):
        return [name]
    if file in (DESCRIPTION, *FILES):
        return [f"{folder}/{DESCRIPTION}", name]
    shard = name.rpartition(".")[0]
    return [f"{shard}.json", f"{shard}.npy"]


def collect_garbage(
    store: Path | str | Folder,
    *,
    max_bytes: int | None = None,
    older_than: float | None = None,
    dry_run: bool = False,
) -> list[FeatureSummary]:
    """Remove versions of features, the longest unchanged first, and return them.

    Parameters
    ----------
    store : Path or str
        Path or URL of the store.
    max_bytes : int, optional
        Remove until the store is no larger.
    older_than : float, optional
        Remove what was not changed for so many seconds.
    dry_run : bool
        Remove nothing; return what would be removed.
    """
    store = open_folder(store)
    found = sorted(summaries(store), key=lambda summary: summary.modified)
    total, removed = sum(summary.bytes for summary in found), []
    for summary in found:
        is_old = older_than is not None and summary.modified < time.time() - older_than
        is_too_much = max_bytes is not None and total > max_bytes
        if is_old or is_too_much:
            if not dry_run:
                _remove_feature(store, summary.folder)
            total -= summary.bytes
            removed.append(summary)
    return removed


def _remove_feature(store: Folder, folder: str) -> None:
    """Remove a feature, records first: a shard without its record does not exist."""
    names = store.names(folder)
    for name in sorted(names, key=lambda name: not name.endswith(".json")):
        store.remove(f"{folder}/{name}")
    store.remove(folder)


def export_feature(store: Path | str | Folder, feature: str, file: Path | str) -> int:
    """Write all rows of a feature to a ``.parquet``, ``.npz`` or ``.csv`` file.

    Parameters
    ----------
    store : Path or str
        Path or URL of the store.
    feature : str
        Its name, where the store has one version of it, or the name of its folder.
    file : Path or str

    Returns
    -------
    int
        The number of rows.
    """
    store, file = open_folder(store), Path(file)
    found = [rows for rows in feature_rows(store) if feature in (rows.name, rows.folder)]
    if not found:
        names = sorted({rows.name for rows in feature_rows(store)})
        known = ", ".join(names) or "none"
        raise ValueError(f"{store.url}: no feature is named {feature!r}; there are {known}")
    if len(found) > 1:
        raise ValueError(
            f"{store.url}: {len(found)} features are named {feature!r}; give the whole name of "
            f"one, {' or '.join(rows.folder for rows in found)}: `visualwords why {store.url} "
            f"{feature}` says how they differ"
        )
    rows = found[0]
    digests, places = rows.everything()
    if rows.damaged:
        raise DamagedError(
            f"{', '.join(map(store.path, rows.damaged.values()))}: damaged; `visualwords store "
            f"repair {store.url}` removes it, and `visualwords extract` computes it again"
        )
    names = [digest.tobytes().hex() for digest in digests]
    matrix = np.asarray(rows.matrix(places))
    buffer = io.BytesIO()
    if file.suffix == ".npz":
        np.savez(buffer, digests=np.array(names, "U32"), rows=matrix)
    elif file.suffix in (".parquet", ".csv"):
        columns = {f"{rows.name}{k}": column for k, column in enumerate(matrix.T.copy())}
        table = pa.table({"digest": names, **columns})
        (pq.write_table if file.suffix == ".parquet" else pc.write_csv)(table, buffer)
    else:
        raise ValueError(f"{file}: expected a name that ends in .parquet, .npz or .csv")
    LocalFolder(file.parent).write(file.name, buffer.getvalue())
    return len(matrix)
