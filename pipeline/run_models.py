"""The trained classifiers of a run, and the features that they take."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from .. import __version__
from .extraction import Extraction
from .features import FeatureRef, describe_feature, load_feature
from .job import TRAIN
from .ledger import digests_of
from .parts import nearest
from .persist import decode_estimator, describe_estimator, is_ours, save_estimator
from .reader import Reader
from .recipe import Recipe
from .run_folder import RunFolder
from .run_schema import MODELS, SHAPES, check_classifier
from .store.descriptions import key_of
from .store.files import DamagedError, checksum, open_folder
from .train import feature_sets, model_name

__all__ = ["RunModels", "fingerprint"]


def fingerprint(recipe: Recipe, extraction: Extraction, features: Mapping[str, str]) -> str:
    """Return a digest of all that decides the trained classifiers.

    Parameters
    ----------
    recipe : Recipe
    extraction : Extraction
    features : mapping of str to str
        Name to folder in the store.
    """
    digest = hashlib.blake2b(digest_size=16)
    chosen = extraction.chosen(TRAIN)
    said = {
        "version": __version__,
        "classifiers": {n: describe_estimator(c) for n, c in recipe.make_classifiers().items()},
        "features": features,
        "labels": extraction.images["label"].take(chosen).to_pylist(),
    }
    digest.update(json.dumps(said, sort_keys=True).encode())
    digest.update(digests_of(extraction.images.take(chosen))[0].tobytes())
    return digest.hexdigest()


def _sets(trained: Mapping[str, Any]) -> list[tuple[str, ...]]:
    return feature_sets(list(trained["features"]))


class RunModels:
    """The folder ``models`` of a run.

    Parameters
    ----------
    folder : RunFolder

    Attributes
    ----------
    unsaved : dict of str to estimator
        Trained classifiers of the user's own, which are in no file.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self.unsaved: dict[str, Any] = {}

    def record(self) -> dict[str, Any]:
        """Return what ``models.json`` holds: what was trained, on what, and the files of it."""
        run = self._folder.record()
        with self._folder.naming(MODELS, "train"):
            trained = self._folder.files.read_record(MODELS, SHAPES[MODELS], run["identity"])
            names = {model_name(c, f) for c in trained["classifiers"] for f in _sets(trained)}
            is_whole = names == set(trained["files"]) | set(trained["unsaved"])
            is_ordered = trained["classes"] == sorted(set(trained["classes"]))
            if trained["features"] != run["features"] or not is_whole or not is_ordered:
                raise DamagedError("not of the features and classifiers of this run")
            return trained

    def write_features(self, store: str, refs: Mapping[str, FeatureRef], reader: Reader) -> None:
        """Write the features beside the models, so that prediction needs no store."""
        for name, ref in refs.items():
            if ref.estimator is None:
                feature = load_feature(open_folder(store), ref, reader)
                self._folder.files.write(f"models/{name}.npz", save_estimator(feature))

    def write(self, models: Mapping[str, Any], record: Mapping[str, Any]) -> None:
        """Write the trained classifiers of this package, then the record that seals them."""
        self.unsaved = {name: m for name, m in models.items() if not is_ours(m)}
        files = {name: save_estimator(m) for name, m in models.items() if is_ours(m)}
        for name, data in files.items():
            self._folder.files.write(f"models/{name}.npz", data)
        seals = {name: checksum(name, data) for name, data in files.items()}
        sealed = {**record, "files": seals, "unsaved": list(self.unsaved)}
        self._folder.files.write_record(MODELS, sealed, self._folder.record()["identity"])

    def are_of(self, made_from: str) -> bool:
        """Tell whether the classifiers are there and sound, and were trained on just this."""
        try:
            trained = self.record()
            is_lost = set(trained["unsaved"]) - set(self.unsaved)
            return trained["made_from"] == made_from and not is_lost and bool(self.load())
        except ValueError:
            return False

    def load(self) -> dict[str, Any]:
        """Return the trained classifiers by their names."""
        trained, models = self.record(), {}
        for names in _sets(trained):
            n_columns = sum(trained["columns"].get(name, 0) for name in names)
            for classifier in trained["classifiers"]:
                name = model_name(classifier, names)
                if name not in trained["files"]:
                    continue
                with self._folder.naming(f"models/{name}.npz", "train"):
                    data = self._folder.files.read(f"models/{name}.npz")
                    if checksum(name, data) != trained["files"][name]:
                        raise DamagedError("the checksum is wrong")
                    models[name] = decode_estimator(data)
                    check_classifier(models[name], trained["classes"], n_columns)
        return models | self.unsaved

    def load_features(self, trained: Mapping[str, Any]) -> dict[str, Any]:
        """Return the features that the models were trained on, and no others."""
        reader, features = Reader(*trained["reader"]), {}
        for name, folder in trained["features"].items():
            file = f"models/{name}.npz"
            if ":" in self._folder.record()["recipe"]["features"].get(name, {}).get("kind", ""):
                raise ValueError(
                    f"{name}: a feature of your own is not kept in a run's folder, so that only "
                    "the images of the run can be scored, by `visualwords run` and `evaluate`"
                )
            with self._folder.naming(file, "run"):
                feature = decode_estimator(self._folder.files.read(file))
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
        found = [
            models.get(model_name(n, together)) for n in ([classifier] if classifier else known)
        ]
        found = [model for model in found if model is not None]
        if not found:
            raise ValueError(
                f"{self._folder.path}: no classifier in it was kept; see `visualwords run`"
            )
        return next((model for model in found if hasattr(model, "predict_proba")), found[0])
