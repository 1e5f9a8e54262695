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
"""

import csv
import io
import json
import resource
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from ..features.base import ImageFeature
from .dataset import Dataset, DatasetError
from .extract import Extraction, Extractor
from .persist import load_estimator, save_estimator
from .reader import ImageError, Reader, read_bytes
from .scan import UNREADABLE, Scan, ScanIndex, scan
from .settings import Settings
from .stages import Stages
from .store import remove_leftovers, write_atomically
from .train import Split, evaluate, feature_sets, train

__all__ = ["Prediction", "Run", "Settings"]


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

    def run(self, settings: Settings) -> dict[str, Any]:
        """Do the whole job and give what ``metrics.json`` holds."""
        self.extract(settings)
        self.train(settings.alpha)
        return self.evaluate()

    def extract(self, settings: Settings) -> dict[str, Any]:
        """Compute the feature matrices of both splits."""
        self._check_outside(settings.train, settings.test)
        for folder in (self.folder, self.cache):
            remove_leftovers(folder)
        reader = Reader(settings.max_pixels, settings.max_side)
        extractor = Extractor(self.cache, reader, self.stages, self.n_jobs)
        scans = self._scan(settings.datasets(), reader)
        train = scans["train"]
        features = extractor.fit(settings.features(train), train, settings.seed)
        self._write("run.json", asdict(settings))
        for name, feature in features.items():
            write_atomically(self._model(name), save_estimator(feature))
        self.metrics = {}
        return self._transform(extractor, features, scans)

    def _extract_test(self, test: str) -> None:
        """Compute the feature matrices of other test images, as the run's own were."""
        self._check_outside(test)
        settings, train = self._read("run.json"), self._read("train.json")
        reader = Reader(settings["max_pixels"], settings["max_side"])
        extractor = Extractor(self.cache, reader, self.stages, self.n_jobs)
        scans = self._scan({"test": Dataset.open(test).with_classes(train["classes"])}, reader)
        features = {name: load_estimator(self._model(name)) for name in train["matrices"]}
        self._transform(extractor, features, scans)

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
    ) -> dict[str, Any]:
        """Compute the matrices of some splits and write down what became of the images."""
        extractions = {name: extractor.transform(features, part) for name, part in scans.items()}
        for name, scanned in scans.items():
            Split.save(self.folder / f"{name}.json", scanned.dataset, extractions[name])
        self._write_failures(scans, extractions)
        self.metrics |= {
            "images": {
                **_count(scans, extractions),
                "decoded": extractor.decoded,
                "in_train_and_test": _n_shared(scans),
            },
            "worker_seconds": {k: round(v, 3) for k, v in extractor.worker_seconds.items()},
        }
        return self._finish()

    def train(self, alpha: float | None = None) -> dict[str, Any]:
        """Train the classifiers on the cached matrices."""
        self._continue()
        parameters: dict[str, Any] = {"standardize": "parts", "n_jobs": self.n_jobs}
        if alpha is not None:
            parameters["alpha"] = alpha
        split = Split.load(self.folder / "train.json")
        self.metrics["classifiers"] = train(split, self.folder / "models", parameters, self.stages)
        return self._finish()

    def evaluate(self, test: str | None = None) -> dict[str, Any]:
        """Score the trained classifiers on the cached test matrices, or on other images.

        Parameters
        ----------
        test : str, optional
            A labelled folder or manifest that takes the place of the run's test images.
        """
        self._continue()
        if test is not None:
            self._extract_test(test)
        split = Split.load(self.folder / "test.json")
        scores, predictions = evaluate(split, self.folder / "models", self.stages)
        trained = self.metrics.get("classifiers", {})
        self.metrics["classifiers"] = {n: trained.get(n, {}) | scores[n] for n in scores}
        table = [("path", "label", *predictions)]
        table += zip(split.names, split.labels, *predictions.values(), strict=True)
        self._write_csv("predictions.csv", table)
        return self._finish()

    def predict(self, images: Sequence[str]) -> Iterator[Prediction]:
        """Give the class of images by the softmax classifier on all features."""
        settings = self._read("run.json")
        reader = Reader(settings["max_pixels"], settings["max_side"])
        names = list(self._read("train.json")["matrices"])
        features = [load_estimator(self._model(name)) for name in names]
        model = load_estimator(self._model(f"Softmax-{'+'.join(feature_sets(names)[-1])}"))
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

    def _model(self, name: str) -> Path:
        return self.folder / "models" / f"{name}.npz"

    def _continue(self) -> None:
        """Take over what earlier commands found, when this one is not part of a whole run."""
        if not self.metrics and (self.folder / "metrics.json").exists():
            self.metrics = self._read("metrics.json")

    def _finish(self) -> dict[str, Any]:
        before = self.metrics.get("seconds", {})
        self.metrics["seconds"] = before | {k: round(v, 3) for k, v in self.stages.seconds.items()}
        self.metrics["peak_rss_mb"] = _peak_rss_mb()
        self._write("metrics.json", self.metrics)
        return self.metrics

    def _write_failures(
        self, scans: Mapping[str, Scan], extractions: Mapping[str, Extraction]
    ) -> None:
        rows = [("split", "path", "reason")]
        for split, scanned in scans.items():
            names = scanned.dataset.names
            rows += [(split, names[i], why) for i, why in extractions[split].failures.items()]
            rows += [
                (split, n, "lies outside any class folder") for n in scanned.dataset.unlabelled
            ]
        self._write_csv("failures.csv", rows)

    def _write_csv(self, name: str, rows: Sequence[tuple[Any, ...]]) -> None:
        buffer = io.StringIO(newline="")
        csv.writer(buffer).writerows(rows)
        write_atomically(self.folder / name, buffer.getvalue().encode("utf-8", "surrogateescape"))

    def _write(self, name: str, content: Any) -> None:
        write_atomically(self.folder / name, json.dumps(content, indent=1).encode())

    def _read(self, name: str) -> Any:
        try:
            return json.loads((self.folder / name).read_bytes())
        except FileNotFoundError as error:
            raise ValueError(
                f"{self.folder / name}: no such file; "
                f"is {self.folder} the folder of a finished run?"
            ) from error


def _is_seen_in(folder: Path, path: Path) -> bool:
    """Whether a path lies in a folder of images and is not hidden there."""
    if not path.is_relative_to(folder):
        return False
    return not any(part.startswith(".") for part in path.relative_to(folder).parts)


def _count(scans: Mapping[str, Scan], extractions: Mapping[str, Extraction]) -> dict[str, int]:
    unlabelled = sum(len(scanned.dataset.unlabelled) for scanned in scans.values())
    found = sum(len(scanned.dataset) for scanned in scans.values()) + unlabelled
    ok = sum(len(extraction.kept) for extraction in extractions.values())
    return {"found": found, "ok": ok, "failed": found - ok}


def _n_shared(scans: Mapping[str, Scan]) -> int:
    """Count the images, by their bytes, that are in more than one split."""
    known = [set(scanned.digests) - {UNREADABLE} for scanned in scans.values()]
    return sum(map(len, known)) - len(set().union(*known))


def _peak_rss_mb() -> float:
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20, 1)
