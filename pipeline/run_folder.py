"""The files of a run: read whole and checked, or refused with the command that makes them again."""

import json
import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from .. import __version__
from .counts import counted
from .duplicates import HASH
from .extraction import Extraction
from .features import FeatureRef
from .ledger import failures
from .recipe import recipe_of
from .run_schema import IMAGES, LEDGER, METRICS, RUN, SHAPES
from .sources import Source, SourceError, check_outside
from .store.files import DamagedError, LocalFolder, open_folder
from .store.rows import FeatureRows
from .store.tables import as_csv, read_table, write_table

__all__ = ["RunFolder"]

FAILURES, PREDICTIONS = "failures.csv", "predictions.csv"
RECIPE, DUPLICATES = "recipe.toml", "duplicates.csv"
REPORT, EXPLORER = "report.html", "explore.html"
RESULTS = (PREDICTIONS, METRICS, REPORT, EXPLORER)


class RunFolder:
    """The folder of a run.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files = LocalFolder(path)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other jobs from the folder."""
        with self.files.lock("run", wait=False) as is_held:
            if not is_held:
                raise ValueError(
                    f"{self.path}: another job is at work in this folder; wait for its end or "
                    "choose another folder"
                )
            yield

    def check(self, source: Source, store: str) -> None:
        """Refuse to write where files of others lie, or where the next run would find images."""
        strangers = [
            n for n in (*RESULTS, FAILURES, DUPLICATES, IMAGES) if os.path.lexists(self.path / n)
        ]
        if strangers and not os.path.lexists(self.path / RUN):
            raise SourceError(
                f"{self.path / strangers[0]} is of no run and would be overwritten; choose a "
                "folder of its own"
            )
        check_outside(source, self.path, store)

    # Records

    @contextmanager
    def naming(self, name: str, command: str) -> Iterator[None]:
        """Let an error name a file of the run, and the command that makes it again."""
        file = self.path / name
        try:
            yield
        except FileNotFoundError as error:
            also = " or `extract`" if name == RUN else ""
            raise ValueError(
                f"{file}: no such file; `visualwords {command}`{also} makes it"
            ) from error
        except NotADirectoryError as error:
            raise ValueError(f"{self.path}: a file; expected the folder of a run") from error
        except (OSError, ValueError) as error:
            reason = str(getattr(error, "strerror", None) or error).removeprefix(f"{file}: ")
            raise DamagedError(
                f"{file}: {reason}{self._other_version()}; `visualwords {command}` makes it again"
            ) from error

    def _other_version(self) -> str:
        """Name the version that wrote the run if it is another one; "" where nobody knows."""
        try:
            version = str(json.loads(self.files.read(RUN))["version"])
        except (OSError, ValueError, TypeError, KeyError):
            return ""
        is_this = version == __version__
        return "" if is_this else f"; visualwords {version} wrote it, this is {__version__}"

    def record(self) -> dict[str, Any]:
        """Return what ``run.json`` holds: the recipe, where the images are, the features."""
        with self.naming(RUN, "run"):
            record = self.files.read_record(RUN, SHAPES[RUN])
            if set(recipe_of(record).features) != set(record["features"]):
                raise DamagedError("its features are not those of its recipe")
            return record

    def metrics(self) -> dict[str, Any]:
        """Return what ``metrics.json`` holds."""
        identity = self.record()["identity"]
        with self.naming(METRICS, "evaluate"):
            return self.files.read_record(METRICS, SHAPES[METRICS], identity)

    def images(self) -> pa.Table:
        """Return what became of each image."""
        seal = self.record()["images"]
        with self.naming(IMAGES, "run"):
            return read_table(self.files, IMAGES, LEDGER, seal)

    def store(self) -> str:
        """Return path or URL of the feature store."""
        try:
            stored = self.record()["store"]
        except ValueError:
            return str(self.path / "store")
        return stored if "://" in stored else os.path.normpath(self.path / stored)

    def relative(self, place: str) -> str:
        """Return the path of a place from here, so that both may move; a URL as it is."""
        return place if "://" in place else os.path.relpath(place, self.path)

    def extraction(self, store: str) -> Extraction:
        """View the rows of the run in its store."""
        record = self.record()
        features: dict[str, str] = record["features"]
        images, folder = self.images(), open_folder(store)
        if not folder.names():
            raise DamagedError(
                f"{folder.url}: the store of this run is not there, or empty; put it there, or "
                "`visualwords run` computes its rows again"
            )
        rows = {
            name: FeatureRows(folder, name, f.removeprefix(f"{name}-"))
            for name, f in {**features, HASH: record["hashes"]}.items()
        }
        hashes = rows.pop(HASH)
        extraction = Extraction(images, rows, hashes=hashes)
        lost = int((np.asarray(images["status"]) == "ok").sum() - extraction.is_ok.sum())
        if lost:
            damaged = [folder.path(f) for r in rows.values() for f in r.damaged.values()]
            raise DamagedError(
                f"{', '.join(damaged) or folder.url}: rows of {counted(lost, 'image')} are "
                "missing or damaged; `visualwords run` computes them again"
            )
        extraction.refs = {name: FeatureRef(name, f) for name, f in features.items()}
        return extraction

    # What is written

    def remove(self, *names: str) -> list[str]:
        """Remove files; return the names of those that were there."""
        found = [name for name in names if self.files.exists(name)]
        for name in found:
            self.files.remove(name)
        return found

    def write_extraction(self, record: dict[str, Any], extraction: Extraction) -> dict[str, int]:
        """Write what the run is of, and what became of each image; return checksums of tables."""
        images = extraction.images
        self.files.write_record(RUN, record)  # first: a folder with a record is a run's
        write_table(self.files, IMAGES, images)
        return self._write_csv(FAILURES, failures(images)) | self._write_csv(
            DUPLICATES, extraction.duplicates()
        )

    def write_predictions(
        self, extraction: Extraction, predictions: Mapping[str, Any]
    ) -> dict[str, int]:
        """Write the test images: class as labelled and as predicted, and its probability."""
        images = extraction.images.take(extraction.chosen("test"))
        found = {name: pa.array(labels) for name, labels in predictions.items()}
        table = pa.table({"path": images["path"], "label": images["label"], **found})
        return self._write_csv(PREDICTIONS, table)

    def _write_csv(self, name: str, table: pa.Table) -> dict[str, int]:
        data = as_csv(table)
        self.files.write(name, data)
        return {name: zlib.crc32(data)}

    def are_sealed(self, metrics: Mapping[str, Any], *names: str) -> bool:
        """Tell whether tables are there as they were written."""
        seals = metrics.get("checksums", {})
        try:
            return all(zlib.crc32(self.files.read(name)) == seals.get(name) for name in names)
        except (OSError, DamagedError):
            return False
