"""A run: images in; matrices, trained classifiers and their scores out.

A run is a folder:

=====================  ==========================================================================
``run.json``           the recipe, where the images are, and the features in the store
``recipe.toml``        the recipe again, with its defaults, for ``--recipe``
``images.parquet``     each image: path, label, split, digest, status, reason, where its rows lie
``models/``            the features and the trained classifiers, all that ``predict`` needs
``metrics.json``       counts, scores, times
``duplicates.csv``     images with the same bytes, and images that look nearly alike
``failures.csv``       every image that could not be used, with its reason
``predictions.csv``    the test images: class as labelled and as predicted, probability
``report.html``        all of this as a page, with pictures
``store/``             the feature store, unless the run was told of another
=====================  ==========================================================================

What is in the folder belongs together. A command computes, removes what was made from that which it
is about to replace, and only then writes. So a job that is killed leaves files missing, and none
that is of other matrices or models than the rest. One job at a time writes to a folder.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from .. import __version__
from .best_recipe import Choice
from .counts import counted
from .extraction import Extraction
from .job import TEST, extract_source, training_images
from .memory import peak_bytes
from .names import feature_sets, model_name
from .parts import Part
from .persist import is_ours
from .predict import Prediction, find_images, predict_images
from .reader import Reader
from .recipe import Recipe, check_recipe, own_code_refused, recipe_of
from .recipe_file import recipe_text
from .remarks import differences, image_metrics, other_image_metrics, work_metrics
from .run_folder import DUPLICATES, FAILURES, PREDICTIONS, RECIPE, RESULTS
from .run_images import check_labels, given_sources, labelled_source, name_of, places_of
from .run_models import fingerprints, record_of_training
from .run_schema import IMAGES, METRICS, MODELS, RUN, identity_of
from .run_view import RunView
from .sources import SourceError, open_source
from .store.tables import seal_of
from .train import evaluate, train

__all__ = ["Prediction", "Run"]


class Run(RunView):
    """A run's folder and the stages that fill it.

    Parameters
    ----------
    folder : Path or str
    store : Path or str, optional
        Path or URL of the feature store, when several runs share it; ``folder/store`` otherwise.
    options : Options, optional
        How a job works: the number of workers, what is tried again, and so on.
    own : iterable of type
        Classes of your own that the files of the run may hold; classes of a recipe that is given
        here need not be named.

    Attributes
    ----------
    metrics : dict
        What ``metrics.json`` holds, such as ``metrics["classifiers"]["Softmax"]["test_accuracy"]``;
        empty before the first stage.
    """

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
            ``path_column``, ``label_column``, ``split_column`` and ``group_column`` name the
            columns of a manifest.

        Returns
        -------
        dict
            What ``metrics.json`` holds.
        """
        self._extract(train, test, recipe, columns, is_to_train=True)
        self.train()
        return self.evaluate()

    def extract(
        self, train: Any, test: Any = None, recipe: Recipe | None = None, **columns: str
    ) -> Extraction:
        """Compute the rows of all images; see :meth:`run`."""
        return self._extract(train, test, recipe, columns, is_to_train=False)

    def _extract(
        self,
        train: Any,
        test: Any,
        recipe: Recipe | None,
        columns: Mapping[str, str],
        *,
        is_to_train: bool,
    ) -> Extraction:
        recipe = Recipe() if recipe is None else check_recipe(recipe)
        self._models.own |= recipe.own_classes
        source, assign = labelled_source(train, test, recipe, columns)
        store = self.store
        self._files.check(source, store)
        with self._files.alone():
            options = replace(self.options, seed=recipe.seed)
            choice = Choice(recipe, options.progress)
            make = choice.make_features_to_train if is_to_train else choice.make_features
            extraction = extract_source(source, store, make, recipe.reader, options, assign)
            recipe = self._asked = choice.recipe
            extraction.work.recipe = choice.why
            extraction.sources = given_sources(train, test)
            record: dict[str, Any] = {
                "version": __version__,
                **places_of(train, test, columns, self._files.relative),
                "store": self._files.relative(store),
                "features": {name: ref.folder for name, ref in extraction.refs.items()},
                "hashes": extraction.hashes and extraction.hashes.folder,
                "recipe": asdict(recipe),
            }
            with self.options.progress.stage("write", None) as stage:
                self._replace(record, extraction)
                self._extraction = extraction
                self._models.write_features(store, extraction.refs, recipe.reader)
                self._files.files.write(RECIPE, recipe_text(recipe, commented=False).encode())
                stage.summary = "what became of the images, duplicates and failures"
            self._finish()
        return extraction

    def _replace(self, record: dict[str, Any], extraction: Extraction) -> None:
        """Write what the run is of; results of other images or features are removed first."""
        record["identity"] = identity_of(record["features"], extraction.images)
        record["images"] = seal_of(IMAGES, extraction.images)
        why = self._changes(record, extraction)
        if why == "":
            self.metrics = self._metrics_before() or self.metrics
            is_same = json.dumps(self.record()) == json.dumps(record)  # the order counts
            if is_same and self._files.are_sealed(self.metrics, FAILURES, DUPLICATES):
                self.metrics["images"]["decoded"] = extraction.work.decoded
                self.metrics |= work_metrics(extraction)
                return
        else:
            self._models.remember()
            stale = self._files.remove(*RESULTS, FAILURES, DUPLICATES, MODELS)
            if why and stale:
                self.options.progress.say("replaces", f"{', '.join(stale)} ({why})")
            self.metrics = {}
        seals = self._files.write_extraction(record, extraction)
        self.metrics["checksums"] = self.metrics.get("checksums", {}) | seals
        self.metrics |= image_metrics(extraction)

    def _changes(self, record: Mapping[str, Any], extraction: Extraction) -> str | None:
        """Return what differs from the run in the folder, or None where there is no such run."""
        try:
            before, images = self.record(), self._files.images()
        except ValueError:
            return None
        whys = differences(before["features"], record["features"])
        if identity_of({}, images) != identity_of({}, extraction.images):
            whys.append("images, labels, splits or groups changed")
        return "; ".join(whys)

    def train(self, recipe: Recipe | None = None) -> dict[str, Any]:
        """Train the classifiers, except those that were trained on the same rows before.

        Parameters
        ----------
        recipe : Recipe, optional
            Names other classifiers than those of the run; the rest of it is not used.
        """
        record = self.record()
        recipe = self._asked if recipe is None else check_recipe(recipe)
        if recipe is None:
            own = self._models.own
            recipe = own_code_refused(recipe_of(record), self.folder / RUN, own)
        self._models.own |= recipe.own_classes
        with self._files.alone():
            extraction = self._open_extraction()
            self._continue()
            check_labels(extraction)
            training = training_images(extraction.images)
            max_side = record["recipe"]["max_side"]
            recipe = Choice(recipe, self.options.progress).settle(training, max_side)
            made_from = fingerprints(recipe, extraction, record["features"])
            kept, report = self._models.kept(made_from)
            new = {n: c for n, c in recipe.make_classifiers().items() if n not in kept}
            self.metrics["trained"], self.metrics["kept"] = list(new), list(kept)
            if not new and self._models.are_of(list(recipe.classifiers)):
                self.options.progress.note("train", "nothing new")
                self.metrics["classifiers"] = self.metrics.get("classifiers", report)
                self._finish()
                return self.metrics
            models, said = self._trained(new, extraction)
            if kept:
                self.options.progress.say("kept", f"{', '.join(kept)} (same rows, labels, options)")
            models |= {name: model for of_one in kept.values() for name, model in of_one.items()}
            report = {name: (said | report)[name] for name in recipe.classifiers}
            why = self._models.changes(made_from)
            stale = self._files.remove(*RESULTS, MODELS)
            if why and set(stale) - {METRICS}:  # which a run wrote just now, after its images
                self.options.progress.say("replaces", f"{', '.join(stale)} ({why})")
            trained = record_of_training(recipe, extraction, record)
            self._models.write(models, {"made_from": made_from, "report": report, **trained})
            self.metrics["classifiers"] = report
            for of_models_before in ("other_tests", "other_images"):
                self.metrics.pop(of_models_before, None)
            self._finish()
        return self.metrics

    def _trained(
        self, classifiers: dict[str, Any], extraction: Extraction
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return classifiers trained on each set of features, and what to report of them."""
        if not classifiers:
            return {}, {}
        for classifier in classifiers.values():
            if is_ours(classifier) and "n_jobs" in classifier.get_params():
                classifier.set_params(n_jobs=self.options.n_jobs)
        return train(extraction, classifiers, self.options.progress, self.options.workers)

    def evaluate(self, test: Any = None, **columns: str) -> dict[str, Any]:
        """Score the trained classifiers on the test images of the run, or on others beside them.

        Parameters
        ----------
        test : str, Path or Source, optional
            Other labelled images; their scores are added to ``metrics["other_tests"]``, and to
            ``metrics["other_images"]`` how many failed or are among the training images.
        **columns : str
            As in :meth:`run`.
        """
        trained = self._models.record()
        models = self._load_models(trained)
        with self._files.alone():
            extraction, split = self._open_extraction(), TEST
            self._continue()
            if test is None and self._files.are_sealed(self.metrics, PREDICTIONS):
                self.options.progress.note("evaluate", "nothing new")
                return self.metrics
            if test is not None:
                extraction, split = self._extract_other(test, columns, trained), ""
            chosen = extraction.chosen(split or None)
            if not len(chosen):
                where = self.folder if test is None else name_of(test)
                raise SourceError(f"{where}: none of the test images can be used")
            scores, predictions = evaluate(
                extraction,
                models,
                trained["classifiers"],
                trained["classes"],
                self.options.progress,
                split or None,
                self.options.workers,
            )
            if test is None:
                kept = self.metrics.get("classifiers", trained["report"])
                self.metrics["classifiers"] = {n: kept.get(n, {}) | scores[n] for n in scores}
                seal = self._files.write_predictions(extraction, predictions)
                self.metrics["checksums"] = self.metrics.get("checksums", {}) | seal
            else:
                counts = other_image_metrics(extraction, self._files.images())
                self.metrics.setdefault("other_images", {})[name_of(test)] = counts
                self.metrics.setdefault("other_tests", {})[name_of(test)] = scores
            self._finish()
        return self.metrics

    def _load_models(self, trained: Mapping[str, Any]) -> dict[str, Any]:
        """Load the classifiers; those that no file can hold are trained again."""
        models = self._models.load()
        lost = set(trained["unsaved"]) - set(models)
        if lost:
            parts = trained["parts"].items()
            sets = feature_sets(list(trained["features"]))
            mine = {n: Part(**p) for n, p in parts if any(model_name(n, s) in lost for s in sets)}
            self.options.progress.note("train", f"{', '.join(mine)} again, which no file can hold")
            made = Recipe(classifiers=mine).make_classifiers()
            again, _ = train(self._open_extraction(), made, self.options.progress)
            models |= {name: again[name] for name in lost}
            self._models.hold({n: models[n] for n in trained["unsaved"]}, trained["made_from"])
        return models

    def _extract_other(
        self, test: Any, columns: Mapping[str, str], trained: Mapping[str, Any]
    ) -> Extraction:
        """Compute the rows of other images by the features of the run."""
        source = open_source(test, **columns)
        reader = Reader(*trained["reader"])
        features = self._models.load_features(trained)
        options = replace(self.options, is_learned=True)
        extraction = extract_source(source, self.store, lambda _: features, reader, options)
        if failed := extraction.images.filter(pc.equal(extraction.images["status"], "failed")):
            path, reason = (failed[column][0].as_py() for column in ("path", "reason"))
            lost = counted(failed.num_rows, "image cannot", "images cannot")
            self.options.progress.say("failed", f"{lost} be used, such as {path}: {reason}")
        unknown = sorted(set(extraction.labels().tolist()) - set(trained["classes"]))
        if unknown:
            raise SourceError(
                f"{source.name}: class {unknown[0]!r} is not among the training classes "
                f"({', '.join(trained['classes'])})"
            )
        return extraction

    def predict(
        self,
        images: Any,
        *,
        classifier: str | None = None,
        top: int = 1,
        min_probability: float | None = None,
    ) -> Iterator[Prediction]:
        """Return the classes of images by a classifier on all features, in the order of the images.

        Parameters
        ----------
        images : str, Path, Source, or an iterable of these or of ndarray
            Image files, globs, folders, or any other place of images.
        classifier : str, optional
            The first that gives probabilities, where it is left out. One that gives none orders the
            classes by its scores.
        top : int
            So many classes, the best first.
        min_probability : float, optional
            Classes that are less probable are left out; from 0 to 1.
        """
        if min_probability is not None and not 0 <= min_probability <= 1:
            raise ValueError(f"min_probability: expected 0 to 1, got {min_probability!r}")
        trained = self._models.record()
        reader = Reader(*trained["reader"])
        features = list(self._models.load_features(trained).values())
        self._load_models(trained)
        model = self._models.choose(trained, classifier)
        if self._models.record() != trained:
            raise ValueError(f"{self.folder}: a job replaces the models just now; predict again")
        if min_probability is not None and not hasattr(model, "predict_proba"):
            name = classifier or type(model).__name__
            raise ValueError(f"{name} gives no probabilities; choose a classifier that does")
        found = find_images(images)
        for prediction in predict_images(found, reader, features, model, top, self.options.n_jobs):
            yield prediction.at_least(min_probability) if min_probability else prediction

    def _write_page(self, write: Callable[..., None], file: Path | str) -> Path:
        self._load_models(self._models.record())
        return super()._write_page(write, file)

    def _finish(self) -> None:
        before = self.metrics.get("seconds", {})
        seconds = {k: round(v, 3) for k, v in self.options.progress.seconds.items()}
        self.metrics["seconds"] = before | seconds
        self.metrics["peak_rss_mb"] = round(peak_bytes() / 2**20, 1)
        self._files.files.write_record(METRICS, self.metrics, self.record()["identity"])
