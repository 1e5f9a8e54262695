"""Files by path or by URL: the same few questions to a disk and to what fsspec reaches."""

import io
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from ..failures import NOT_AN_IMAGE, TOO_LARGE, UNREADABLE
from ..reader import MAX_BYTES, ImageError, read_bytes
from .base import SourceError
from .labels import is_hidden

__all__ = [
    "Entry",
    "ReadError",
    "Signatures",
    "entries",
    "is_file",
    "is_folder",
    "is_url",
    "join",
    "local_signature",
    "names_in",
    "open_binary",
    "parent",
    "plain_name",
    "read_file",
    "read_range",
    "signature",
]

REMOTE_BYTES = 1 << 18  # that are read ahead
TIMES = ("mtime", "LastModified", "last_modified", "updated", "modified", "created")


class Entry(NamedTuple):
    """What a folder holds by one name."""

    name: str
    is_folder: bool
    signature: str


def is_url(name: str) -> bool:
    """Return whether a name is a URL of fsspec."""
    return "://" in name


def plain_name(name: Path | str) -> str:
    """Return a path or a URL as text; a path for a URL of a local file."""
    return str(name).removeprefix("file://")


def join(folder: str, name: str) -> str:
    """Return the path or URL of a name in a folder; paths and URLs of their own stay."""
    if is_url(name):
        return plain_name(name)
    if is_url(folder):
        return f"{folder.rstrip('/')}/{name.lstrip('/')}"
    return os.path.join(folder, name)


def parent(name: str) -> str:
    """Return the folder of a path or URL; "" for a plain file name."""
    return name.rpartition("/")[0] if is_url(name) else os.path.dirname(name)


def filesystem(url: str) -> tuple[Any, str]:
    """Return the file system of a URL and the path in it."""
    from fsspec.core import url_to_fs

    try:
        fs, path = url_to_fs(url)
    except (ImportError, ValueError) as error:  # a protocol that is not installed or not known
        raise SourceError(f"{url}: {error}") from error
    return fs, path


def signature(name: str) -> str:
    """Return text that changes when a file changes; "" where nothing like it is known."""
    if is_url(name):
        fs, path = filesystem(name)
        try:
            return _signature_of_info(fs.info(path))
        except Exception:  # file systems raise all kinds
            return ""
    return local_signature(name)


def local_signature(path: str) -> str:
    """Return size and times of a file of this machine as text; "" where it cannot be had."""
    try:
        status = os.stat(path)
    except OSError:
        return ""
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}"


def _signature_of_info(info: dict[str, Any]) -> str:
    etag = info.get("ETag") or info.get("etag")
    time = next((info[name] for name in TIMES if info.get(name)), None)
    if not (etag or time):
        return ""
    return f"{info.get('size')}-{etag or ''}-{time or ''}"


class Signatures:
    """The signatures of files at URLs. Each folder is listed once, not each file asked for."""

    def __init__(self) -> None:
        self._folders: dict[str, dict[str, str]] = {}

    def of(self, name: str) -> str:
        """Return the signature of a file by its path or URL."""
        if not is_url(name):
            return signature(name)
        folder, _, base = name.rpartition("/")
        if folder not in self._folders:
            try:
                found = {entry.name: entry.signature for entry in entries(folder)}
            except SourceError:
                found = {}
            self._folders[folder] = found
        return self._folders[folder].get(base) or signature(name)


def is_folder(name: str) -> bool:
    """Return whether a path or URL is a folder."""
    if not is_url(name):
        return os.path.isdir(name)
    fs, path = filesystem(name)
    try:
        return bool(fs.isdir(path))
    except Exception as error:  # file systems raise all kinds
        raise SourceError(f"{name}: cannot be reached: {error}") from error


def is_file(name: str) -> bool:
    """Return whether a path or URL is a file."""
    if not is_url(name):
        return os.path.isfile(name)
    fs, path = filesystem(name)
    try:  # many names of one folder are asked for: its listing is known after the first
        infos = fs.ls(path.rpartition("/")[0], detail=True)
    except Exception:  # file systems raise all kinds
        return False
    return any(info["name"] == path and info["type"] == "file" for info in infos)


def entries(folder: str) -> Iterator[Entry]:
    """List what lies in the folder of a URL, sorted by name, without hidden entries."""
    fs, path = filesystem(folder)
    try:
        fs.invalidate_cache()  # a listing of an earlier job may be out of date
        infos = fs.ls(path, detail=True)
    except Exception as error:  # file systems raise all kinds
        reason = "no such folder" if isinstance(error, FileNotFoundError) else error
        raise SourceError(f"{folder}: cannot be listed: {reason}") from error
    found = []
    for info in infos:
        name = info["name"].rstrip("/").rpartition("/")[2]
        if name and not is_hidden(name) and info["name"].rstrip("/") != path.rstrip("/"):
            found.append(Entry(name, info["type"] == "directory", _signature_of_info(info)))
    return iter(sorted(found))


def names_in(folder: str) -> Iterator[str]:
    """Yield the names in a folder; of folders in it with a slash at the end."""
    if is_url(folder):
        for entry in entries(folder):
            yield f"{entry.name}/" if entry.is_folder else entry.name
        return
    with os.scandir(folder) as found:
        for item in found:
            if not is_hidden(item.name):
                yield f"{item.name}/" if item.is_dir() else item.name


@contextmanager
def open_binary(name: str) -> Iterator[BinaryIO]:
    """Open a file for reading and seeking; a ``SourceError`` where it cannot be read."""
    try:
        with _open(name) as file:
            yield file
    except OSError as error:
        raise SourceError(f"{name}: cannot be read: {_reason(error)}") from error


def _open(name: str) -> BinaryIO:
    if is_url(name):
        fs, path = filesystem(name)
        try:
            return io.BufferedReader(_RemoteFile(fs.open(path, "rb")), REMOTE_BYTES)
        except Exception as error:  # file systems raise all kinds
            raise SourceError(f"{name}: cannot be read: {_reason(error)}") from error
    if not stat.S_ISREG(os.stat(name).st_mode):  # a pipe or a device would block
        raise SourceError(f"{name}: not a regular file")
    return open(name, "rb")


class ReadError(OSError):
    """A remote file cannot be read on, such as when the connection is lost."""


class _RemoteFile(io.RawIOBase):
    """A file of fsspec whose errors, of whatever class, are a ``ReadError``."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._ask(self._file.read, len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return int(self._ask(self._file.seek, offset, whence))

    def tell(self) -> int:
        return int(self._ask(self._file.tell))

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()

    @staticmethod
    def _ask(method: Callable[..., Any], *arguments: int) -> Any:
        try:
            return method(*arguments)
        except Exception as error:  # file systems raise all kinds
            raise ReadError(_reason(error)) from error


def read_file(name: str) -> bytes:
    """Return the bytes of an image file; an ``ImageError`` if they cannot be had."""
    if not is_url(name):
        return read_bytes(name)
    data = _cat(name, 0, MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ImageError(f"more than the limit of {MAX_BYTES} bytes", TOO_LARGE)
    if not data:
        raise ImageError("the file is empty", NOT_AN_IMAGE)
    return data


def read_range(name: str, start: int, size: int) -> bytes:
    """Return some bytes of a file, fewer where it ends; an ``ImageError`` if it cannot be read."""
    if is_url(name):
        return _cat(name, start, start + size) if size else b""
    try:
        with open(name, "rb") as file:
            file.seek(start)
            return file.read(size)
    except OSError as error:
        raise ImageError(f"cannot be read: {_reason(error)}", UNREADABLE) from error


def _cat(url: str, start: int, end: int) -> bytes:
    fs, path = filesystem(url)
    try:
        return bytes(fs.cat_file(path, start=start, end=end))
    except Exception as error:  # file systems raise all kinds
        if start == 0 and _size(fs, path) == 0:  # S3 has no range of an empty file
            return b""
        raise ImageError(f"cannot be read: {_reason(error)}", UNREADABLE) from error


def _size(fs: Any, path: str) -> int | None:
    try:
        return fs.info(path)["size"]
    except Exception:  # file systems raise all kinds
        return None


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
