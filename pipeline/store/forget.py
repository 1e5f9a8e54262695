"""Remove the rows of images that are in no run any more."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .descriptions import DESCRIPTION
from .files import DamagedError, Folder, open_folder
from .maintenance import LEDGER, feature_rows
from .shards import (
    DIGEST_BYTES,
    Digests,
    RowFailure,
    as_digests,
    positions,
    read_shard,
    rows_in,
    shard_name,
    write_shard,
)
from .tables import read_table

__all__ = ["forget_images"]


def forget_images(
    store: Path | str | Folder, keep: Sequence[Path | str], *, dry_run: bool = False
) -> dict[str, int]:
    """Remove the rows and failures of images that none of some runs has.

    A shard that loses some of its rows is written anew under another name before it is removed. So
    nothing else is lost if the process is killed. No other job may use the store meanwhile.

    Parameters
    ----------
    store : Path or str
        Path or URL of the store.
    keep : sequence of Path or str
        Runs, stores, or their ``images.parquet``, whose images stay.
    dry_run : bool
        Remove nothing; return what would be removed.

    Returns
    -------
    dict of str to int
        How many images each feature forgot, by its folder.

    Raises
    ------
    DamagedError
        If a shard of the store or a table of images is damaged.
    """
    store = open_folder(store)
    kept = np.sort(np.concatenate([_images_of(place) for place in keep]).view(f"S{DIGEST_BYTES}"))
    kept = kept.view(f"V{DIGEST_BYTES}")
    features = list(feature_rows(store))
    for rows in features:
        rows.check_all()
        if rows.damaged:
            raise DamagedError(
                f"{', '.join(map(store.path, rows.damaged.values()))}: damaged; `visualwords store "
                f"repair {store.url}` removes it"
            )
    return {
        rows.folder: sum(
            _forget(store, rows.folder, name.removesuffix(".json"), kept, dry_run)
            for name in store.names(rows.folder)
            if name.endswith(".json") and name != DESCRIPTION
        )
        for rows in features
    }


def _images_of(place: Path | str) -> Digests:
    """Return the digests of the images of a run, of a store or in a table."""
    folder, _, name = str(place).replace("\\", "/").rpartition("/")
    is_table = name.endswith(".parquet")
    tables = open_folder((folder or ".") if is_table else place)
    names = [name] if is_table else [n for n in tables.names() if LEDGER.fullmatch(n)]
    if not names:
        raise ValueError(f"{place}: no images.parquet in it; give a run, a store or such a table")
    columns = [read_table(tables, name)["digest"].drop_null() for name in names]
    raw = b"".join(digest for column in columns for digest in column.to_pylist())
    return np.frombuffer(raw, f"V{DIGEST_BYTES}")


def _forget(store: Folder, folder: str, name: str, kept: Digests, dry_run: bool) -> int:
    """Remove from a shard the images that are not kept; return how many these are."""
    record = read_shard(store, folder, name)
    digests = as_digests(record["images"])
    failures = {bytes.fromhex(digest): RowFailure(*of) for digest, *of in record["failed"]}
    failed = np.frombuffer(b"".join(failures), digests.dtype)
    stays, failed_stays = positions(kept, digests) >= 0, positions(kept, failed) >= 0
    n_forgotten = int((~stays).sum() + (~failed_stays).sum())
    if dry_run or not n_forgotten:
        return n_forgotten
    images = np.concatenate([digests[stays], failed[failed_stays]])
    if len(images):
        data = store.bytes_of(f"{folder}/{name}.npy")
        rows = rows_in(data, record["rows"], record["columns"])
        assert rows is not None  # the checksum was right
        still = {d.tobytes(): failures[d.tobytes()] for d in failed[failed_stays]}
        write_shard(store, folder, shard_name(images), digests[stays], rows[stays], still)
    for ending in ("json", "npy"):  # without its record, a shard does not exist
        store.remove(f"{folder}/{name}.{ending}")
    return n_forgotten
