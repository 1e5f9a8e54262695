"""The table of images: their digests, and what became of each."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from .failures import CRASHED, REFUSED, refused_by
from .store.matrix import Places
from .store.rows import FeatureRows
from .store.shards import DIGEST_BYTES, Digests, RowFailure

__all__ = ["digests_of", "failures", "group_numbers", "has_groups", "ledger"]


def digests_of(images: pa.Table) -> tuple[Digests, npt.NDArray[np.bool_]]:
    """Return the digests of images, and which of the images are sound as far as is known.

    A file that could not be read has a digest of zeros.
    """
    column = images["digest"].combine_chunks()
    is_sound = pc.and_(column.is_valid(), images["kind"].combine_chunks().is_null())
    filled = pc.fill_null(column, bytes(DIGEST_BYTES)).cast(pa.binary(DIGEST_BYTES))
    digests = np.frombuffer(filled.buffers()[1] or b"", f"V{DIGEST_BYTES}")
    return digests[filled.offset :][: len(filled)], is_sound.to_numpy(zero_copy_only=False)


def has_groups(images: pa.Table) -> bool:
    """Return whether an image of the table belongs to a group."""
    return "group" in images.column_names and images["group"].null_count < len(images)


def group_numbers(images: pa.Table) -> npt.NDArray[np.intp] | None:
    """Return numbers of the groups of images; None where no image has a group.

    Images of one group have the same number. An image without a group has a number of its own.
    """
    if not has_groups(images):
        return None
    groups = images["group"].combine_chunks().dictionary_encode()
    own = len(groups.dictionary) + np.arange(len(images))
    numbers = pc.fill_null(groups.indices, 0).to_numpy()
    return np.where(groups.is_valid().to_numpy(zero_copy_only=False), numbers, own)


def ledger(
    images: pa.Table,
    features: Mapping[str, FeatureRows],
    rows: Mapping[str, Places],
    passing: Mapping[bytes, RowFailure],
) -> pa.Table:
    """Return what became of each image.

    Parameters
    ----------
    images : pyarrow.Table
        With the columns of :data:`.scan.IMAGES`.
    features : mapping of str to FeatureRows
    rows : mapping of str to Places
        Where the rows of the images lie, by feature.
    passing : mapping of digest to RowFailure
        Failures that the store does not keep.

    Returns
    -------
    pyarrow.Table
        With the columns path, label, split, digest, rows, columns, status ("ok" or "failed"),
        kind, reason and attempts, and the column group where an image has one.
    """
    kinds, reasons = images["kind"].combine_chunks(), images["reason"].combine_chunks()
    attempts = np.ones(len(images), np.int32)
    digests, is_sound = digests_of(images)
    lacks = is_sound & ~np.logical_and.reduce([places.found for places in rows.values()])
    if lacks.any():
        whys = [_why(digest.tobytes(), features, passing) for digest in digests[lacks]]
        kind, reason, attempts[lacks] = zip(*whys, strict=True)
        kinds = pc.replace_with_mask(kinds, lacks, pa.array(kind, pa.string()))
        reasons = pc.replace_with_mask(reasons, lacks, pa.array(reason, pa.string()))
    columns = {
        **{name: images[name] for name in ("path", "label", "split", "digest", "rows", "columns")},
        "status": pc.if_else(kinds.is_null(), "ok", "failed"),
        "kind": kinds,
        "reason": reasons,
        "attempts": pa.array(attempts),
    }
    if has_groups(images):
        columns["group"] = images["group"]
    return pa.table(columns)


def failures(images: pa.Table) -> pa.Table:
    """Return split, path, kind and reason of the images of a ledger that failed."""
    failed = images.filter(pc.equal(images["status"], "failed"))
    return failed.select(["split", "path", "kind", "reason"])


def _why(
    digest: bytes, features: Mapping[str, FeatureRows], passing: Mapping[bytes, RowFailure]
) -> tuple[str, str, int]:
    """Return kind, reason and attempts of an image that lacks a row."""
    kinds, reasons, attempts = [], [], 1
    for name, rows in features.items():
        failure = rows.failure(digest)
        if failure is None:
            continue
        is_refused = failure.kind == REFUSED
        kinds.append(refused_by(name) if is_refused else failure.kind)
        reason = f"{name}: {failure.reason}" if is_refused else failure.reason
        reasons += [reason] if reason not in reasons else []
        attempts = max(attempts, failure.attempts)
    if not kinds and digest in passing:
        failure = passing[digest]
        return failure.kind, failure.reason, failure.attempts
    if not kinds:
        return CRASHED, "no row and no reason were kept; run the job again", 1
    return kinds[0], "; ".join(reasons), attempts
