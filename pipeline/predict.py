"""Images to predict, by files, folders and globs; and predictions in a file."""

import csv
import glob
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from .sources import FolderSource
from .store.files import LocalFolder

if TYPE_CHECKING:
    from .run import Prediction

__all__ = ["find_images", "write_predictions"]


def find_images(names: Sequence[str]) -> list[str]:
    """Return the files that names stand for: files, folders of any depth, and globs."""
    found: list[str] = []
    for name in names:
        if Path(name).is_dir():
            source = FolderSource(name)
            for table in source.images():
                found += [str(Path(name) / path) for path in table["path"].to_pylist()]
        elif glob.has_magic(name) and not Path(name).exists():
            found += sorted(glob.glob(name, recursive=True)) or [name]
        else:
            found.append(name)
    return found


def write_predictions(file: Path, predictions: Sequence["Prediction"]) -> Sequence["Prediction"]:
    """Write predictions to a ``.csv`` or ``.parquet`` file, a row for each image; return them."""
    n_classes = max((len(p.labels) for p in predictions), default=0)
    columns: dict[str, list[str | float | None]] = {"image": [p.image for p in predictions]}
    for k in range(n_classes):
        columns[f"class{k + 1}"] = [p.labels[k] if p.labels else None for p in predictions]
        columns[f"probability{k + 1}"] = [
            p.probabilities[k] if p.probabilities else None for p in predictions
        ]
    columns["failure"] = [p.failure for p in predictions]
    buffer = io.BytesIO()
    if file.suffix == ".parquet":
        pq.write_table(pa.table(columns), buffer)
    elif file.suffix == ".csv":
        text = io.StringIO(newline="")
        csv.writer(text).writerows([columns.keys(), *zip(*columns.values(), strict=True)])
        buffer.write(text.getvalue().encode())
    else:
        raise ValueError(f"{file}: expected a name that ends in .csv or .parquet")
    LocalFolder(file.parent).write(file.name, buffer.getvalue())
    return predictions
