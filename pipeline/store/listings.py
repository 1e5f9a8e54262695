"""What archives hold, kept so that an archive is not read again to list it: a cache."""

import hashlib
from collections.abc import Callable, Iterable

import pyarrow as pa

from .files import DamagedError, Folder
from .tables import read_table, write_table

__all__ = ["Listings"]

FOLDER = "index/listings"
VERSION = 1  # is raised when a source lists archives in another way
LEAST_ROWS = 500  # fewer members are listed again in less time than a file is read


class Listings:
    """Listings of archives, by path or URL; valid while the signature of an archive is the same.

    Each is one parquet file. Its name has a digest of the archive's name and one of its signature.

    Parameters
    ----------
    store : Folder
    """

    def __init__(self, store: Folder) -> None:
        self._store = store
        self._files: dict[str, str] | None = None  # by the first digest

    def table(
        self,
        archive: str,
        signature: str,
        schema: pa.Schema,
        list_members: Callable[[], Iterable[pa.Table]],
    ) -> pa.Table:
        """Return the listing of an archive; it is read anew where it is new or changed.

        Parameters
        ----------
        archive : str
            Full path or URL.
        signature : str
            Changes when the archive changes; "" where nothing like it is known.
        schema : pyarrow.Schema
            Of the listing.
        list_members : callable
            Reads the archive and returns its listing in parts.
        """
        if self._files is None:
            self._files = {n.partition("-")[0]: n for n in self._store.names(FOLDER)}
        place = _digest(archive)
        file, before = (
            f"{place}-{_digest(f'{VERSION} {signature}')}.parquet",
            self._files.get(place),
        )
        if signature and file == before:
            try:
                return read_table(self._store, f"{FOLDER}/{file}", schema)
            except (OSError, DamagedError):
                pass
        table = pa.concat_tables([*list_members(), schema.empty_table()])
        if signature and len(table) >= LEAST_ROWS:
            write_table(self._store, f"{FOLDER}/{file}", table)
            self._files[place] = file
            if before not in (None, file):
                self._store.remove(f"{FOLDER}/{before}")
        return table


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(errors="surrogateescape"), digest_size=12).hexdigest()
