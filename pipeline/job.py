"""The main job: a folder of images in; matrices, trained classifiers and their scores out.

A run is a folder:

=====================  =======================================================================
``run.json``           what was asked for
``cache/``             the feature store, unless the run was told another place
``train.json``,        names, labels and matrices of the two splits: all that ``train`` and
``test.json``          ``evaluate`` need, images or not
``models/``            the fitted features and the trained classifiers, for ``predict``
``metrics.json``       counts, scores, times
``failures.csv``       every image that could not be used, with its reason
``predictions.csv``    the test images with their class as labelled and as predicted
=====================  =======================================================================

What is in the folder belongs together. A command computes, removes whatever was made from what it
is about to replace, and only then writes: a job that ends in between leaves files missing, and none
that is of other matrices or models than the rest. One job at a time writes to a folder.
"""

import csv
import io
import json
import resource
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from ..features.base import ImageFeature
from .dataset import Dataset, DatasetError
from .extract import Extractor
from .persist import load_estimator, save_estimator
from .reader import ImageError, Reader, read_bytes
from .scan import Scan, ScanIndex, scan
from .settings import Settings
from .stages import Stages
from .store import alone_in, key_of, remove_leftovers, write_atomically
from .train import (
    RECORD,
    Split,
    evaluate,
    feature_sets,
    load_model,
    model_names,
    train,
    without_scores,
)

__all__ = ["Prediction", "Run", "Settings"]

SCORES = ("predictions.csv", "metrics.json")
SPLITS = ("test.json", "train.json")
RESULTS = (*SCORES, "failures.csv", *SPLITS)


@dataclass(frozen=True)
class Prediction:
    """The class of one image and its probability, or the reason why there is none."""

    image: str
    label: str | None = None
    probability: float | None = None
    failure: str | None = None


class Run:
    """A run's folder and the stages that fill it.

    Parameters
    ----------
    folder : Path or str
    cache : Path or str, optional
        The feature store, when it is to be shared by several runs; ``folder/cache`` otherwise.
    stages : Stages, optional
        Where progress is reported; nowhere by default.
    n_jobs : int or None
        As in joblib; -1 is all cores.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        cache: Path | str | None = None,
        stages: Stages | None = None,
        n_jobs: int | None = -1,
    ) -> None:
        self.folder = Path(folder)
        self.cache = Path(cache) if cache else self.folder / "cache"
        self.stages = stages or Stages()
        self.n_jobs = n_jobs
        self.metrics: dict[str, Any] = {}
        self._is_alone = False

    def run(self, settings: Settings) -> dict[str, Any]:
        """Do the whole job and give what ``metrics.json`` holds."""
        datasets = self._open(settings)
        with self._alone():
            self._extract(settings, datasets)
            self.train(settings.alpha)
            return self.evaluate()

    def extract(self, settings: Settings) -> dict[str, Any]:
        """Compute the feature matrices of both splits.

        If they are others than those in the folder, the models and scores of those are removed.
        """
        datasets = self._open(settings)
        with self._alone():
            return self._extract(settings, datasets)

    def _open(self, settings: Settings) -> dict[str, Dataset]:
        """Open the images and, if there are any, the run's folder."""
        self._check_outside(settings.train, settings.test)
        strangers = [name for name in RESULTS if (self.folder / name).exists()]
        if strangers and not (self.folder / "run.json").exists():
            raise DatasetError(
                f"{self.folder / strangers[0]} is of no run and would be overwritten; "
                "choose a folder of its own"
            )
        datasets = settings.datasets()
        self.folder.mkdir(parents=True, exist_ok=True)
        return datasets

    def _extract(self, settings: Settings, datasets: Mapping[str, Dataset]) -> dict[str, Any]:
        for folder in (self.folder, self.cache):
            remove_leftovers(folder)
        reader = Reader(settings.max_pixels, settings.max_side)
        extractor = Extractor(self.cache, reader, self.stages, self.n_jobs)
        scans = self._scan(datasets, reader)
        train = scans["train"]
        features = extractor.fit(settings.features(train), train, settings.seed)
        records = self._transform(extractor, features, scans)
        self._clear_for(records, list(features))
        for name, feature in features.items():
            write_atomically(self._model(name), save_estimator(feature))
        self._write("run.json", asdict(settings))
        self._keep_images(records, extractor)
        return self._finish()

    def _clear_for(self, records: Mapping[str, bytes], features: Sequence[str]) -> None:
        """Remove what was made from other matrices than the folder is about to hold."""
        files = {name: self.folder / f"{name}.json" for name in records}
        kept = {name for name, file in files.items() if file.exists()}
        other = {name for name in kept if files[name].read_bytes() != records[name]}
        if "train" in other or "train" not in kept:
            models = [f"models/{name}.npz" for name in (*features, *model_names(features))]
            self._remove(*SCORES, "failures.csv", *models, *SPLITS)
            self.metrics = {}
            return
        self._continue()
        if other:
            self._remove(*SCORES, "failures.csv")
            self.metrics["classifiers"] = without_scores(self.metrics.get("classifiers", {}))

    def _extract_test(self, test: str) -> tuple[dict[str, bytes], Extractor]:
        """Compute the feature matrices of other test images, as the run's own were."""
        self._check_outside(test)
        reader, classes = self._reader(), self._read("train.json", "classes")["classes"]
        features = self._load_features(reader)
        extractor = Extractor(self.cache, reader, self.stages, self.n_jobs)
        scans = self._scan({"test": Dataset.open(test, classes)}, reader)
        return self._transform(extractor, features, scans), extractor

    def _check_outside(self, *images: str | None) -> None:
        """Refuse to write where the next run would take what was written for images."""
        for data, output in product(filter(None, images), (self.folder, self.cache)):
            if _is_seen_in(Path(data).resolve(), output.resolve()):
                raise DatasetError(
                    f"{output} lies in {data}, where its files would be taken for images; "
                    "choose a folder outside"
                )

    def _scan(self, splits: Mapping[str, Dataset], reader: Reader) -> dict[str, Scan]:
        index = ScanIndex(self.cache, reader)
        return {
            name: scan(part, reader, index, self.stages, self.n_jobs)
            for name, part in splits.items()
        }

    def _transform(
        self,
        extractor: Extractor,
        features: Mapping[str, ImageFeature],
        scans: Mapping[str, Scan],
    ) -> dict[str, bytes]:
        """Compute the matrices of some splits and describe what became of the images."""
        return {
            name: Split.record(part, extractor.transform(features, part), self.folder)
            for name, part in scans.items()
        }

    def _keep_images(self, records: Mapping[str, bytes], extractor: Extractor) -> None:
        """Write down splits and what became of the images."""
        for name, record in records.items():
            write_atomically(self.folder / f"{name}.json", record)
        splits = {name: self._split(name) for name in ("train", "test")}
        failures = [(name, *failure) for name, part in splits.items() for failure in part.failures]
        self._write_csv("failures.csv", [("split", "path", "reason"), *failures])
        ok = sum(len(part.names) for part in splits.values())
        self.metrics |= {
            "images": {
                "found": ok + len(failures),
                "ok": ok,
                "failed": len(failures),
                "decoded": extractor.decoded,
                "in_train_and_test": len(splits["train"].digests & splits["test"].digests),
            },
            "worker_seconds": {k: round(v, 3) for k, v in extractor.worker_seconds.items()},
        }

    def train(self, alpha: float | None = None) -> dict[str, Any]:
        """Train the classifiers on the cached matrices; the scores of earlier ones are removed."""
        self._find("train.json")
        with self._alone():
            self._continue()
            split = self._split("train")
            parameters: dict[str, Any] = {"standardize": "parts", "n_jobs": self.n_jobs}
            if alpha is not None:
                parameters["alpha"] = alpha
            models, report = train(split, parameters, self.stages)
            self._remove(*SCORES, *(f"models/{name}.npz" for name in models))
            for name, model in models.items():
                write_atomically(self._model(name), save_estimator(model))
            self.metrics["classifiers"] = report
            return self._finish()

    def evaluate(self, test: str | None = None) -> dict[str, Any]:
        """Score the trained classifiers on the cached test matrices, or on other images.

        Parameters
        ----------
        test : str, optional
            A labelled folder or manifest that takes the place of the run's test images.
        """
        self._find("train.json")
        with self._alone():
            self._continue()
            if test is None:
                split = self._split("test")
            else:
                records, extractor = self._extract_test(test)
                split = Split.of(json.loads(records["test"]), self.folder)
            scores, predictions = evaluate(split, self.folder / "models", self.stages)
            trained = self.metrics.get("classifiers", {})
            self.metrics["classifiers"] = {n: trained.get(n, {}) | scores[n] for n in scores}
            if test is not None:
                self._remove(*SCORES, "failures.csv")
                self._keep_images(records, extractor)
            table = [("path", "label", *predictions)]
            table += zip(split.names, split.labels, *predictions.values(), strict=True)
            self._write_csv("predictions.csv", table)
            return self._finish()

    def predict(self, images: Sequence[str]) -> Iterator[Prediction]:
        """Give the class of images by the softmax classifier on all features.

        Another job may be at work in the folder: its results are not seen before they are whole.
        """
        reader, features, model = self._load_for_prediction()
        for image in images:
            try:
                pixels = [reader.decode(read_bytes(image))]
            except ImageError as error:
                yield Prediction(image, failure=str(error))
                continue
            row = np.hstack([feature.transform(pixels) for feature in features])
            probabilities = model.predict_proba(row)[0]
            best = int(probabilities.argmax())
            yield Prediction(image, str(model.classes_[best]), float(probabilities[best]))

    def _load_for_prediction(self) -> tuple[Reader, list[ImageFeature], Any]:
        """Load reader, features and classifier of one job, or none.

        A lock would keep predictions waiting for a job that replaces nothing before its end. But
        whatever a job replaces, it removes ``train.json`` before it writes the first file: if that
        is still what it was, all that was read in between belongs to it.
        """
        before = self._find("train.json").read_bytes()
        reader = self._reader()
        features = self._load_features(reader)
        n_features = sum(feature.n_features_out_ for feature in features.values())
        together = feature_sets(list(features))[-1]
        model = load_model(self.folder / "models", "Softmax", together, n_features)
        if self._find("train.json").read_bytes() != before:
            raise ValueError(f"{self.folder}: a job replaces the models just now; predict again")
        return reader, list(features.values()), model

    def _load_features(self, reader: Reader) -> dict[str, ImageFeature]:
        """Load the features by which the matrices of the training images were made, no others."""
        train = self._read("train.json", "matrices", "digests")
        features = {}
        for name, folder in train["matrices"].items():
            found = features[name] = load_estimator(self._model(name))
            is_feature = isinstance(found, ImageFeature)
            if not is_feature or key_of(found, train["digests"], reader) != Path(folder).name:
                raise ValueError(
                    f"{self._model(name)}: not what the training images were described by, but of "
                    "other settings or another version; `visualwords run` makes all anew"
                )
        return features

    def _model(self, name: str) -> Path:
        return self.folder / "models" / f"{name}.npz"

    def _continue(self) -> None:
        """Take over what earlier commands found, when this one is not part of a whole run."""
        if not self.metrics:
            with suppress(ValueError):  # not there, or damaged: what is found anew will do
                self.metrics = self._read("metrics.json", "images")

    def _finish(self) -> dict[str, Any]:
        before = self.metrics.get("seconds", {})
        self.metrics["seconds"] = before | {k: round(v, 3) for k, v in self.stages.seconds.items()}
        self.metrics["peak_rss_mb"] = _peak_rss_mb()
        self._write("metrics.json", self.metrics)
        return self.metrics

    def _reader(self) -> Reader:
        limits = ("max_pixels", "max_side")
        settings = self._read("run.json", *limits)
        return Reader(**{name: settings[name] for name in limits})

    def _split(self, name: str) -> Split:
        return Split.of(self._read(f"{name}.json", *RECORD), self.folder)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other jobs from the folder; a command may be part of another."""
        if self._is_alone:
            yield
            return
        with alone_in(self.folder):
            self._is_alone = True
            try:
                yield
            finally:
                self._is_alone = False

    def _remove(self, *names: str) -> None:
        for name in names:
            (self.folder / name).unlink(missing_ok=True)

    def _write_csv(self, name: str, rows: Sequence[tuple[Any, ...]]) -> None:
        buffer = io.StringIO(newline="")
        csv.writer(buffer).writerows(rows)
        write_atomically(self.folder / name, buffer.getvalue().encode("utf-8", "surrogateescape"))

    def _write(self, name: str, content: Any) -> None:
        write_atomically(self.folder / name, json.dumps(content, indent=1).encode())

    def _find(self, name: str) -> Path:
        file = self.folder / name
        if not file.exists():
            raise ValueError(
                f"{file}: no such file; is {self.folder} the folder of a finished run? "
                "`visualwords run` or `extract` makes it"
            )
        return file

    def _read(self, name: str, *keys: str) -> Any:
        file = self._find(name)
        try:
            content = json.loads(file.read_bytes())
            missing = set(keys) - set(content)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{file}: damaged, or of no run: {error}") from error
        if missing:
            raise ValueError(f"{file}: damaged, or of no run: {min(missing)!r} is missing")
        return content


def _is_seen_in(folder: Path, path: Path) -> bool:
    """Whether a path lies in a folder of images and is not hidden there."""
    if not path.is_relative_to(folder):
        return False
    return not any(part.startswith(".") for part in path.relative_to(folder).parts)


def _peak_rss_mb() -> float:
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20, 1)
