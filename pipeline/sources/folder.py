"""A folder of image files, at any depth, on a disk or behind a URL."""

import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from .base import Source, SourceError, listing
from .files import (
    Entry,
    entries,
    is_folder,
    is_url,
    join,
    local_signature,
    plain_name,
    read_file,
    signature,
)

__all__ = ["IMAGE_SUFFIXES", "FolderSource", "is_called_an_image"]

IMAGE_SUFFIXES = frozenset(
    ["jpg", "jpeg", "jpe", "png", "gif", "bmp", "webp", "tif", "tiff", "avif", "jp2", "heic", "jxl"]
)
RAW = "bytes:"  # marks a location that is no valid text, in hexadecimal


class FolderSource(Source):
    """All files below a folder, but hidden ones.

    The label of an image is the name of the folder in ``folder`` that it lies in. Images beside
    these folders have no label; files beside them that are not called like images are left out.

    Parameters
    ----------
    folder : Path or str
        Path or URL.
    """

    def __init__(self, folder: Path | str) -> None:
        self.name = self.root = plain_name(folder)
        self._empty: list[str] = []
        if not is_folder(self.name):
            is_there = bool(signature(self.name))
            raise SourceError(
                f"{folder}: {'not a folder' if is_there else 'no such folder'}; expected a folder "
                "of images, a .csv or .parquet manifest, a .txt list, .tar shards or a .zip"
            )

    @classmethod
    def suits(cls, name: str) -> bool:
        """Return True: what is nothing else must be a folder; see :class:`Source`."""
        return True

    def images(self) -> Iterator[pa.Table]:
        """List the files, sorted; see :class:`Source`."""
        return listing(self._rows())

    def _rows(self) -> Iterator[tuple[str, str, str, str | None, None]]:
        here = self._class_folders_and_files()
        self._empty = []
        has_folders = any(entry.is_folder for entry in here)
        for entry in here:
            if entry.is_folder:
                label = _text(entry.name)
                is_empty = True
                for name, file_signature in self._files_below(entry.name):
                    is_empty = False
                    yield _text(name), _location(name), file_signature, label, None
                if is_empty:
                    self._empty.append(label)
            elif not has_folders or is_called_an_image(entry.name):
                name = entry.name
                changed = entry.signature or signature(join(self.name, name))
                yield _text(name), _location(name), changed, None, None

    def empty_folders(self) -> list[str]:
        """Return the names of the class folders without a file; see :class:`Source`."""
        return list(self._empty)

    def _class_folders_and_files(self) -> list[Entry]:
        """List the folder itself. Links to folders are followed, unless to this one or above."""
        if is_url(self.name):
            return list(entries(self.name))
        here = os.path.realpath(self.name)
        found = []
        for entry in _local_entries(self.name):
            path = os.path.join(self.name, entry.name)
            if not entry.is_folder and os.path.isdir(path):
                inside = os.path.join(here, "")
                entry = entry._replace(
                    is_folder=not inside.startswith(os.path.join(os.path.realpath(path), ""))
                )
            found.append(entry)
        return found

    def _files_below(self, folder: str) -> Iterator[tuple[str, str]]:
        """Yield name and signature of each file; links to folders are not followed."""
        is_remote, root = is_url(self.name), os.path.join(self.name, "")
        open_folders = [(folder, self._entries(folder))]
        while open_folders:
            prefix, rest = open_folders[-1]
            entry = next(rest, None)
            if entry is None:
                open_folders.pop()
                continue
            name = f"{prefix}/{entry.name}"
            if entry.is_folder:
                open_folders.append((name, self._entries(name)))
            else:
                yield name, entry.signature if is_remote else local_signature(root + name)

    def _entries(self, folder: str) -> Iterator[Entry]:
        path = join(self.name, folder)
        return entries(path) if is_url(path) else _local_entries(path)

    def read(self, location: str) -> bytes:
        """Return the bytes of a file; see :class:`Source`."""
        name = location
        if location.startswith(RAW):
            name = os.fsdecode(bytes.fromhex(location.removeprefix(RAW)))
        return read_file(join(self.name, name))


def _local_entries(folder: str) -> Iterator[Entry]:
    """List a folder, sorted by name. Names alone are held in memory, and no status."""
    try:
        with os.scandir(folder) as found:
            names = sorted(
                (entry.name, entry.is_dir(follow_symlinks=False))
                for entry in found
                if not entry.name.startswith(".")
            )
    except OSError as error:
        raise SourceError(f"{folder}: cannot be listed: {error.strerror}") from error
    return (Entry(name, is_directory, "") for name, is_directory in names)


def is_called_an_image(name: str) -> bool:
    """Return whether a file name ends as those of images do."""
    return name.rpartition(".")[2].lower() in IMAGE_SUFFIXES


def _text(name: str) -> str:
    """Return a file name as valid text, with escapes for bytes that are no UTF-8."""
    if name.isascii():
        return name
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _location(name: str) -> str:
    if name.isascii() or name == _text(name):
        return name
    return RAW + os.fsencode(name).hex()
