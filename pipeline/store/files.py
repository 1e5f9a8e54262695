"""Folders of files, here or behind a URL: whole or absent, sealed by a checksum, locked.

A local file is written under a temporary name, flushed to the disk and renamed. An object of a
remote file system appears when its upload is complete. So a job that is killed at any moment
leaves whole files and no half ones.
"""

import io
import json
import os
import stat
import tempfile
import time
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock
import fsspec
import numpy as np
import numpy.typing as npt

from .schema import mismatch

__all__ = [
    "DamagedError",
    "Folder",
    "LocalFolder",
    "RemoteFolder",
    "checksum",
    "open_folder",
]

LEFTOVER = ".tmp"
LEFTOVER_SECONDS = 3600
MAX_RECORD_BYTES = 1 << 26


class DamagedError(ValueError):
    """A file of a store or a run that does not hold what was written there."""


class Folder(ABC):
    """A folder of files, which are named by paths relative to it, with slashes."""

    url: str

    @abstractmethod
    def read(self, name: str) -> bytes:
        """Return the bytes of a file; a FileNotFoundError where there is none."""

    @abstractmethod
    def write(self, name: str, data: bytes) -> None:
        """Write a file so that it is there whole or not at all, at any moment."""

    @abstractmethod
    def names(self, folder: str = "") -> list[str]:
        """List the files and folders in a folder, sorted; empty where there is no such folder."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""

    @abstractmethod
    def size(self, name: str) -> int:
        """Return the number of bytes of a file."""

    @abstractmethod
    def modified(self, name: str) -> float:
        """Return the time of the last change of a file, in seconds since 1970."""

    @abstractmethod
    def bytes_of(self, name: str) -> npt.NDArray[np.uint8]:
        """Return the bytes of a file as an array, which is mapped where the file is local."""

    @abstractmethod
    @contextmanager
    def lock(self, name: str, *, wait: bool = True) -> Iterator[bool]:
        """Hold the lock of that name, which ends with the process.

        Yields
        ------
        bool
            Whether the lock is held; without ``wait`` False where another process holds it.
        """
        yield True

    def within(self, name: str) -> "Folder":
        """Return a folder in this folder."""
        return open_folder(f"{self.url.rstrip('/')}/{name}")

    @property
    def absolute_url(self) -> str:
        """URL or absolute path, for workers that run elsewhere."""
        return self.url if "://" in self.url else os.path.abspath(self.url)

    def path(self, name: str) -> str:
        """Return path or URL of a file, for messages."""
        return f"{self.url.rstrip('/')}/{name}"

    def exists(self, name: str) -> bool:
        """Tell whether a file is there."""
        try:
            self.size(name)
        except FileNotFoundError:
            return False
        return True

    def read_record(self, name: str, shape: Any, of: str = "") -> dict[str, Any]:
        """Return a JSON object that :meth:`write_record` wrote.

        Parameters
        ----------
        name : str
        shape : dict
            What the object must look like; see :func:`.schema.mismatch`.
        of : str
            What the record belongs to, as when it was written.

        Raises
        ------
        DamagedError
            If the file is not what was written there.
        """
        if self.size(name) > MAX_RECORD_BYTES:
            raise DamagedError(f"{self.path(name)}: too large for a record of visualwords")
        data = self.read(name)
        try:
            record = json.loads(data)
            seal = record.pop("crc32")
            is_sealed = seal == checksum([name, of, record])
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
            raise DamagedError(f"{self.path(name)}: not a record of visualwords") from error
        if not is_sealed:
            raise DamagedError(f"{self.path(name)}: the checksum is wrong")
        if wrong := mismatch(record, shape):
            raise DamagedError(f"{self.path(name)}: {wrong}")
        return dict(record)

    def write_record(self, name: str, record: dict[str, Any], of: str = "") -> None:
        """Write a JSON object, sealed by a checksum over its name, its content and ``of``."""
        seal = {"crc32": checksum([name, of, record])}
        self.write(name, json.dumps(record | seal, indent=1).encode())


class LocalFolder(Folder):
    """A folder of this machine, or of a file system that is mounted on it."""

    def __init__(self, path: Path | str) -> None:
        self._root = Path(path)
        self.url = str(path)

    def _file(self, name: str) -> Path:
        return self._root / name

    def read(self, name: str) -> bytes:
        """Return the bytes of a regular file; see :class:`Folder`."""
        file = self._file(name)
        self._check_regular(file)
        try:
            return file.read_bytes()
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(file)) from error

    @staticmethod
    def _check_regular(file: Path) -> None:
        if not stat.S_ISREG(file.stat().st_mode):  # a pipe would block
            raise DamagedError(f"{file}: not a regular file")

    def write(self, name: str, data: bytes) -> None:
        """Write, flush and rename; see :class:`Folder`."""
        file = self._file(name)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(
                prefix=f".{file.name}.", suffix=LEFTOVER, dir=file.parent
            )
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(file)) from error
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, file)
        except BaseException as error:
            Path(temporary).unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise OSError(error.errno, error.strerror, str(file)) from error
            raise

    def names(self, folder: str = "") -> list[str]:
        """List a folder, without hidden files; see :class:`Folder`."""
        try:
            found = os.listdir(self._file(folder))
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(name for name in found if not name.startswith("."))

    def remove(self, name: str) -> None:
        """Remove a file, or a folder that is empty; see :class:`Folder`."""
        file = self._file(name)
        if file.is_dir() and not file.is_symlink():
            file.rmdir()
        else:
            file.unlink(missing_ok=True)

    def size(self, name: str) -> int:
        """Return the number of bytes of a file; see :class:`Folder`."""
        return self._file(name).stat().st_size

    def modified(self, name: str) -> float:
        """Return the time of the last change of a file; see :class:`Folder`."""
        return self._file(name).stat().st_mtime

    def bytes_of(self, name: str) -> npt.NDArray[np.uint8]:
        """Map a file into memory; see :class:`Folder`."""
        file = self._file(name)
        self._check_regular(file)
        if not file.stat().st_size:
            return np.empty(0, np.uint8)
        return np.memmap(file, np.uint8, "r")

    @contextmanager
    def lock(self, name: str, *, wait: bool = True) -> Iterator[bool]:
        """Hold a lock file of this folder; see :class:`Folder`."""
        file = self._file(f".{name}.lock")
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(file)
        try:
            lock.acquire(timeout=-1 if wait else 0)
        except filelock.Timeout:
            yield False
            return
        except NotImplementedError:  # a file system without locks: work unguarded
            yield True
            return
        try:
            yield True
        finally:
            lock.release()

    def remove_leftovers(self) -> None:
        """Remove the temporary files of jobs that were killed: those of an hour ago."""
        for file in self._root.rglob(f".*{LEFTOVER}"):
            try:
                if file.stat().st_mtime < time.time() - LEFTOVER_SECONDS:
                    file.unlink()
            except FileNotFoundError:
                pass


class RemoteFolder(Folder):
    """A folder behind a URL that fsspec knows, such as ``s3://bucket/store``.

    It has no locks: jobs that share it may compute the same rows at the same time.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._files, self._root = fsspec.core.url_to_fs(self.url)

    def _file(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}" if name else self._root

    def read(self, name: str) -> bytes:
        """Return the bytes of an object; see :class:`Folder`."""
        return bytes(self._files.cat_file(self._file(name)))

    def write(self, name: str, data: bytes) -> None:
        """Upload an object; see :class:`Folder`."""
        self._files.makedirs(self._file(name).rpartition("/")[0], exist_ok=True)
        self._files.pipe_file(self._file(name), data)

    def names(self, folder: str = "") -> list[str]:
        """List a folder; see :class:`Folder`."""
        self._files.invalidate_cache()
        try:
            found = self._files.ls(self._file(folder), detail=False)
        except (FileNotFoundError, NotADirectoryError):
            return []
        names = {path.rstrip("/").rpartition("/")[2] for path in found}
        return sorted(name for name in names if name and not name.startswith("."))

    def remove(self, name: str) -> None:
        """Remove an object; see :class:`Folder`."""
        if self._files.exists(self._file(name)):
            self._files.rm(self._file(name), recursive=True)

    def size(self, name: str) -> int:
        """Return the number of bytes of an object; see :class:`Folder`."""
        return int(self._files.size(self._file(name)))

    def modified(self, name: str) -> float:
        """Return the time of the last change of an object; see :class:`Folder`."""
        return float(self._files.modified(self._file(name)).timestamp())

    def bytes_of(self, name: str) -> npt.NDArray[np.uint8]:
        """Download an object; see :class:`Folder`."""
        return np.frombuffer(self.read(name), np.uint8)

    @contextmanager
    def lock(self, name: str, *, wait: bool = True) -> Iterator[bool]:
        """Work unguarded; see :class:`Folder`."""
        yield True


def open_folder(url: Path | str | Folder) -> Folder:
    """Return the folder at a path or URL, or an open one. It need not exist.

    Examples
    --------
    >>> folder = open_folder("memory://doctest")
    >>> folder.write("a.txt", b"text")
    >>> folder.names(), folder.read("a.txt")
    (['a.txt'], b'text')
    """
    if isinstance(url, Folder):
        return url
    text = str(url)
    if text.startswith("file://"):
        text = text.removeprefix("file://")
    return RemoteFolder(text) if "://" in text else LocalFolder(text)


def checksum(said: Any, data: Any = b"") -> int:
    """Return the CRC-32 of a JSON value, followed by bytes."""
    return zlib.crc32(data, zlib.crc32(json.dumps(said, sort_keys=True).encode()))


def array_bytes(array: npt.NDArray[Any]) -> bytes:
    """Return the bytes of a ``.npy`` file."""
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()
