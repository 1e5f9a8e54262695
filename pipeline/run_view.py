"""What a run holds: its images, rows and labels, its files and its pages."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..classifiers import ColumnStack
from .extraction import Extraction
from .job import Options
from .notebook import run_html
from .recipe import Recipe
from .remarks import image_metrics
from .run_folder import EXPLORER, REPORT, RunFolder
from .run_models import RunModels
from .store.files import DamagedError
from .store.matrix import RowMatrix

__all__ = ["RunView"]


class RunView:
    """A run's folder and what it holds; :class:`.Run` has the parameters and attributes."""

    def __init__(
        self,
        folder: Path | str,
        *,
        store: Path | str | None = None,
        options: Options | None = None,
        own: Iterable[type] = (),
    ) -> None:
        self.folder = Path(folder)
        self.options = options or Options()
        self._files = RunFolder(self.folder)
        self._models = RunModels(self._files)
        self._models.own |= set(own)
        self._store = store
        self._extraction: Extraction | None = None
        self._asked: Recipe | None = None
        self.metrics: dict[str, Any] = {}

    @classmethod
    def open(
        cls, folder: Path | str, options: Options | None = None, own: Iterable[type] = ()
    ) -> Self:
        """Open the folder of a run that was extracted before.

        Raises
        ------
        ValueError
            If the folder is of no run, or a file in it is damaged.
        """
        run = cls(folder, options=options, own=own)
        run.record()
        with suppress(ValueError):  # a stage that needs them says what is wrong with them
            run.metrics = run._files.metrics()
        return run

    def _repr_html_(self) -> str:
        record, metrics = {}, {}
        with suppress(ValueError):
            record = self.record()
            metrics = self.metrics or self._files.metrics()
        return run_html(str(self.folder), record, metrics)

    # What a run holds

    @property
    def images(self) -> pa.Table:
        """A row for each image: path, label, split, digest, status, kind, reason, attempts."""
        return self._open_extraction().images

    @property
    def features(self) -> list[str]:
        """Names of the features."""
        return list(self.record()["features"])

    def matrix(
        self, features: str | Sequence[str] | None = None, *, split: str | None = None
    ) -> RowMatrix | ColumnStack:
        """Return the rows of the images that are ok; see :meth:`.Extraction.matrix`."""
        return self._open_extraction().matrix(features, split=split)

    def paths(self, split: str | None = None) -> npt.NDArray[np.object_]:
        """Return the paths of the images that are ok, in the order of the rows of a matrix."""
        return self._open_extraction().paths(split)

    def labels(self, split: str | None = None) -> npt.NDArray[np.str_]:
        """Return the labels of the images that are ok, in the order of the rows of a matrix."""
        return self._open_extraction().labels(split)

    def groups(self, split: str | None = None) -> npt.NDArray[np.intp] | None:
        """Return numbers of the groups of these images; see :meth:`.Extraction.groups`."""
        return self._open_extraction().groups(split)

    def duplicates(self) -> pa.Table:
        """Return the images that are there twice, as in ``duplicates.csv``."""
        return self._open_extraction().duplicates()

    @property
    def has_report(self) -> bool:
        """Whether the report is there, and nothing was evaluated since it was written."""
        is_new = "evaluate" in self.options.progress.seconds
        return not is_new and self._files.files.exists(REPORT)

    def report(self, file: Path | str | None = None) -> Path:
        """Write the report of the evaluated run: one page of HTML that needs no network.

        Parameters
        ----------
        file : Path or str, optional
            ``report.html`` in the run's folder where it is left out.
        """
        from .report.write import write_report  # matplotlib and Jinja2 are slow to import

        return self._write_page(write_report, file or self.folder / REPORT)

    def explore(self, file: Path | str | None = None) -> Path:
        """Write a page to explore the loss, ``explore.html``; see :meth:`report`."""
        from .report.write import write_explorer

        return self._write_page(write_explorer, file or self.folder / EXPLORER)

    def _write_page(self, write: Callable[..., None], file: Path | str) -> Path:
        self._continue()
        with self.options.progress.stage(write.__name__.removeprefix("write_"), None) as stage:
            write(self._files, self._models, self._open_extraction(), self.metrics, Path(file))
            stage.summary = str(file)
        return Path(file)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.folder)!r})"

    # Files

    def record(self) -> dict[str, Any]:
        """Return what ``run.json`` holds: the recipe, where the images are, the features."""
        return self._files.record()

    def _open_extraction(self) -> Extraction:
        if self._extraction is None:
            self._extraction = self._files.extraction(self.store)
        return self._extraction

    @property
    def store(self) -> str:
        """Path or URL of the feature store."""
        return self._files.store() if self._store is None else str(self._store)

    def _continue(self) -> None:
        """Take over what earlier commands found, when this one is not part of a whole run."""
        self.metrics = (
            self._metrics_before() or self.metrics or image_metrics(self._open_extraction())
        )

    def _metrics_before(self) -> dict[str, Any] | None:
        """Return what the folder says of the same images and features, if it does."""
        try:
            return self._files.metrics()
        except DamagedError as error:
            self.options.progress.say("replaces", str(error).partition(";")[0])
        except ValueError:  # there are none yet
            pass
        return None
