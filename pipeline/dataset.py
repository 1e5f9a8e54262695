"""Labelled images: where they lie and which class each belongs to. Nothing is read here."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import train_test_split

__all__ = ["Dataset", "DatasetError", "Source"]

# An image is a file, or pixels that are in memory already.
Source = Path | npt.NDArray[Any]

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff"})


class DatasetError(ValueError):
    """A folder, manifest or array that is no labelled set of images."""


@dataclass(frozen=True)
class Dataset:
    """Images in a fixed order, each with a name and a class.

    Attributes
    ----------
    names : tuple of str
        Stable ids: the path relative to the folder or manifest, ``array[i]`` for arrays.
    sources : tuple of Path or ndarray
    labels : ndarray of shape (n,), int64
        Indices into ``classes``.
    classes : tuple of str
        Sorted.
    unlabelled : tuple of str
        Names of images that lie outside any class folder: found, but of no use.
    empty : tuple of str
        Class folders without a file: they are no classes.
    """

    names: tuple[str, ...]
    sources: tuple[Source, ...]
    labels: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    unlabelled: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    @classmethod
    def open(cls, where: Path | str, classes: Sequence[str] | None = None) -> "Dataset":
        """Open a folder of class folders, or a ``.csv`` manifest without a split.

        Parameters
        ----------
        where : Path or str
        classes : sequence of str, optional
            Number the labels by these (those a model was trained on); there must be no others.
        """
        path = Path(where)
        if path.suffix.lower() != ".csv":
            dataset = cls.from_folder(path)
        else:
            splits = cls.from_csv(path)
            if set(splits) != {""}:
                raise DatasetError(f"{path}: expected a manifest without the column split")
            dataset = splits[""]
        try:
            return dataset if classes is None else dataset.with_classes(classes)
        except DatasetError as error:
            raise DatasetError(f"{path}: {error}") from error

    @classmethod
    def from_folder(cls, folder: Path | str) -> "Dataset":
        """Open a folder with one folder a class (the ImageFolder convention).

        Every file below a class folder counts, whatever its name ends in, except hidden ones
        (``.DS_Store``): a file that is no image becomes a failure with a reason, it is never
        passed over in silence. So does an image that lies beside the class folders.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise DatasetError(
                f"{folder}: {'not a folder' if folder.exists() else 'no such folder'}; expected a "
                "folder with one folder per class, or a .csv manifest"
            )
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
        stray = [e.name for e in entries if not e.is_dir() and e.suffix.lower() in IMAGE_SUFFIXES]
        files = {entry.name: sorted(_files_below(entry)) for entry in entries if entry.is_dir()}
        rows = [(path, name) for name, paths in files.items() for path in paths]
        if not rows:
            raise DatasetError(
                f"{folder}: no files in class folders; expected {folder}/CLASS/IMAGE"
            )
        names = [path.relative_to(folder).as_posix() for path, _ in rows]
        sources = [path for path, _ in rows]
        dataset = cls._build(names, sources, [label for _, label in rows], stray)
        return replace(dataset, empty=tuple(name for name in files if not files[name]))

    @classmethod
    def from_csv(cls, manifest: Path | str) -> dict[str, "Dataset"]:
        """Open a manifest with the columns ``path,label[,split]``: comma-separated, in UTF-8.

        Paths are relative to the manifest's folder. White space around labels and splits is no
        part of them. A path may be named twice, but not with two labels.

        Returns
        -------
        dict of str to Dataset
            One per split; ``{"": dataset}`` if the manifest has no column ``split``. All share
            the same ``classes``.
        """
        manifest = Path(manifest)
        rows = _read_manifest(manifest)
        sources: list[Source] = [manifest.parent / row.path for row in rows]
        whole = cls._build([row.path for row in rows], sources, [row.label for row in rows])
        splits = np.array([row.split for row in rows])
        return {str(split): whole[np.flatnonzero(splits == split)] for split in np.unique(splits)}

    @classmethod
    def from_arrays(cls, images: Sequence[npt.NDArray[Any]], labels: Sequence[Any]) -> "Dataset":
        """Wrap images that are in memory: uint8, (rows, columns) or (rows, columns, 3) each."""
        if len(images) != len(labels):
            raise DatasetError(
                f"{len(images)} images but {len(labels)} labels: expected one label per image"
            )
        if len(images) == 0:
            raise DatasetError("expected at least one image, got none")
        names = [f"array[{index}]" for index in range(len(images))]
        return cls._build(names, list(images), [str(label) for label in labels])

    @classmethod
    def _build(
        cls,
        names: Sequence[str],
        sources: Sequence[Source],
        labels: Sequence[str],
        unlabelled: Sequence[str] = (),
    ) -> "Dataset":
        classes, indices = np.unique(np.array(labels, dtype=str), return_inverse=True)
        return cls(
            tuple(names),
            tuple(sources),
            indices.astype(np.int64),
            tuple(classes.tolist()),
            tuple(unlabelled),
        )

    def __getitem__(self, rows: npt.NDArray[np.intp]) -> "Dataset":
        """Select some of the images, in that order; the classes stay those of the whole."""
        return replace(
            self,
            names=tuple(self.names[row] for row in rows),
            sources=tuple(self.sources[row] for row in rows),
            labels=self.labels[rows],
        )

    def with_classes(self, classes: Sequence[str]) -> "Dataset":
        """Number the labels by another list of classes (those a model was trained on).

        Raises
        ------
        DatasetError
            If this set has a class that is not among them.
        """
        unknown = sorted(set(self.classes) - set(classes))
        if unknown:
            raise DatasetError(
                f"class {unknown[0]!r} is not among the training classes ({', '.join(classes)})"
            )
        numbers = np.array([list(classes).index(name) for name in self.classes], np.int64)
        return replace(self, labels=numbers[self.labels], classes=tuple(classes))

    def split(self, test_size: float, seed: int) -> tuple["Dataset", "Dataset"]:
        """Split into training and test images, the same share of each class, by a seed."""
        what = f"cannot hold out {test_size:g} of the images"
        if not 0 < test_size < 1:
            raise DatasetError(f"{what}: expected a share above 0 and below 1")
        counts = np.bincount(self.labels)
        if counts.min() < 2:
            raise DatasetError(
                f"{what}: class {self.classes[counts.argmin()]!r} has a single one; "
                "give it another, or test images of their own"
            )
        try:
            train, test = train_test_split(
                np.arange(len(self)), test_size=test_size, random_state=seed, stratify=self.labels
            )
        except ValueError as error:
            raise DatasetError(f"{what}: {error}") from error
        return self[np.sort(train)], replace(self[np.sort(test)], unlabelled=())


def _files_below(folder: Path) -> Iterator[Path]:
    """Everything below a folder but folders and hidden entries."""
    for entry in folder.iterdir():
        if entry.name.startswith("."):
            continue
        if entry.is_dir() and not entry.is_symlink():
            yield from _files_below(entry)
        else:
            yield entry


@dataclass(frozen=True)
class Row:
    """A row of a manifest."""

    path: str
    label: str
    split: str


def _read_manifest(manifest: Path) -> list[Row]:
    lines = _read_lines(manifest)
    columns = [column.strip() for column in lines.pop(0)[1]] if lines else []
    if not {"path", "label"} <= set(columns):
        raise DatasetError(
            f"{manifest}: expected the columns path,label[,split] in the first line, "
            f"comma-separated and in UTF-8, got {','.join(columns) or 'an empty file'}"
        )
    if not lines:
        raise DatasetError(f"{manifest}: no rows")
    rows: list[Row] = []
    labels: dict[str, str] = {}
    for line, values in lines:
        try:
            row = _parse_row(columns, values)
            if labels.setdefault(row.path, row.label) != row.label:
                raise ValueError(
                    f"{row.path} is {row.label} here and {labels[row.path]} in a line before"
                )
        except ValueError as error:
            raise DatasetError(f"{manifest}, line {line}: {error}") from error
        rows.append(row)
    return rows


def _read_lines(manifest: Path) -> list[tuple[int, list[str]]]:
    """Split a manifest into values, with the number of the line where each row begins."""
    rows, begin = [], 1
    try:
        # a file name need not be UTF-8
        with manifest.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
            # strict: a quote that is never closed would swallow the rest of the file
            reader = csv.reader(file, skipinitialspace=True, strict=True)
            for row in reader:
                rows.append((begin, row))
                begin = reader.line_num + 1
    except OSError as error:
        raise DatasetError(f"{manifest}: cannot be read: {error.strerror}") from error
    except csv.Error as error:
        raise DatasetError(f"{manifest}: the row of line {begin}: {error}") from error
    return [(line, row) for line, row in rows if row]


def _parse_row(columns: Sequence[str], values: Sequence[str]) -> Row:
    if any(values[len(columns) :]):
        raise ValueError(
            f"{len(values)} values for the columns {','.join(columns)}; "
            'a value with a comma in it belongs in quotes ("a, b.jpg")'
        )
    row = dict(zip(columns, values, strict=False))
    path, label = row.get("path", ""), row.get("label", "").strip()
    if not path.strip() or not label:
        raise ValueError("path or label is missing")
    if "\0" in path:
        raise ValueError("the path has a null byte in it")
    return Row(path, label, row.get("split", "").strip())
