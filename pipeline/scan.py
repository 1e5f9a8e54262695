"""The first stage: know every image by the digest of its bytes and by its header."""

import hashlib
import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import joblib
import numpy as np
import numpy.typing as npt

from .dataset import Dataset, Source
from .reader import READER_VERSION, ImageError, Reader, read_bytes
from .stages import Stages

__all__ = ["UNREADABLE", "Scan", "ScanIndex", "digest_of", "scan"]

IMAGES_PER_TASK = 256

Signature = list[int]

# Stands for the digest of a file whose bytes could not be had.
UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Entry:
    """What is known of one image without decoding it."""

    digest: str
    rows: int = 0
    columns: int = 0
    failure: str | None = None


@dataclass(frozen=True)
class Scan:
    """A data set whose images are known by digest and header.

    Attributes
    ----------
    dataset : Dataset
    digests : tuple of str
        BLAKE2b-128 of each image's bytes.
    shapes : ndarray of shape (n, 2)
        Rows and columns; 0 for an image that failed.
    failures : dict of int to str
        Images that cannot be used, as far as their headers tell.
    read : int
        Files that had to be read; those unchanged since an earlier scan are not.
    """

    dataset: Dataset
    digests: tuple[str, ...]
    shapes: npt.NDArray[np.int64]
    failures: dict[int, str]
    read: int


class ScanIndex:
    """What earlier scans found, by path; valid while a file's size and times are the same.

    A log of JSON lines to which each scan appends: a job killed while writing loses at most its
    last line. A line begins with a checksum of the rest: with a wrong digest an image would be
    refused as changed, by this job and by all to come.
    """

    def __init__(self, folder: Path, reader: Reader) -> None:
        self._path = folder / f"index-v{READER_VERSION}-{reader.max_pixels}.jsonl"
        self._entries: dict[str, tuple[Signature, Entry]] = {}
        if self._path.exists():
            for line in self._path.read_text("ascii", "replace").splitlines():
                self._remember(line)

    def find(self, source: Source, signature: Signature | None) -> Entry | None:
        """Give the entry of a file that has not changed since it was scanned."""
        known = self._entries.get(str(source)) if signature else None
        return known[1] if known and known[0] == signature else None

    def append(self, found: Iterable[tuple[Source, Signature | None, Entry]]) -> None:
        """Keep what a scan found of files; one that could not be read is tried again next time.

        The signatures are those from before the files were read: a file that was written to
        meanwhile is new to the next scan.
        """
        lines = [
            _sealed(json.dumps([str(source), signature, *vars(entry).values()]))
            for source, signature, entry in found
            if signature and entry.digest != UNREADABLE
        ]
        if lines:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a") as file:
                file.write("\n".join(["", *lines, ""]))
        for line in lines:
            self._remember(line)

    def _remember(self, line: str) -> None:
        text = _unsealed(line)
        if text is not None:
            path, signature, *entry = json.loads(text)
            self._entries[path] = (signature, Entry(*entry))


def _sealed(text: str) -> str:
    """Put the checksum of a JSON list before its first item."""
    return f"[{zlib.crc32(text.encode())}, {text[1:]}"


def _unsealed(line: str) -> str | None:
    """Give the list without its checksum; None if that is wrong, the line blank or cut off."""
    text = "[" + line.partition(", ")[2]
    return text if line == _sealed(text) else None


def _signature(source: Source) -> Signature | None:
    """Size and times of a file; an array, or what is no file, has none."""
    if not isinstance(source, Path):
        return None
    try:
        status = source.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def digest_of(data: bytes) -> str:
    """BLAKE2b-128 of an image's bytes, in hexadecimal."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def scan(
    dataset: Dataset, reader: Reader, index: ScanIndex, stages: Stages, n_jobs: int | None
) -> Scan:
    """Read and hash the images that are new or changed, and check their headers.

    Parameters
    ----------
    dataset : Dataset
    reader : Reader
    index : ScanIndex
        Consulted before a file is read, and added to.
    stages : Stages
    n_jobs : int or None
        As in joblib.
    """
    signatures = [_signature(source) for source in dataset.sources]
    entries = list(map(index.find, dataset.sources, signatures))
    new = [i for i, entry in enumerate(entries) if entry is None]
    tasks = [new[start : start + IMAGES_PER_TASK] for start in range(0, len(new), IMAGES_PER_TASK)]
    with stages.stage("scan", len(dataset)) as stage:
        stage.advance(len(dataset) - len(new))
        run = joblib.Parallel(n_jobs=n_jobs, prefer="threads", return_as="generator")
        look = joblib.delayed(partial(_look_at, reader=reader))
        found = run(look([dataset.sources[i] for i in task]) for task in tasks)
        for task, results in zip(tasks, found, strict=True):
            looked_at = list(zip(task, results, strict=True))
            index.append((dataset.sources[i], signatures[i], entry) for i, entry in looked_at)
            for i, entry in looked_at:
                entries[i] = entry
            stage.advance(len(task))
        result = _collect(dataset, [entry for entry in entries if entry is not None], len(new))
        empty = f"; nothing in {', '.join(dataset.empty)}" if dataset.empty else ""
        counts = f"{len(dataset)} images, {len(new)} read, {len(result.failures)} refused"
        stage.summary = counts + empty
    return result


def _collect(dataset: Dataset, entries: Sequence[Entry], read: int) -> Scan:
    return Scan(
        dataset,
        tuple(entry.digest for entry in entries),
        np.array([(entry.rows, entry.columns) for entry in entries], np.int64).reshape(-1, 2),
        {i: entry.failure for i, entry in enumerate(entries) if entry.failure is not None},
        read,
    )


def _look_at(sources: Sequence[Source], reader: Reader) -> list[Entry]:
    return [_entry(source, reader) for source in sources]


def _entry(source: Source, reader: Reader) -> Entry:
    if not isinstance(source, Path):
        header = f"{source.dtype.str}{source.shape}".encode()
        return Entry(digest_of(header + source.tobytes()), *source.shape[:2])
    try:
        data = read_bytes(source)
    except ImageError as error:
        return Entry(UNREADABLE, failure=str(error))
    try:
        found = reader.header(data)
    except ImageError as error:
        return Entry(digest_of(data), failure=str(error))
    return Entry(digest_of(data), found.rows, found.columns)
