"""The trained classifiers of a run, and the features that they take."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import numpy as np

from .. import __version__
from .extraction import Extraction
from .features import FeatureRef, describe_feature, load_feature
from .job import TRAIN
from .ledger import digests_of
from .names import feature_sets, model_name
from .own_code import check_allowed
from .own_source import code_of
from .parts import Part, nearest
from .persist import decode_estimator, describe_estimator, is_ours, save_estimator
from .reader import Reader
from .recipe import Recipe, recipe_of
from .remarks import differences
from .run_folder import RunFolder
from .run_schema import MODELS, RUN, SHAPES, check_classifier
from .store.descriptions import key_of
from .store.files import DamagedError, checksum, open_folder

__all__ = ["RunModels", "fingerprints", "record_of_training"]


def fingerprints(
    recipe: Recipe, extraction: Extraction, features: Mapping[str, str]
) -> dict[str, str]:
    """Return, for each classifier, a digest of all that decides what it learns.

    Parameters
    ----------
    recipe : Recipe
    extraction : Extraction
    features : mapping of str to str
        Name to folder in the store.
    """
    chosen = extraction.chosen(TRAIN)
    labels = extraction.images["label"].take(chosen).to_pylist()
    of_rows = hashlib.blake2b(digest_size=16)
    of_rows.update(json.dumps([__version__, features, labels]).encode())
    of_rows.update(digests_of(extraction.images.take(chosen))[0].tobytes())
    if (groups := extraction.groups(TRAIN)) is not None:
        of_rows.update(groups.tobytes())
    found = {}
    for name, classifier in recipe.make_classifiers().items():
        digest = of_rows.copy()
        digest.update(json.dumps(describe_estimator(classifier), sort_keys=True).encode())
        digest.update((code_of(classifier) or "").encode())
        found[name] = digest.hexdigest()
    return found


def record_of_training(
    recipe: Recipe, extraction: Extraction, run: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what ``models.json`` says of classifiers, and of the rows that they are trained on.

    Parameters
    ----------
    recipe : Recipe
    extraction : Extraction
    run : mapping
        What ``run.json`` holds.
    """
    return {
        "classes": np.unique(extraction.labels(TRAIN)).tolist(),
        "classifiers": list(recipe.classifiers),
        "parts": {name: asdict(part) for name, part in recipe.classifiers.items()},
        "features": run["features"],
        "columns": {name: extraction.matrix(name).shape[1] for name in extraction.features},
        "reader": [run["recipe"]["max_pixels"], run["recipe"]["max_side"]],
    }


def _saved(estimator: Any) -> bytes | None:
    """Return an estimator as bytes; None if it would not be the same when it is read again."""
    try:
        data = save_estimator(estimator)
        if not is_ours(estimator):
            again = decode_estimator(data, [type(estimator)])
            if save_estimator(again) != data:
                return None
    except (TypeError, ValueError):
        return None
    return data


def _sets(trained: Mapping[str, Any]) -> list[tuple[str, ...]]:
    return feature_sets(list(trained["features"]))


class RunModels:
    """The folder ``models`` of a run.

    Parameters
    ----------
    folder : RunFolder

    Attributes
    ----------
    own : set of type
        Classes that the user named, so that files may hold estimators of them.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self.own: set[type] = set()
        self._unsaved: dict[str, Any] = {}  # those that no file can hold
        self._unsaved_from: Mapping[str, str] = {}  # what they were made from
        self._before: dict[str, Any] = {}  # the record that was removed
        self._features: dict[str, Any] = {}  # of the user's own, as they were computed here

    def record(self) -> dict[str, Any]:
        """Return what ``models.json`` holds: what was trained, on what, and the files of it."""
        run = self._folder.record()
        with self._folder.naming(MODELS, "train"):
            trained = self._folder.files.read_record(MODELS, SHAPES[MODELS], run["identity"])
            names = {model_name(c, f) for c in trained["classifiers"] for f in _sets(trained)}
            is_whole = names == set(trained["files"]) | set(trained["unsaved"])
            of_classifiers = [set(trained[k]) for k in ("made_from", "report", "parts")]
            is_whole &= of_classifiers == [set(trained["classifiers"])] * 3
            is_ordered = trained["classes"] == sorted(set(trained["classes"]))
            if trained["features"] != run["features"] or not is_whole or not is_ordered:
                raise DamagedError("not of the features and classifiers of this run")
            return trained

    def write_features(self, store: str, refs: Mapping[str, FeatureRef], reader: Reader) -> None:
        """Write the features beside the models, so that prediction needs no store."""
        for name, ref in refs.items():
            feature = load_feature(open_folder(store), ref, reader)
            if (data := _saved(feature)) is not None:
                self._folder.files.write(f"models/{name}.npz", data)
            if ref.estimator is not None:
                self._features[name] = feature

    def hold(self, unsaved: Mapping[str, Any], made_from: Mapping[str, str]) -> None:
        """Keep in memory the models that no file can hold, as long as the record is theirs."""
        self._unsaved, self._unsaved_from = dict(unsaved), made_from

    def write(self, models: Mapping[str, Any], record: Mapping[str, Any]) -> None:
        """Write the trained classifiers as far as they can be kept, then the record of them."""
        saved = {name: _saved(model) for name, model in models.items()}
        files = {name: data for name, data in saved.items() if data is not None}
        unsaved = {name: model for name, model in models.items() if name not in files}
        self._remove_others({*files, *record["features"]})
        for name, data in files.items():
            self._folder.files.write(f"models/{name}.npz", data)
        seals = {name: checksum(name, data) for name, data in files.items()}
        sealed = {**record, "files": seals, "unsaved": list(unsaved)}
        self._folder.files.write_record(MODELS, sealed, self._folder.record()["identity"])
        self.hold(unsaved, record["made_from"])

    def _remove_others(self, names: Collection[str]) -> None:
        """Remove the files of models and features that the run no longer has."""
        for file in self._folder.files.names("models"):
            if file.endswith(".npz") and file.removesuffix(".npz") not in names:
                self._folder.files.remove(f"models/{file}")

    def remember(self) -> None:
        """Remember what was trained before the record of it is removed.

        The models stay in their files. Where other images are new than those that train, the next
        training finds them.
        """
        with suppress(ValueError):
            self._before = self.record()

    def are_of(self, classifiers: Sequence[str]) -> bool:
        """Tell whether the record is there and names just these classifiers, in this order."""
        with suppress(ValueError):
            return list(self.record()["classifiers"]) == classifiers
        return False

    def kept(
        self, wanted: Mapping[str, str]
    ) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
        """Return the models that need no training: they are there and sound, and of just this.

        Parameters
        ----------
        wanted : mapping of str to str
            Classifiers and their :func:`fingerprints`.

        Returns
        -------
        models : dict
            Classifier to its models by their names.
        report : dict
            Classifier to what was reported of its training.
        """
        trained = self._last()
        found: dict[str, dict[str, Any]] = {}
        for classifier in trained["classifiers"] if trained else ():
            if trained["made_from"][classifier] != wanted.get(classifier):
                continue
            with suppress(ValueError):  # a damaged model is trained again
                models = self._load_of(classifier, trained)
                if len(models) == len(_sets(trained)):
                    found[classifier] = models
        return found, {name: trained["report"][name] for name in found}

    def _last(self) -> dict[str, Any]:
        """Return the record of the last training, also one that was removed since; or nothing."""
        with suppress(ValueError):
            return self.record()
        return self._before

    def changes(self, wanted: Mapping[str, str]) -> str:
        """Return how classifiers, with their :func:`fingerprints`, differ from those before."""
        return "; ".join(differences(self._last().get("made_from", {}), wanted))

    def load(self) -> dict[str, Any]:
        """Return the trained classifiers by their names."""
        trained = self.record()
        models: dict[str, Any] = {}
        for classifier in trained["classifiers"]:
            models |= self._load_of(classifier, trained)
        return models

    def _load_of(self, classifier: str, trained: Mapping[str, Any]) -> dict[str, Any]:
        """Return the models of one classifier by their names, as far as they are kept."""
        part = Part(**trained["parts"][classifier])
        check_allowed({classifier: part}, self.own, str(self._folder.path / MODELS))
        unsaved = self._unsaved if self._unsaved_from == trained["made_from"] else {}
        models: dict[str, Any] = {}
        for names in _sets(trained):
            name = model_name(classifier, names)
            if name in unsaved:
                models[name] = unsaved[name]
            if name not in trained["files"]:
                continue
            with self._folder.naming(f"models/{name}.npz", "train"):
                data = self._folder.files.read(f"models/{name}.npz")
                if checksum(name, data) != trained["files"][name]:
                    raise DamagedError("the checksum is wrong")
                models[name] = decode_estimator(data, self.own)
                if is_ours(models[name]):
                    n_columns = sum(trained["columns"].get(feature, 0) for feature in names)
                    check_classifier(models[name], trained["classes"], n_columns)
        return models

    def load_features(
        self, trained: Mapping[str, Any], names: Sequence[str] | None = None
    ) -> dict[str, Any]:
        """Return the features that the models were trained on, all or those that are named."""
        reader, features = Reader(*trained["reader"]), {}
        parts = recipe_of(self._folder.record()).features
        chosen = [name for name in trained["features"] if names is None or name in names]
        parts = {name: parts[name] for name in chosen}
        check_allowed(parts, self.own, str(self._folder.path / RUN))
        for name in chosen:
            folder = trained["features"][name]
            file = f"models/{name}.npz"
            if name in self._features:
                features[name] = self._features[name]
                continue
            if ":" in parts[name].kind and not self._folder.files.exists(file):
                raise ValueError(
                    f"{name}: what this feature of your own learned is in no file, since it is "
                    "more than numbers, texts and arrays; run.evaluate and run.predict work where "
                    "run.extract was called"
                )
            with self._folder.naming(file, "run"):
                feature = decode_estimator(self._folder.files.read(file), self.own)
                if folder != f"{name}-{key_of(describe_feature(feature, reader))}":
                    raise DamagedError(
                        "not the feature that the models were trained on, or of another version"
                    )
            features[name] = feature
        return features

    def choose(self, trained: Mapping[str, Any], classifier: str | None) -> Any:
        """Return a classifier on all features: by its name, or one that gives probabilities."""
        together = _sets(trained)[-1]
        known: Sequence[str] = trained["classifiers"]
        if classifier is not None and classifier not in known:
            raise ValueError(f"no trained classifier {classifier!r}{nearest(classifier, known)}")
        models = self.load()
        found = [models[model_name(n, together)] for n in ([classifier] if classifier else known)]
        return next((model for model in found if hasattr(model, "predict_proba")), found[0])
