"""A folder of image files, at any depth, on a disk or behind a URL."""

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from .base import Source, SourceError, as_location, as_text, listing, name_at
from .files import (
    entries,
    is_folder,
    is_url,
    join,
    local_signature,
    plain_name,
    read_file,
    signature,
)
from .labels import is_hidden

__all__ = ["IMAGE_SUFFIXES", "FolderSource", "is_called_an_image"]

IMAGE_SUFFIXES = frozenset(
    ["jpg", "jpeg", "jpe", "png", "gif", "bmp", "webp", "tif", "tiff", "avif", "jp2", "heic", "jxl"]
)


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
        here = self._contents(self.name, follow=True)
        self._empty = []
        for base in here.names:
            if base in here.folders:
                label = as_text(base)
                is_empty = True
                for name, changed in self._files_below(base):
                    is_empty = False
                    yield as_text(name), as_location(name), changed, label, None
                if is_empty:
                    self._empty.append(label)
            elif not here.folders or is_called_an_image(base):
                changed = here.signatures.get(base) or signature(join(self.name, base))
                yield as_text(base), as_location(base), changed, None, None

    def empty_folders(self) -> list[str]:
        """Return the names of the class folders without a file; see :class:`Source`."""
        return list(self._empty)

    def _files_below(self, folder: str) -> Iterator[tuple[str, str]]:
        """Yield name and signature of each file; links to folders are not followed."""
        root = os.path.join(self.name, "")
        opened = [(folder, self._contents(join(self.name, folder)))]
        while opened:
            prefix, here = opened[-1]
            for base in here.names:
                name = f"{prefix}/{base}"
                if base in here.folders:
                    opened.append((name, self._contents(join(self.name, name))))
                    break
                changed = here.signatures[base] if here.signatures else local_signature(root + name)
                yield name, changed
            else:
                opened.pop()

    @staticmethod
    def _contents(folder: str, *, follow: bool = False) -> "_Contents":
        """List a folder. Links to folders are followed if asked for, unless to it or above."""
        if is_url(folder):
            found = list(entries(folder))
            names = [entry.name for entry in found]
            folders = {entry.name for entry in found if entry.is_folder}
            return _Contents(iter(names), folders, {e.name: e.signature for e in found})
        try:
            with os.scandir(folder) as listed:
                here = [entry for entry in listed if not is_hidden(entry.name)]
        except OSError as error:
            raise SourceError(f"{folder}: cannot be listed: {error.strerror}") from error
        folders = {entry.name for entry in here if entry.is_dir(follow_symlinks=False)}
        if follow:
            links = {entry.name: entry.path for entry in here if entry.is_symlink()}
            folders |= {
                name
                for name, path in links.items()
                if os.path.isdir(path) and not _is_at_or_above(path, folder)
            }
        return _Contents(iter(sorted([entry.name for entry in here])), folders, {})

    def read(self, location: str) -> bytes:
        """Return the bytes of a file; see :class:`Source`."""
        return read_file(join(self.name, name_at(location)))


class _Contents(NamedTuple):
    """What a folder holds: sorted names, those of folders, and signatures of remote files."""

    names: Iterator[str]
    folders: Collection[str]
    signatures: dict[str, str]


def _is_at_or_above(path: str, folder: str) -> bool:
    """Return whether a link leads to a folder or to one that it lies in."""
    here = os.path.join(os.path.realpath(folder), "")
    return here.startswith(os.path.join(os.path.realpath(path), ""))


def is_called_an_image(name: str) -> bool:
    """Return whether a file name ends as those of images do."""
    return name.rpartition(".")[2].lower() in IMAGE_SUFFIXES
