"""The table of images: their digests, and what became of each."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from .failures import CRASHED, REFUSED
from .store.rows import FeatureRows
from .store.shards import DIGEST_BYTES, Digests, RowFailure

__all__ = ["digests_of", "ledger"]


def digests_of(images: pa.Table) -> tuple[Digests, npt.NDArray[np.bool_]]:
    """Return the digests of images, and which of the images are sound as far as is known.

    A file that could not be read has a digest of zeros.
    """
    column = images["digest"].combine_chunks()
    has_one = column.is_valid().to_numpy(zero_copy_only=False)
    raw = b"".join(pc.fill_null(column, bytes(DIGEST_BYTES)).to_pylist())
    is_sound = has_one & images["kind"].combine_chunks().is_null().to_numpy(zero_copy_only=False)
    return np.frombuffer(raw, f"V{DIGEST_BYTES}"), is_sound


def ledger(
    images: pa.Table, features: Mapping[str, FeatureRows], passing: Mapping[bytes, RowFailure]
) -> pa.Table:
    """Return what became of each image.

    Parameters
    ----------
    images : pyarrow.Table
        With the columns of :data:`.scan.IMAGES`.
    features : mapping of str to FeatureRows
    passing : mapping of digest to RowFailure
        Failures that the store does not keep.

    Returns
    -------
    pyarrow.Table
        With the columns path, label, split, digest, rows, columns, status ("ok" or "failed"),
        kind, reason and attempts.
    """
    kinds, reasons = images["kind"].to_pylist(), images["reason"].to_pylist()
    attempts = np.ones(len(kinds), np.int32)
    digests, is_sound = digests_of(images)
    has_rows = np.logical_and.reduce([r.find(digests).found for r in features.values()])
    for i in np.flatnonzero(is_sound & ~has_rows).tolist():
        kinds[i], reasons[i], attempts[i] = _why(digests[i].tobytes(), features, passing)
    status = ["ok" if kind is None else "failed" for kind in kinds]
    named = {name: images[name] for name in ("path", "label", "split", "digest", "rows", "columns")}
    columns = {
        **named,
        "status": pa.array(status, pa.string()),
        "kind": pa.array(kinds, pa.string()),
        "reason": pa.array(reasons, pa.string()),
        "attempts": pa.array(attempts, pa.int32()),
    }
    return pa.table(columns)


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
        kinds.append(f"{REFUSED} by {name}" if is_refused else failure.kind)
        reason = f"{name}: {failure.reason}" if is_refused else failure.reason
        reasons += [reason] if reason not in reasons else []
        attempts = max(attempts, failure.attempts)
    if not kinds and digest in passing:
        failure = passing[digest]
        return failure.kind, failure.reason, failure.attempts
    if not kinds:
        return CRASHED, "no row and no reason were kept; run the job again", 1
    return kinds[0], "; ".join(reasons), attempts
