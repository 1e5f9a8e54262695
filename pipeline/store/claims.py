"""Claims on images, so that jobs that share a store do not compute the same rows twice.

Each job keeps a file ``.claims/<job>.json`` with the images that it works on and holds the lock
``.claims/<job>.lock`` as long as it lives. Claims are read and written under ``.claims.lock``.
The claim of a job that died is worth nothing, as its lock is free; who meets it removes it.

A store behind a URL has no locks: jobs that share it work unguarded.
"""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from .descriptions import DESCRIPTION
from .files import DamagedError, Folder
from .schema import is_digests
from .shards import DIGEST_BYTES, read_shard

__all__ = ["Claims", "Share", "open_claims"]

FOLDER = ".claims"
RECORD = {"claims": {str: is_digests}}
LOCK = "claims"  # the folder hides a lock's name behind a dot

Key = tuple[str, bytes]  # folder of a feature, digest of an image


@dataclass
class Share:
    """What of some images is left to a job.

    Attributes
    ----------
    free : dict of tuple of str to list of int
        Images that are this job's now, by the folders of the features that they lack.
    done : list of int
        Images that other jobs have computed meanwhile.
    taken : list of int
        Images that other jobs are computing.
    failed : list of int
        Images that other jobs could not describe by some feature.
    """

    free: dict[tuple[str, ...], list[int]] = field(default_factory=dict)
    done: list[int] = field(default_factory=list)
    taken: list[int] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)


class Claims:
    """What this job and others work on; :func:`open_claims` makes it.

    Parameters
    ----------
    store : Folder
    known : mapping of str to set of str
        By the folder of a feature: the shards that were there when the work was planned.
    """

    def __init__(self, store: Folder, known: dict[str, set[str]]) -> None:
        self._store = store
        self._known = known
        self._done: set[Key] = set()
        self._failed: set[Key] = set()
        self._mine: dict[Key, None] = {}
        self.job = uuid.uuid4().hex

    def share(self, folders: Sequence[str], digests: Sequence[bytes]) -> Share:
        """Claim the images that are free.

        Parameters
        ----------
        folders : sequence of str
            Of the features that the images lack.
        digests : sequence of bytes
        """
        with self._store.lock(LOCK):
            for folder in folders:
                self._look_for_rows(folder)
            taken = self._taken()
            share = Share()
            for i, digest in enumerate(digests):
                lacking = tuple(f for f in folders if (f, digest) not in self._done)
                if any((f, digest) in self._failed for f in folders):
                    share.failed.append(i)
                if not lacking:
                    share.done.append(i)
                elif any((f, digest) in taken for f in lacking):
                    share.taken.append(i)
                else:
                    share.free.setdefault(lacking, []).append(i)
                    self._mine.update(dict.fromkeys((f, digest) for f in lacking))
            self._write()
        return share

    def release(self, folders: Iterable[str], digests: Iterable[bytes], shard: str) -> None:
        """Note that a shard is written, so that this job need not look at it."""
        wanted = list(digests)
        for folder in folders:
            self._known[folder].add(shard)
            for digest in wanted:
                self._mine.pop((folder, digest), None)

    def publish(self) -> None:
        """Let the others know what is released; :meth:`share` does so, too."""
        with self._store.lock(LOCK):
            self._write()

    def _look_for_rows(self, folder: str) -> None:
        """Take note of the shards that other jobs have written."""
        known = self._known.setdefault(folder, set())
        names = [name for name in self._store.names(folder) if name.endswith(".json")]
        for name in names:
            shard = name.removesuffix(".json")
            if shard in known or name == DESCRIPTION:
                continue
            known.add(shard)
            try:
                record = read_shard(self._store, folder, shard)
                failed = [bytes.fromhex(digest) for digest, *_ in record["failed"]]
                rows = _digests(record["images"])
            except (OSError, DamagedError):
                continue
            self._done.update((folder, digest) for digest in (*rows, *failed))
            self._failed.update((folder, digest) for digest in failed)

    def _taken(self) -> set[Key]:
        """Return what jobs that live are working on."""
        taken: set[Key] = set()
        for name in self._store.names(FOLDER):
            job = name.removesuffix(".json")
            if not name.endswith(".json") or job == self.job:
                continue
            with self._store.lock(f"{LOCK}/{job}", wait=False) as is_dead:
                if is_dead:
                    self._store.remove(f"{FOLDER}/{name}")
                    continue
            try:
                record = self._store.read_record(f"{FOLDER}/{name}", RECORD)
            except (OSError, DamagedError):
                continue
            for folder, images in record["claims"].items():
                taken.update((folder, digest) for digest in _digests(images))
        return taken

    def _write(self) -> None:
        claims: dict[str, bytes] = {}
        for folder, digest in self._mine:
            claims[folder] = claims.get(folder, b"") + digest
        record = {"claims": {folder: images.hex() for folder, images in claims.items()}}
        self._store.write_record(f"{FOLDER}/{self.job}.json", record)


def _digests(hexadecimal: str) -> list[bytes]:
    raw = bytes.fromhex(hexadecimal)
    return [raw[i : i + DIGEST_BYTES] for i in range(0, len(raw), DIGEST_BYTES)]


@contextmanager
def open_claims(store: Folder, known: dict[str, set[str]]) -> Iterator[Claims | None]:
    """Open the claims of a job; None where the store has no locks.

    Parameters
    ----------
    store : Folder
    known : dict of str to set of str
        By the folder of a feature: the shards that are known already.
    """
    claims = Claims(store, known)
    name = f"{LOCK}/{claims.job}"
    with store.lock(name):
        with store.lock(name, wait=False) as has_no_locks:
            pass
        if has_no_locks:
            yield None
            return
        try:
            yield claims
        finally:
            with store.lock(LOCK):
                store.remove(f"{FOLDER}/{claims.job}.json")
    store.remove(f"{FOLDER}/{claims.job}.lock")
