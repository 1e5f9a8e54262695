"""The rows of some images as matrices, with the table of the images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..classifiers import ColumnStack
from .counts import counted
from .duplicates import duplicates
from .features import FeatureRef
from .ledger import digests_of, group_numbers
from .notebook import extraction_html
from .sources import Source
from .store.matrix import Places, RowMatrix
from .store.rows import FeatureRows
from .workers import Receipt

__all__ = ["Extraction", "Work"]


@dataclass
class Work:
    """What was done for an extraction.

    Attributes
    ----------
    decoded : int
        Images that were decoded.
    sampled : int
        Those of them that were decoded to learn from them.
    computed : dict of str to int
        Rows that were computed, by feature.
    worker_seconds : dict of str to float
        Time that workers spent reading and decoding ("decode") and in each feature.
    recipe : str or None
        What the recipe ``best`` stood for, and why; None for other recipes.
    """

    decoded: int = 0
    sampled: int = 0
    computed: dict[str, int] = field(default_factory=dict)
    worker_seconds: dict[str, float] = field(default_factory=dict)
    recipe: str | None = None

    def add(self, receipt: Receipt) -> None:
        """Add what a worker did."""
        self.decoded += receipt.decoded
        for name, n_rows in receipt.rows.items():
            self.computed[name] += n_rows
        for name, seconds in receipt.seconds.items():
            self.worker_seconds[name] = self.worker_seconds.get(name, 0.0) + seconds


class Extraction:
    """The rows of some images, by feature.

    Parameters
    ----------
    images : pyarrow.Table
        A row for each image: what it is, and what became of it.
    rows : mapping of str to FeatureRows
    places : mapping of str to Places, optional
        Where the rows of the images lie, where that is known.
    work : Work, optional
    hashes : FeatureRows, optional
        Perceptual hashes of the images.

    Attributes
    ----------
    features : list of str
    images : pyarrow.Table
        The same table; docs/reference/store.md has its columns. For each feature there are
        ``<feature>_shard`` and ``<feature>_row``, the file in the store and the row in it.
    refs : dict of str to FeatureRef
        The features in the store.
    work : Work
        What was done to make it.
    hashes : FeatureRows or None
    sources : dict of str to Source
        Of each split, where a run was given sources.
    """

    def __init__(
        self,
        images: pa.Table,
        rows: Mapping[str, FeatureRows],
        places: Mapping[str, Places] | None = None,
        work: Work | None = None,
        hashes: FeatureRows | None = None,
    ) -> None:
        digests, _ = digests_of(images)
        self._rows = dict(rows)
        self._places = dict(places or {name: r.find(digests) for name, r in rows.items()})
        self.hashes = hashes
        self._duplicates: pa.Table | None = None
        self.features = list(self._rows)
        self.images = images
        for name in self.features:
            self._add_places(name)
        self.refs: dict[str, FeatureRef] = {}
        self.sources: dict[str, Source] = {}
        self.work = work or Work(computed=dict.fromkeys(self.features, 0))

    def __repr__(self) -> str:
        of_each = "".join(f", {name} {rows.n_columns}" for name, rows in self._rows.items())
        return f"Extraction({counted(len(self.images), 'image')}, {self.is_ok.sum()} ok{of_each})"

    def _repr_html_(self) -> str:
        widths = {name: rows.n_columns for name, rows in self._rows.items()}
        return extraction_html(len(self.images), int(self.is_ok.sum()), widths)

    def _add_places(self, name: str) -> None:
        """Write into the table where the rows of a feature lie."""
        places, rows = self._places[name], self._rows[name]
        absent = ~places.found
        files = pa.array(rows.shard_files, pa.string())
        shards = pa.DictionaryArray.from_arrays(pa.array(places.shard, mask=absent), files)
        numbers = pa.array(places.row, mask=absent)
        for column, values in ((f"{name}_shard", shards), (f"{name}_row", numbers)):
            if column in self.images.column_names:
                self.images = self.images.drop_columns(column)
            self.images = self.images.append_column(column, values)

    @property
    def is_ok(self) -> npt.NDArray[np.bool_]:
        """Whether an image has a row of every feature."""
        status = self.images["status"].to_numpy(zero_copy_only=False) == "ok"
        return np.logical_and.reduce([status, *(p.found for p in self._places.values())])

    def chosen(self, split: str | None = None) -> npt.NDArray[np.intp]:
        """Return the numbers of the images that are ok and, where one is named, of a split."""
        wanted = self.is_ok
        if split is not None:
            is_of_split = self.images["split"].to_numpy(zero_copy_only=False) == split
            if not is_of_split.any():
                known = ", ".join(filter(None, pc.unique(self.images["split"]).to_pylist()))
                raise ValueError(f"no split {split!r} (there are {known or 'none'})")
            wanted &= is_of_split
        return np.flatnonzero(wanted)

    def matrix(
        self, features: str | Sequence[str] | None = None, *, split: str | None = None
    ) -> RowMatrix | ColumnStack:
        """Return the rows of the images that are ok.

        Parameters
        ----------
        features : str or sequence of str, optional
            All where it is left out. Several stand side by side, as parts with their names.
        split : str, optional
            Such as "train".

        Returns
        -------
        array-like of shape (n, columns), float32
            It is read by slices, ``np.asarray`` reads all of it.
        """
        names = [features] if isinstance(features, str) else list(features or self.features)
        for name in names:
            if name not in self._rows:
                raise ValueError(f"no feature {name!r} here; there are {', '.join(self.features)}")
        chosen = self.chosen(split)
        parts = {name: self._rows[name].matrix(self._places[name][chosen]) for name in names}
        return parts[names[0]] if isinstance(features, str) else ColumnStack(parts)

    def let_go(self) -> None:
        """Close the shards that are mapped, when their rows are held elsewhere."""
        for rows in self._rows.values():
            rows.let_go()

    def paths(self, split: str | None = None) -> npt.NDArray[np.object_]:
        """Return the paths of the images that are ok, in the order of the rows of a matrix.

        Paths are as in ``images``, which has the failed images as well.
        """
        paths = self.images["path"].take(self.chosen(split))
        return np.array(paths.to_pylist(), dtype=object)

    def labels(self, split: str | None = None) -> npt.NDArray[np.str_]:
        """Return the labels of the images that are ok, in the order of the rows of a matrix."""
        chosen = self.chosen(split)
        labels = self.images["label"].take(chosen)
        if labels.null_count:
            first = self.images["path"].take(chosen).filter(pc.is_null(labels))[0].as_py()
            lacking = counted(labels.null_count, "image has", "images have")
            raise ValueError(
                f"{lacking} no label, such as {first}; put images into class folders, or use a "
                "manifest with a column label"
            )
        return np.array(labels.to_pylist(), dtype=str)

    def groups(self, split: str | None = None) -> npt.NDArray[np.intp] | None:
        """Return numbers of the groups of the images that are ok; None where no image has a group.

        Images of one group have the same number, for splitters such as ``GroupKFold``. An image
        without a group has a number of its own.
        """
        return group_numbers(self.images.take(self.chosen(split)))

    def duplicates(self) -> pa.Table:
        """Return the images that are there twice: the table of ``duplicates.csv``.

        docs/commands.md has its columns.
        """
        if self._duplicates is None:
            self._duplicates = duplicates(self.images, self.hashes, n_jobs=-1)
        return self._duplicates
