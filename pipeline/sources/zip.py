"""Images in a zip archive."""

import bz2
import os
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from ..failures import DAMAGED, NOT_AN_IMAGE, TOO_LARGE, UNSUPPORTED
from ..reader import MAX_BYTES, ImageError
from ..store.listings import Listings
from .base import LISTING, Source, SourceError, batches, listing
from .files import ReadError, is_url, open_binary, plain_name, read_range, signature
from .folder import is_called_an_image
from .labels import class_folder, is_hidden_member, shared_folders

__all__ = ["ZipSource"]

LOCAL_HEADER = 30
LOCAL_MAGIC = b"PK\x03\x04"
ENCRYPTED = 1  # the flag


class ZipSource(Source):
    """The files in a zip archive, but hidden ones; they are not unpacked to a disk.

    The label of an image is its folder in the archive, or the folder behind those that all files
    share, as where a folder of class folders was packed as a whole. Files beside class folders
    that are not called like images are left out.

    Parameters
    ----------
    archive : Path or str
        Path or URL.
    """

    def __init__(self, archive: Path | str) -> None:
        self.name = plain_name(archive)
        self.root = self.name if is_url(self.name) else os.path.realpath(self.name)

    @classmethod
    def suits(cls, name: str) -> bool:
        """Return whether a name ends as that of a zip does; see :class:`Source`."""
        return name.lower().endswith(".zip")

    def images(self) -> Iterator[pa.Table]:
        """List the files, sorted by name; see :class:`Source`."""
        with open_binary(self.root) as file:
            try:
                members = zipfile.ZipFile(file).infolist()
            except ReadError:
                raise
            except Exception as error:  # the parser raises all kinds on damaged archives
                if isinstance(error.__context__, ReadError):  # zipfile says "not a zip file" of it
                    raise error.__context__ from error
                raise SourceError(f"{self.name}: damaged zip: {error}") from error
        members = [m for m in members if not m.is_dir() and not is_hidden_member(m.filename)]
        members.sort(key=lambda member: member.filename)
        n_shared = shared_folders(member.filename for member in members)
        labels = [class_folder(member.filename, n_shared) for member in members]
        has_folders = any(label is not None for label in labels)
        changed = signature(self.root)
        return listing(
            (member.filename, _location(member), changed, label, None)
            for member, label in zip(members, labels, strict=True)
            if label is not None or not has_folders or is_called_an_image(member.filename)
        )

    def listed(self, listings: Listings) -> Iterator[pa.Table]:
        """List the files, from a listing of before where it is valid; see :class:`Source`."""
        changed = signature(self.root)
        return batches(listings.table(self.root, changed, LISTING, self.images))

    def read(self, location: str) -> bytes:
        """Return the bytes of a file; see :class:`Source`."""
        offset, n_packed, size, method, flags, checksum = map(int, location.split(":"))
        if flags & ENCRYPTED:
            raise ImageError("encrypted; unpack the archive with its password", UNSUPPORTED)
        if size > MAX_BYTES:
            raise ImageError(f"{size} bytes are more than the limit of {MAX_BYTES}", TOO_LARGE)
        header = read_range(self.root, offset, LOCAL_HEADER)
        if len(header) < LOCAL_HEADER or header[:4] != LOCAL_MAGIC:
            raise ImageError("damaged zip: no header where the directory says", DAMAGED)
        start = offset + LOCAL_HEADER
        start += int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
        data = _unpacked(read_range(self.root, start, n_packed), method, size)
        if len(data) != size or zlib.crc32(data) != checksum:
            raise ImageError("damaged zip: its checksum is wrong", DAMAGED)
        if not data:
            raise ImageError("the file is empty", NOT_AN_IMAGE)
        return data


def _location(member: zipfile.ZipInfo) -> str:
    return ":".join(
        str(number)
        for number in (
            member.header_offset,
            member.compress_size,
            member.file_size,
            member.compress_type,
            member.flag_bits,
            member.CRC,
        )
    )


def _unpacked(data: bytes, method: int, size: int) -> bytes:
    """Return no more than one byte above the size that an archive says."""
    try:
        if method == zipfile.ZIP_STORED:
            return data
        if method == zipfile.ZIP_DEFLATED:
            return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, size + 1)
        if method == zipfile.ZIP_BZIP2:
            return bz2.BZ2Decompressor().decompress(data, size + 1)
    except (zlib.error, OSError, EOFError) as error:
        raise ImageError(f"damaged zip: {error}", DAMAGED) from error
    raise ImageError(
        f"packed by method {method} of zip, expected stored, deflate or bzip2", UNSUPPORTED
    )
