"""Images that are there twice: with the same bytes, or stored again in another way."""

import hashlib
from contextlib import suppress

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..features import PerceptualHash, near_duplicates
from .ledger import digests_of
from .store.files import DamagedError, Folder
from .store.rows import FeatureRows
from .store.shards import DIGEST_BYTES
from .store.tables import read_table, write_table

__all__ = ["HASH", "NEAR", "SAME_BYTES", "duplicates", "in_both_splits", "make_hash"]

# Name of the feature that is computed with every other and is part of no matrix.
HASH = "perceptual-hash"
SAME_BYTES, NEAR = "same bytes", "near"
NAMES = ("path", "label", "split")
# The pairs among a set of images are kept, since all of them are searched when one is added.
KEPT = "index/near-duplicates"
PAIRS = pa.schema([("later", pa.int64()), ("earlier", pa.int64()), ("bits", pa.int64())])
SEARCH_VERSION = 1  # is raised when the search finds other pairs
LEAST_IMAGES = 10_000  # fewer are searched in less time than a file is read
MOST_KEPT = 16


def make_hash() -> PerceptualHash:
    """Return the feature that near-duplicates are found by."""
    return PerceptualHash()


def duplicates(
    images: pa.Table, hashes: FeatureRows | None = None, n_jobs: int | None = None
) -> pa.Table:
    """Return the images that are there twice.

    Parameters
    ----------
    images : pyarrow.Table
        With the columns path, label, split, digest and kind.
    hashes : FeatureRows, optional
        Perceptual hashes. Without them near-duplicates are not looked for.
    n_jobs : int or None
        Threads.

    Returns
    -------
    pyarrow.Table
        With the columns path, label and split, same_as, same_as_label and same_as_split (an image
        before it), kind and bits. First come the images of the kind "same bytes", each with the
        first one of these bytes, failed ones too. Then come pairs of the kind "near" of images that
        are ok, with the number of the 255 bits of their perceptual hashes that differ; see
        :func:`~visualwords.features.near_duplicates`.
    """
    digests, is_sound = digests_of(images)
    has_digest = images["digest"].is_valid().to_numpy()
    _, first, group = np.unique(
        digests.view(f"S{DIGEST_BYTES}"), return_index=True, return_inverse=True
    )
    original = first[group]
    is_first = original == np.arange(len(original))
    again = np.flatnonzero(has_digest & ~is_first)
    pairs = np.column_stack([again, original[again]])
    near, bits = _near(np.flatnonzero(is_sound & is_first), digests, hashes, n_jobs)
    kinds = [SAME_BYTES] * len(pairs) + [NEAR] * len(near)
    bits = np.concatenate([np.zeros(len(pairs), np.intp), bits])
    later, earlier = np.concatenate([pairs, near]).T
    columns = {name: images[name].take(later) for name in NAMES}
    columns |= {
        f"same_as_{name}".removesuffix("_path"): images[name].take(earlier) for name in NAMES
    }
    return pa.table({**columns, "kind": pa.array(kinds, pa.string()), "bits": bits})


def _near(
    numbers: npt.NDArray[np.intp],
    digests: npt.NDArray[np.void],
    hashes: FeatureRows | None,
    n_jobs: int | None,
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the near pairs among images, and how many bits differ."""
    if hashes is None:
        return np.empty((0, 2), np.intp), np.empty(0, np.intp)
    places = hashes.find(digests[numbers])
    has_hash = np.flatnonzero(places.found)
    chosen = numbers[has_hash]
    of_what = f"{SEARCH_VERSION} {hashes.folder} ".encode() + digests[chosen].tobytes()
    file = f"{KEPT}/{hashlib.blake2b(of_what, digest_size=16).hexdigest()}.parquet"
    is_kept = len(chosen) >= LEAST_IMAGES
    with suppress(OSError, DamagedError):
        if is_kept:
            later, earlier, bits = (c.to_numpy() for c in read_table(hashes.store, file, PAIRS))
            return chosen[np.column_stack([later, earlier])], bits
    rows = np.asarray(hashes.matrix(places[has_hash]))
    pairs, bits = near_duplicates(rows, n_jobs=n_jobs)
    if is_kept:
        _keep(hashes.store, file, pa.table([*pairs.T, bits], PAIRS))
    return chosen[pairs], bits


def _keep(store: Folder, file: str, pairs: pa.Table) -> None:
    """Write pairs in place of the oldest ones, unless the store is read-only or knows no times."""
    with suppress(OSError, NotImplementedError):
        names = [f"{KEPT}/{name}" for name in store.names(KEPT)]
        for name in sorted(names, key=store.modified)[: max(0, len(names) + 1 - MOST_KEPT)]:
            store.remove(name)
        write_table(store, file, pairs)


def in_both_splits(found: pa.Table, first: str, second: str) -> int:
    """Return how many images of one split are near-duplicates of images of another."""
    near = found.filter(pc.equal(found["kind"], NEAR))
    names = set()
    for path, split, other_path, other_split in zip(
        *(near[name].to_pylist() for name in ("path", "split", "same_as", "same_as_split")),
        strict=True,
    ):
        if (split, other_split) == (first, second):
            names.add(path)
        elif (split, other_split) == (second, first):
            names.add(other_path)
    return len(names)
