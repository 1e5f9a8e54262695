"""Several sources as one, each a split of its own."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..store.listings import Listings
from .base import LISTING, Source

__all__ = ["JoinedSource"]


class JoinedSource(Source):
    """The images of several sources, whose splits are the names that they are given.

    Parameters
    ----------
    sources : mapping of split to Source
    """

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self._sources = dict(sources)
        self.name = " and ".join(source.name for source in sources.values())

    @property
    def sources(self) -> list[Source]:
        """The sources."""
        return list(self._sources.values())

    def images(self) -> Iterator[pa.Table]:
        """List the images of one source after another; see :class:`Source`."""
        return self._together(lambda source: source.images())

    def listed(self, listings: Listings) -> Iterator[pa.Table]:
        """List the images as their sources do; see :class:`Source`."""
        return self._together(lambda source: source.listed(listings))

    def _together(self, list_: Callable[[Source], Iterator[pa.Table]]) -> Iterator[pa.Table]:
        for split, source in self._sources.items():
            for table in list_(source):
                prefix = pa.scalar(f"{split}:")
                located = pc.binary_join_element_wise(prefix, table["location"], "")
                splits = pa.array([split] * table.num_rows, pa.string())
                columns = dict(zip(LISTING.names, table.columns, strict=True))
                yield pa.table({**columns, "location": located, "split": splits}, schema=LISTING)

    def empty_folders(self) -> list[str]:
        """Return those of all sources; see :class:`Source`."""
        return [name for source in self._sources.values() for name in source.empty_folders()]

    def read(self, location: str) -> bytes | npt.NDArray[np.uint8]:
        """Return the bytes of an image; see :class:`Source`."""
        split, _, rest = location.partition(":")
        return self._sources[split].read(rest)

    def only(self, locations: Sequence[str]) -> "JoinedSource":
        """Return what the sources return for the images of theirs; see :class:`Source`."""
        named: dict[str, list[str]] = {}
        for location in locations:
            split, _, rest = location.partition(":")
            named.setdefault(split, []).append(rest)
        return JoinedSource({split: self._sources[split].only(own) for split, own in named.items()})

    def index_keys(self, locations: pa.Array) -> pa.Array:
        """Return the keys of the sources themselves; see :class:`Source`."""
        keys = pa.nulls(len(locations), pa.string())
        for split, source in self._sources.items():
            prefix = f"{split}:"
            is_mine = pc.starts_with(locations, prefix)
            mine = pc.utf8_slice_codeunits(locations.filter(is_mine), len(prefix))
            keys = pc.replace_with_mask(keys, is_mine, source.index_keys(mine))
        return keys
