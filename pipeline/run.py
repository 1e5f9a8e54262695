"""A run: images in; matrices, trained classifiers and their scores out.

A run is a folder:

=====================  ==========================================================================
``run.json``           the recipe, where the images are, and the features in the store
``recipe.toml``        the recipe again, with its defaults, for ``--recipe``
``images.parquet``     each image: path, label, split, digest, status, reason, where its rows lie
``models/``            the features and the trained classifiers, all that ``predict`` needs
``metrics.json``       counts, scores, times
``duplicates.csv``     every image with the bytes of an image before it, and which that is
``failures.csv``       every image that could not be used, with its reason
``predictions.csv``    the test images with their class as labelled and as predicted
``store/``             the feature store, unless the run was told of another
=====================  ==========================================================================

What is in the folder belongs together. A command computes, removes what was made from that which it
is about to replace, and only then writes. So a job that is killed leaves files missing, and none
that is of other matrices or models than the rest. One job at a time writes to a folder.
"""

import csv
import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import psutil
import pyarrow as pa
import pyarrow.compute as pc

from .. import __version__
from ..classifiers import ColumnStack
from .extraction import Extraction
from .features import FeatureRef, describe_feature, load_feature
from .job import TEST, TRAIN, Options, extract_source
from .learn import draws
from .ledger import digests_of
from .persist import decode_estimator, describe_estimator, is_ours, save_estimator
from .predict import Prediction, predict_images
from .reader import Reader
from .recipe import Part, Recipe, nearest
from .recipe_file import recipe_text
from .remarks import changes, duplicates, silent_features
from .sources import FolderSource, JoinedSource, Source, SourceError, open_source
from .store.files import DamagedError, LocalFolder, checksum, open_folder
from .store.matrix import RowMatrix
from .store.rows import FeatureRows, key_of
from .store.tables import read_table, write_table
from .train import evaluate, feature_sets, model_name, train

__all__ = ["Prediction", "Run"]

RUN, IMAGES, METRICS = "run.json", "images.parquet", "metrics.json"
MODELS = "models/models.json"
FAILURES, PREDICTIONS = "failures.csv", "predictions.csv"
RECIPE, DUPLICATES = "recipe.toml", "duplicates.csv"
RESULTS = (PREDICTIONS, METRICS)
LEDGER = pa.schema(
    [
        ("path", pa.string()),
        ("label", pa.string()),
        ("split", pa.string()),
        ("digest", pa.binary()),
        ("status", pa.string()),
        ("kind", pa.string()),
        ("reason", pa.string()),
    ]
)
# What lies beside a folder ``train``. Taken for classes, splits would be learned and scored, too.
SPLITS = frozenset({"test", "val", "valid", "validation"})


class Run:
    """A run's folder and the stages that fill it.

    Parameters
    ----------
    folder : Path or str
    store : Path or str, optional
        Path or URL of the feature store, when several runs share it; ``folder/store`` otherwise.
    options : Options, optional

    Attributes
    ----------
    metrics : dict
        What ``metrics.json`` holds.
    """

    def __init__(
        self, folder: Path | str, *, store: Path | str | None = None, options: Options | None = None
    ) -> None:
        self.folder = Path(folder)
        self.options = options or Options()
        self._files = LocalFolder(self.folder)
        self._store = store
        self._extraction: Extraction | None = None
        self._asked: Recipe | None = None
        self._unsaved: dict[str, Any] = {}  # trained classifiers of the user's own
        self.metrics: dict[str, Any] = {}

    @classmethod
    def open(cls, folder: Path | str, options: Options | None = None) -> Self:
        """Open the folder of a run that was extracted before.

        Raises
        ------
        ValueError
            If the folder is of no run, or a file in it is damaged.
        """
        run = cls(folder, options=options)
        run.record()
        return run

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

    def labels(self, split: str | None = None) -> npt.NDArray[np.str_]:
        """Return the labels of the images that are ok, in the order of the rows of a matrix."""
        return self._open_extraction().labels(split)

    # Stages

    def run(
        self, train: Any, test: Any = None, recipe: Recipe | None = None, **columns: str
    ) -> dict[str, Any]:
        """Do the whole job: extract, train, evaluate.

        Parameters
        ----------
        train : str, Path or Source
            Labelled images: a folder of class folders, or a manifest.
        test : str, Path or Source, optional
            Test images. Without them the manifest's column split, or ``recipe.test_size`` decides.
        recipe : Recipe, optional
        **columns : str
            Names of the columns of a manifest; see :func:`.open_source`.

        Returns
        -------
        dict
            What ``metrics.json`` holds.
        """
        self.extract(train, test, recipe, **columns)
        self.train()
        return self.evaluate()

    def extract(
        self, train: Any, test: Any = None, recipe: Recipe | None = None, **columns: str
    ) -> Extraction:
        """Compute the rows of all images; see :meth:`run`."""
        recipe = self._asked = recipe or Recipe()
        source, assign = _labelled_source(train, test, recipe, columns)
        self._check_folder(source)
        store = self.store
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._alone():
            options = replace(self.options, seed=recipe.seed)
            extraction = extract_source(
                source, store, recipe.make_features, recipe.reader, options, assign
            )
            record = {
                "version": __version__,
                "train": str(getattr(train, "name", train)),
                "test": None if test is None else str(getattr(test, "name", test)),
                "store": self._relative(store),
                "features": {name: ref.folder for name, ref in extraction.refs.items()},
                "recipe": asdict(recipe),
            }
            self._replace(record, extraction)
            self._extraction = extraction
            self._keep_features(extraction, recipe.reader)
            self._files.write(RECIPE, recipe_text(recipe, commented=False).encode())
            self.metrics |= image_metrics(extraction)
            self._finish()
        return extraction

    def _replace(self, record: dict[str, Any], extraction: Extraction) -> None:
        """Write what the run is of; results of other images or features are removed first."""
        why = self._changes(record, extraction)
        if why == "":
            self._continue()
        else:
            stale = [n for n in (*RESULTS, FAILURES, DUPLICATES, MODELS) if self._files.exists(n)]
            if why and stale:
                self.options.progress.say("replaces", f"{', '.join(stale)} ({why})")
            for name in stale:
                self._files.remove(name)
            self.metrics = {}
        write_table(self._files, IMAGES, extraction.images)
        self._files.write_record(RUN, record)
        failed = extraction.images.filter(pc.equal(extraction.images["status"], "failed"))
        self._files.write(FAILURES, _csv_of(failed.select(["split", "path", "kind", "reason"])))
        self._files.write(DUPLICATES, _csv_of(duplicates(extraction.images)))

    def _changes(self, record: Mapping[str, Any], extraction: Extraction) -> str | None:
        """Return what differs from the run in the folder, or None where there is no such run."""
        try:
            before, images = self.record(), read_table(self._files, IMAGES, LEDGER)
        except (OSError, ValueError):
            return None
        names = ["label", "split", "digest", "status"]
        is_same = images.select(names).equals(extraction.images.select(names))
        return changes(before, record, is_same)

    def _keep_features(self, extraction: Extraction, reader: Reader) -> None:
        """Write the features beside the models, so that prediction needs no store."""
        store = open_folder(self.store)
        for name, ref in extraction.refs.items():
            if ref.estimator is None:
                feature = load_feature(store, ref, reader)
                self._files.write(f"models/{name}.npz", save_estimator(feature))

    def train(self, recipe: Recipe | None = None) -> dict[str, Any]:
        """Train the classifiers, unless they were trained on the same rows before.

        Parameters
        ----------
        recipe : Recipe, optional
            Names other classifiers than those of the run.
        """
        record = self.record()
        recipe = recipe or self._asked or own_code_refused(recipe_of(record), self.folder / RUN)
        with self._alone():
            self._continue()
            extraction = self._open_extraction()
            self._check_labels(extraction)
            made_from = self._fingerprint(recipe, extraction)
            if self._are_trained(made_from):
                self.options.progress.note("train", "nothing new")
                if "classifiers" not in self.metrics:
                    self.metrics["classifiers"] = self._models_record()["report"]
                    self._finish()
                return self.metrics
            classifiers = recipe.make_classifiers()
            for classifier in classifiers.values():
                if is_ours(classifier) and "n_jobs" in classifier.get_params():
                    classifier.set_params(n_jobs=self.options.n_jobs)
            models, report = train(extraction, classifiers, self.options.progress)
            self._unsaved = {name: m for name, m in models.items() if not is_ours(m)}
            for name in (*RESULTS, MODELS):
                self._files.remove(name)
            files = {name: save_estimator(m) for name, m in models.items() if is_ours(m)}
            for name, data in files.items():
                self._files.write(f"models/{name}.npz", data)
            self._files.write_record(
                MODELS,
                {
                    "made_from": made_from,
                    "report": report,
                    "classes": np.unique(extraction.labels(TRAIN)).tolist(),
                    "classifiers": list(classifiers),
                    "features": record["features"],
                    "reader": [recipe.max_pixels, recipe.max_side],
                    "files": {name: checksum(name, data) for name, data in files.items()},
                    "unsaved": list(self._unsaved),
                },
            )
            self.metrics["classifiers"] = report
            self._finish()
        return self.metrics

    def _fingerprint(self, recipe: Recipe, extraction: Extraction) -> str:
        """Return a digest of all that decides the models."""
        digest = hashlib.blake2b(digest_size=16)
        chosen = extraction.chosen(TRAIN)
        said = {
            "version": __version__,
            "classifiers": {n: describe_estimator(c) for n, c in recipe.make_classifiers().items()},
            "features": self.record()["features"],
            "labels": extraction.images["label"].take(chosen).to_pylist(),
        }
        digest.update(json.dumps(said, sort_keys=True).encode())
        digest.update(digests_of(extraction.images.take(chosen))[0].tobytes())
        return digest.hexdigest()

    def _are_trained(self, made_from: str) -> bool:
        try:
            trained = self._models_record()
            if trained["made_from"] != made_from or set(trained["unsaved"]) - set(self._unsaved):
                return False
            return bool(self._load_models())
        except (OSError, ValueError):
            return False

    def evaluate(self, test: Any = None, **columns: str) -> dict[str, Any]:
        """Score the trained classifiers on the test images of the run, or on others beside them.

        Parameters
        ----------
        test : str, Path or Source, optional
            Other labelled images; their scores are added to ``metrics["other_tests"]``.
        **columns : str
        """
        trained = self._models_record()
        models = self._load_models()
        lost = sorted(set(trained.get("unsaved", [])) - set(models))
        if lost:
            raise ValueError(
                f"{lost[0]}: a classifier of your own is not kept between commands; `visualwords "
                "run` trains and scores it, and the same in Python"
            )
        with self._alone():
            self._continue()
            extraction, split = self._open_extraction(), TEST
            if test is not None:
                extraction, split = self._extract_other(test, columns, trained), ""
            chosen = extraction.chosen(split or None)
            if not len(chosen):
                raise SourceError(f"{self.folder}: none of the test images can be used")
            scores, predictions = evaluate(
                extraction,
                models,
                trained["classifiers"],
                trained["classes"],
                self.options.progress,
                split or None,
            )
            if test is None:
                kept = self.metrics.get("classifiers", {})
                self.metrics["classifiers"] = {n: kept.get(n, {}) | scores[n] for n in scores}
                self._files.write(PREDICTIONS, _predictions(extraction, chosen, predictions))
            else:
                others = self.metrics.setdefault("other_tests", {})
                others[str(getattr(test, "name", test))] = scores
            self._finish()
        return self.metrics

    def _extract_other(
        self, test: Any, columns: Mapping[str, str], trained: Mapping[str, Any]
    ) -> Extraction:
        """Compute the rows of other images by the features of the run."""
        source = open_source(test, **columns)
        reader = Reader(*trained["reader"])
        features = self._load_features(trained)
        extraction = extract_source(source, self.store, lambda _: features, reader, self.options)
        unknown = sorted(set(extraction.labels().tolist()) - set(trained["classes"]))
        if unknown:
            raise SourceError(
                f"{source.name}: class {unknown[0]!r} is not among the training classes "
                f"({', '.join(trained['classes'])})"
            )
        return extraction

    def predict(
        self, images: Sequence[str], *, classifier: str | None = None, top: int = 1
    ) -> Iterator[Prediction]:
        """Return the classes of images by a classifier on all features, in the order of the images.

        Parameters
        ----------
        images : sequence of str
            Image files.
        classifier : str, optional
            The first that gives probabilities, where it is left out. One that gives none orders the
            classes by its scores.
        top : int
            So many classes, the best first.
        """
        trained = self._models_record()
        reader = Reader(*trained["reader"])
        features = list(self._load_features(trained).values())
        model = self._predictor(trained, classifier)
        if self._models_record() != trained:
            raise ValueError(f"{self.folder}: a job replaces the models just now; predict again")
        yield from predict_images(images, reader, features, model, top, self.options.n_jobs)

    def _predictor(self, trained: Mapping[str, Any], classifier: str | None) -> Any:
        together = feature_sets(list(trained["features"]))[-1]
        known, models = trained["classifiers"], self._load_models()
        if classifier is not None and classifier not in known:
            raise ValueError(f"no trained classifier {classifier!r}{nearest(classifier, known)}")
        found = [
            models.get(model_name(n, together)) for n in ([classifier] if classifier else known)
        ]
        found = [model for model in found if model is not None]
        if not found:
            raise ValueError(f"{self.folder}: no classifier in it was kept; see `visualwords run`")
        return next((model for model in found if hasattr(model, "predict_proba")), found[0])

    # Files

    def record(self) -> dict[str, Any]:
        """Return what ``run.json`` holds: the recipe, where the images are, the features."""
        return self._read_record(RUN, "run", "`visualwords run` or `extract`")

    def _models_record(self) -> dict[str, Any]:
        self.record()
        return self._read_record(MODELS, "train", "`visualwords train`")

    def _read_record(self, name: str, command: str, commands: str) -> dict[str, Any]:
        """Read a record; an error names the command that makes it."""
        try:
            return self._files.read_record(name)
        except FileNotFoundError as error:
            raise ValueError(f"{self.folder / name}: no such file; {commands} makes it") from error
        except DamagedError as error:
            raise DamagedError(f"{error}; `visualwords {command}` makes it again") from error

    def _load_models(self) -> dict[str, Any]:
        models = {}
        for name, seal in self._models_record()["files"].items():
            file = f"models/{name}.npz"
            try:
                data = self._files.read(file)
            except (OSError, DamagedError) as error:
                raise DamagedError(
                    f"{self.folder / file}: {getattr(error, 'strerror', error)}; `visualwords "
                    "train` makes it again"
                ) from error
            if checksum(name, data) != seal:
                raise DamagedError(
                    f"{self.folder / file}: the checksum is wrong; `visualwords train` makes it "
                    "again"
                )
            models[name] = decode_estimator(data)
        return models | self._unsaved

    def _load_features(self, trained: Mapping[str, Any]) -> dict[str, Any]:
        """Load the features that the models were trained on, and no others."""
        reader, features = Reader(*trained["reader"]), {}
        for name, folder in trained["features"].items():
            file = f"models/{name}.npz"
            if ":" in self.record()["recipe"]["features"].get(name, {}).get("kind", ""):
                raise ValueError(
                    f"{name}: a feature of your own is not kept in a run's folder, so that only "
                    "the images of the run can be scored, by `visualwords run` and `evaluate`"
                )
            try:
                feature = decode_estimator(self._files.read(file))
                key = key_of(describe_feature(feature, reader))
            except (OSError, ValueError, AttributeError, TypeError) as error:
                raise DamagedError(
                    f"{self.folder / file}: {error}; `visualwords run` makes it again"
                ) from error
            if folder != f"{name}-{key}":
                raise DamagedError(
                    f"{self.folder / file}: not the feature that the models were trained on, or of "
                    "another version; `visualwords run` makes all anew"
                )
            features[name] = feature
        return features

    def _open_extraction(self) -> Extraction:
        """View the rows of the run in its store."""
        if self._extraction is None:
            record = self.record()
            try:
                images = read_table(self._files, IMAGES, LEDGER)
            except (OSError, DamagedError) as error:
                raise DamagedError(f"{error}; `visualwords run` makes it again") from error
            store = open_folder(self.store)
            rows = {
                name: FeatureRows(store, name, folder.removeprefix(f"{name}-"))
                for name, folder in record["features"].items()
            }
            extraction = Extraction(images, rows)
            lost = int((np.asarray(images["status"]) == "ok").sum() - extraction.is_ok.sum())
            if lost:
                raise DamagedError(
                    f"{store.url}: rows of {lost} images are missing or damaged; `visualwords run` "
                    "computes them again"
                )
            extraction.refs = {n: FeatureRef(n, f) for n, f in record["features"].items()}
            self._extraction = extraction
        return self._extraction

    @property
    def store(self) -> str:
        """Path or URL of the feature store."""
        if self._store is not None:
            return str(self._store)
        try:
            stored = self.record()["store"]
        except ValueError:
            return str(self.folder / "store")
        return stored if "://" in stored else os.path.normpath(self.folder / stored)

    def _relative(self, store: str) -> str:
        return store if "://" in store else os.path.relpath(store, self.folder)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other jobs from the folder."""
        with self._files.lock("run", wait=False) as is_held:
            if not is_held:
                raise ValueError(
                    f"{self.folder}: another job is at work in this folder; wait for its end or "
                    "choose another folder"
                )
            yield

    def _continue(self) -> None:
        """Take over what earlier commands found, when this one is not part of a whole run."""
        if not self.metrics:
            try:
                self.metrics = self._files.read_record(METRICS)
            except (OSError, ValueError):  # what is found anew will do
                self.metrics = {}

    def _finish(self) -> None:
        before = self.metrics.get("seconds", {})
        seconds = {k: round(v, 3) for k, v in self.options.progress.seconds.items()}
        self.metrics["seconds"] = before | seconds
        self.metrics["peak_rss_mb"] = round(_peak_bytes() / 2**20, 1)
        self._files.write_record(METRICS, self.metrics)

    def _check_labels(self, extraction: Extraction) -> None:
        images = extraction.images
        labels = images["label"].filter(pc.equal(images["split"], TRAIN))
        if labels.null_count:
            path = images["path"].filter(pc.is_null(images["label"]))[0].as_py()
            raise SourceError(
                f"training needs a label for each image, and {labels.null_count} have none, such "
                f"as {path}; put images into class folders, or use a manifest with a column label"
            )
        lost = sorted(set(labels.to_pylist()) - set(extraction.labels(TRAIN).tolist()))
        if lost:
            raise SourceError(
                f"class {lost[0]!r} has no training image that can be used, see failures.csv; mend "
                "its images or leave out the class"
            )

    def _check_folder(self, source: Source) -> None:
        """Refuse to write where files of others lie, or where the next run would find images."""
        strangers = [
            n for n in (*RESULTS, FAILURES, DUPLICATES, IMAGES) if (self.folder / n).exists()
        ]
        if strangers and not (self.folder / RUN).exists():
            raise SourceError(
                f"{self.folder / strangers[0]} is of no run and would be overwritten; choose a "
                "folder of its own"
            )
        sources = source.sources if isinstance(source, JoinedSource) else [source]
        for part in sources:
            for output in (self.folder, Path(self.store)):
                if isinstance(part, FolderSource) and _is_seen_in(Path(part.name), output):
                    raise SourceError(
                        f"{output} lies in {part.name}, where its files would be taken for images; "
                        "choose a folder outside"
                    )


def image_metrics(extraction: Extraction) -> dict[str, Any]:
    """Return how many images were found, are ok, failed and why, and what was computed."""
    images = extraction.images
    n_ok = int((np.asarray(images["status"]) == "ok").sum())
    failed = pc.value_counts(images["kind"].drop_null()).to_pylist()
    counts = {
        "found": images.num_rows,
        "ok": n_ok,
        "failed": images.num_rows - n_ok,
        "decoded": extraction.work.decoded,
        "duplicates": duplicates(images).num_rows,
        "in_train_and_test": len(shared_images(images)),
    }
    if counts["failed"] != sum(row["counts"] for row in failed):
        raise AssertionError("every image must be ok or have failed with a kind")
    return {
        "images": counts,
        "failures": {row["values"]: row["counts"] for row in failed},
        "computed": extraction.work.computed,
        "silent_features": silent_features(extraction),
        "worker_seconds": {k: round(v, 3) for k, v in extraction.work.worker_seconds.items()},
    }


def recipe_of(record: Mapping[str, Any]) -> Recipe:
    """Return the recipe that a run was made by."""
    values = dict(record["recipe"])
    for group in ("features", "classifiers"):
        values[group] = {name: Part(**part) for name, part in values[group].items()}
    return Recipe(**values)


def own_code_refused(recipe: Recipe, file: Path) -> Recipe:
    """Return a recipe that comes from a file in a run, unless it names code that would be run."""
    for name, part in recipe.classifiers.items():
        if ":" in part.kind:
            raise ValueError(
                f"{file}: {name} is {part.kind}, code of your own, which no file of a run may "
                "start; name it with --recipe FILE"
            )
    return recipe


def shared_images(images: pa.Table) -> pa.Table:
    """Return the digests that are among the training images and among the test images."""
    digests = {
        split: pc.unique(images["digest"].filter(pc.equal(images["split"], split)).drop_null())
        for split in (TRAIN, TEST)
    }
    return digests[TRAIN].filter(pc.is_in(digests[TRAIN], digests[TEST]))


def _labelled_source(
    train: Any, test: Any, recipe: Recipe, columns: Mapping[str, str]
) -> tuple[Source, Any]:
    """Return the images of a run, and the function that says which are test images."""
    source = open_source(train, **columns)
    if test is not None:
        joined = JoinedSource({TRAIN: source, TEST: open_source(test)})
        return joined, lambda images: _checked(images, joined.name)

    def assign(images: pa.Table) -> pa.Table:
        if images["split"].null_count == images.num_rows:
            digests, _ = digests_of(images)
            is_test = draws(digests, recipe.seed, "split") < recipe.test_size
            split = pa.array(np.where(is_test, TEST, TRAIN), pa.string())
            at = images.column_names.index("split")
            images = images.set_column(at, "split", split)
        return _checked(images, source.name)

    return source, assign


def _checked(images: pa.Table, name: str) -> pa.Table:
    """Check that there is something to learn and something to score."""
    labels = pc.unique(images["label"].drop_null()).to_pylist()
    if labels and len(set(labels) - {TRAIN}) > 0 and SPLITS.issuperset(set(labels) - {TRAIN}):
        tests = sorted(set(labels) - {TRAIN})
        raise SourceError(
            f"{name}: its folders are splits, not classes; give them apart: {name}/train --test "
            f"{name}/{tests[0]}"
        )
    of_split = {
        split: set(images["label"].filter(pc.equal(images["split"], split)).drop_null().to_pylist())
        for split in (TRAIN, TEST)
    }
    if len(of_split[TRAIN] | of_split[TEST]) < 2:
        raise SourceError(
            f"{name}: training needs images of at least two classes, in a folder for each class or "
            f"in a manifest with a column label; got {sorted(of_split[TRAIN]) or 'no labels'}"
        )
    splits = pc.unique(images["split"]).to_pylist()
    if TRAIN not in splits or TEST not in splits:
        found = ", ".join(repr(split) for split in splits)
        raise SourceError(
            f"{name}: expected images of the splits 'train' and 'test', got {found}; name others "
            "in the manifest, or hold out more images (test_size)"
        )
    unseen = sorted(of_split[TEST] - of_split[TRAIN])
    if unseen:
        raise SourceError(f"{name}: class {unseen[0]!r} has no training images")
    return images


def _predictions(
    extraction: Extraction, chosen: npt.NDArray[np.intp], predictions: Mapping[str, Any]
) -> bytes:
    paths = extraction.images["path"].take(chosen).to_pylist()
    labels = extraction.images["label"].take(chosen).to_pylist()
    rows = zip(paths, labels, *predictions.values(), strict=True)
    return _csv([("path", "label", *predictions), *rows])


def _csv_of(table: pa.Table) -> bytes:
    columns = [column.to_pylist() for column in table.columns]
    return _csv([tuple(table.column_names), *zip(*columns, strict=True)])


def _csv(rows: Sequence[tuple[Any, ...]]) -> bytes:
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue().encode()


def _is_seen_in(folder: Path, path: Path) -> bool:
    """Tell whether a path lies in a folder of images and is not hidden there."""
    folder, path = folder.resolve(), path.resolve()
    if not path.is_relative_to(folder):
        return False
    return not any(part.startswith(".") for part in path.relative_to(folder).parts)


def _peak_bytes() -> int:
    """Return the most memory that this process held."""
    info = psutil.Process().memory_info()
    peak = getattr(info, "peak_wset", None)  # Windows
    if peak is not None:
        return int(peak)
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(used if psutil.MACOS else used * 1024)
