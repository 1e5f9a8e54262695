"""Tar shards in the WebDataset convention."""

import itertools
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from ..failures import DAMAGED, UNREADABLE, UNSUPPORTED
from ..reader import ImageError
from ..store.listings import Listings
from .base import (
    LISTING,
    Source,
    SourceError,
    as_location,
    as_text,
    batches,
    listing,
    name_at,
)
from .files import (
    is_folder,
    is_url,
    join,
    names_in,
    open_binary,
    plain_name,
    read_range,
    signature,
)
from .folder import is_called_an_image
from .labels import class_folder, is_hidden_member, shared_folders
from .patterns import matching
from .tarwalk import Damage, Member, walk

__all__ = ["TarSource"]

BESIDE_SHARDS = (".json", ".txt", ".md", ".idx", ".csv")
COMPRESSED = {b"\x1f\x8b": "gzip", b"BZ": "bzip2", b"\xfd7": "xz", b"(\xb5": "zstd"}
LABEL_KEYS = ("label", "cls", "class", "class_name")
LARGEST_LABEL = 1 << 20
BROKEN = "broken"  # in place of a size, where there are no bytes to read
NO_LABEL = "\0"  # before the folder of a member, in place of a label that it may give


class TarSource(Source):
    """The images in tar archives, read by offset and size and not unpacked.

    Files of a folder that share their name up to its first dot belong together, such as
    ``003.jpg``, ``003.cls`` and ``003.json``. The label is the text of ``.cls``, the value "label",
    "cls", "class" or "class_name" of ``.json``, or the text of ``.txt``; else the class folder in
    the archive, if there are some.

    Where an archive is damaged, each stretch without a sound member is a failure of its own.

    Parameters
    ----------
    shards : Path or str
        An archive, a folder of archives, ``shard-{000..009}.tar`` or a glob; paths or URLs.
    """

    def __init__(self, shards: Path | str) -> None:
        self.name = plain_name(shards)

    @classmethod
    def suits(cls, name: str) -> bool:
        """Return whether a name is one of archives, or of a folder of them."""
        if name.lower().endswith((".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")):
            return True
        return is_folder(name) and holds_shards(name)

    def images(self) -> Iterator[pa.Table]:
        """List the images of one shard after another; see :class:`Source`."""
        return self._listed(lambda shard: pa.concat_tables(_members(shard)))

    def listed(self, listings: Listings) -> Iterator[pa.Table]:
        """List the images, of known shards from listings of before; see :class:`Source`."""
        return self._listed(
            lambda shard: listings.table(shard, signature(shard), LISTING, lambda: _members(shard))
        )

    def _listed(self, list_: Callable[[str], pa.Table]) -> Iterator[pa.Table]:
        shards = find_shards(self.name)
        n_shared = len(_shared_folder(shards))
        tables = [_called(list_(shard), as_text(shard[n_shared:])) for shard in shards]
        return batches(_with_class_folders(pa.concat_tables(tables)))

    def read(self, location: str) -> bytes:
        """Return the bytes of a member; see :class:`Source`."""
        offset, size, rest = location.split(":", 2)
        if size == BROKEN:
            kind, _, reason = rest.partition(":")
            raise ImageError(reason, kind)
        data = read_range(name_at(rest), int(offset), int(size))
        if len(data) < int(size):
            raise ImageError("the archive became shorter while the job ran", UNREADABLE)
        if not data:
            raise ImageError("the file is empty", DAMAGED)
        return data

    def index_keys(self, locations: pa.Array) -> pa.Array:
        """Return the locations, which name the archive; see :class:`Source`."""
        return locations


def find_shards(name: str) -> list[str]:
    """Return the full names of the archives that a name stands for, in their order."""
    shards = matching(name)
    if shards == [name] and is_folder(name):
        shards = [join(name, n) for n in sorted(names_in(name)) if n.lower().endswith(".tar")]
    return [s if is_url(s) else os.path.realpath(s).replace(os.sep, "/") for s in shards]


def holds_shards(folder: str) -> bool:
    """Return whether a folder holds tar archives and nothing that could be meant instead."""
    found = False
    for name in names_in(folder):
        if name.lower().endswith(".tar"):
            found = True
        elif not name.lower().endswith(BESIDE_SHARDS):
            return False
    return found


def _shared_folder(shards: list[str]) -> str:
    """Return the beginning that the names of all shards share, up to a slash."""
    folders = [shard.split("/")[:-1] for shard in shards]
    shared = itertools.takewhile(lambda level: len(set(level)) == 1, zip(*folders, strict=False))
    return "".join(f"{level[0]}/" for level in shared)


def _members(shard: str) -> Iterator[pa.Table]:
    """Return what a shard holds; a path is the name in the archive behind a slash."""
    yield LISTING.empty_table()
    yield from listing(_rows(shard))


def _called(members: pa.Table, shard: str) -> pa.Table:
    """Return a listing in which paths begin with the name of the shard."""
    paths = pc.binary_join_element_wise(pa.scalar(shard), members["path"], "")
    return members.set_column(0, LISTING.field("path"), paths)


def _rows(shard: str) -> Iterator[tuple[str, str, str, str | None, None]]:
    """Yield a row for each image of a shard and for each damage."""
    changed = signature(shard)
    with open_binary(shard) as file:
        start = file.read(6)
        if start[:2] in COMPRESSED:
            raise SourceError(
                f"{shard}: compressed by {COMPRESSED[start[:2]]}, so its members cannot be read by "
                "offset; unpack it to a plain .tar"
            )
        for sample in _samples(file):
            if isinstance(sample, Damage):
                broken = f"{sample.offset}:{BROKEN}:{DAMAGED}:damaged archive: {sample.reason}"
                yield f"@{sample.offset}", broken, "", None, None
                continue
            label = _label(file, sample)
            images = [m for m in sample if is_called_an_image(m.name)] or sample[:1]
            for member in images:
                name = as_text(member.name)
                folder = name[: name.rfind("/") + 1]
                given = label if label is not None else NO_LABEL + folder
                yield f"/{name}", _location(member, shard), changed, given, None


def _location(member: Member, shard: str) -> str:
    if not member.problem:
        return f"{member.offset}:{member.size}:{as_location(shard)}"
    kind = DAMAGED if member.problem.startswith("the archive ends") else UNSUPPORTED
    return f"{member.offset}:{BROKEN}:{kind}:{member.problem}"


def _samples(file: BinaryIO) -> Iterator[list[Member] | Damage]:
    """Yield the members that belong together, and each damage."""
    sample: list[Member] = []
    for member in walk(file):
        if isinstance(member, Damage):
            if sample:
                yield sample
            yield member
            sample = []
            continue
        if member.name.startswith("./"):
            member = member._replace(name=member.name[2:])
        if is_hidden_member(member.name):
            continue
        if sample and _key(member.name) != _key(sample[0].name):
            yield sample
            sample = []
        sample.append(member)
    if sample:
        yield sample


def _key(name: str) -> str:
    folder, slash, base = name.rpartition("/")
    return folder + slash + base.partition(".")[0]


def _label(file: BinaryIO, sample: list[Member]) -> str | None:
    """Return the label that the files beside an image give."""
    for end in (".cls", ".json", ".txt"):
        for member in sample:
            if member.name.lower().endswith(end) and not member.problem:
                label = _text_of_label(file, member, end)
                if label:
                    return label
    return None


def _text_of_label(file: BinaryIO, member: Member, end: str) -> str | None:
    if member.size > LARGEST_LABEL:
        return None
    file.seek(member.offset)
    text = file.read(member.size).decode("utf-8-sig", "backslashreplace").strip()
    if end != ".json":
        return text
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, dict):
        values = {"label": values}
    chosen = [values[key] for key in LABEL_KEYS if isinstance(values.get(key), str | int)]
    return str(chosen[0]).strip() if chosen else None


def _with_class_folders(table: pa.Table) -> pa.Table:
    """Return a listing with the class folder for a label where none was given."""
    given = pc.unique(table["label"].drop_null())
    texts = given.to_pylist()
    n_shared = shared_folders(text[1:] for text in texts if text.startswith(NO_LABEL))
    labels = [
        class_folder(text[1:], n_shared) if text.startswith(NO_LABEL) else text for text in texts
    ]
    chosen = pa.array(labels, pa.string()).take(pc.index_in(table["label"], given))
    at = LISTING.get_field_index("label")
    return table.set_column(at, LISTING.field("label"), chosen)
