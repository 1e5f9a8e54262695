"""A folder of image files, at any depth."""

import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from ..reader import read_bytes
from .base import Source, SourceError, listing

__all__ = ["FolderSource", "signature_of"]

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
    """

    def __init__(self, folder: Path | str) -> None:
        self.name = str(folder)
        if not Path(folder).is_dir():
            what = "not a folder" if Path(folder).exists() else "no such folder"
            raise SourceError(f"{folder}: {what}")

    def images(self) -> Iterator[pa.Table]:
        """List the files, sorted; see :class:`Source`."""
        return listing(self._rows())

    def _rows(self) -> Iterator[tuple[str, str, str, str | None, None]]:
        entries = _sorted_entries(self.name)
        has_folders = any(entry.is_dir() for entry in entries)
        for entry in entries:
            if entry.is_dir():
                label = _text(entry.name)
                for name, status in _files_below(entry.path, entry.name):
                    yield _text(name), _location(name), signature_of(status), label, None
            elif not has_folders or _is_called_an_image(entry.name):
                status = _status(entry)
                yield _text(entry.name), _location(entry.name), signature_of(status), None, None

    def empty_folders(self) -> list[str]:
        """Return the names of the class folders without a file; see :class:`Source`."""
        folders = [entry for entry in _sorted_entries(self.name) if entry.is_dir()]
        return [f.name for f in folders if next(_files_below(f.path, f.name), None) is None]

    def read(self, location: str) -> bytes:
        """Return the bytes of a file; see :class:`Source`."""
        name = location
        if location.startswith(RAW):
            name = os.fsdecode(bytes.fromhex(location.removeprefix(RAW)))
        return read_bytes(os.path.join(self.name, name))


def _sorted_entries(folder: str) -> list["os.DirEntry[str]"]:
    with os.scandir(folder) as entries:
        return sorted(
            (entry for entry in entries if not entry.name.startswith(".")),
            key=lambda entry: entry.name,
        )


def _files_below(folder: str, prefix: str) -> Iterator[tuple[str, os.stat_result | None]]:
    """Yield the name and the status of each file; links to folders are not followed."""
    for entry in _sorted_entries(folder):
        name = f"{prefix}/{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            yield from _files_below(entry.path, name)
        else:
            yield name, _status(entry)


def _status(entry: "os.DirEntry[str]") -> os.stat_result | None:
    try:
        return entry.stat()
    except OSError:
        return None


def signature_of(status: os.stat_result | None) -> str:
    """Return size and times of a file as text; "" for what is no file."""
    if status is None:
        return ""
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}"


def _is_called_an_image(name: str) -> bool:
    return name.rpartition(".")[2].lower() in IMAGE_SUFFIXES


def _text(name: str) -> str:
    """Return a file name as valid text, with escapes for bytes that are no UTF-8."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _location(name: str) -> str:
    if name.isascii() or name == _text(name):
        return name
    return RAW + os.fsencode(name).hex()
