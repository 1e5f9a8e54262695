"""Training over the rows of a store: the same models on any engine, in bounded memory."""

import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from visualwords.classifiers import PrimalDual, Softmax, placed
from visualwords.pipeline import train
from visualwords.pipeline.extraction import Extraction
from visualwords.pipeline.job import Options
from visualwords.pipeline.parts import Part
from visualwords.pipeline.progress import Progress
from visualwords.pipeline.recipe import Recipe
from visualwords.pipeline.run import Run
from visualwords.pipeline.sources import ArraySource
from visualwords.pipeline.store.files import open_folder
from visualwords.pipeline.store.rows import FeatureRows
from visualwords.pipeline.store.shards import write_shard

SOLVER = {"standardize": "parts", "solver": {"kind": "PrimalDual", "max_iter": 3}}
CLASSIFIERS = {name: Part(name, SOLVER) for name in ("Softmax", "LinearSVM")}
HOG = Part("HOG", {"pixels_per_cell": [4, 4], "image_size": [24, 24]})  # 900 columns
RECIPE = Recipe({"hog": HOG}, classifiers=CLASSIFIERS, test_size=0.1)


def labelled_images(n: int) -> ArraySource:
    """Noise with a pattern of its class in it."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, n)
    pixels = rng.integers(0, 120, (n, 24, 24, 3), np.uint8)
    for image, label in zip(pixels, labels, strict=True):
        image[6 * label : 6 * label + 9, ::4] += 60
    return ArraySource(pixels, labels.astype(str))


@pytest.mark.filterwarnings("ignore")
def test_every_engine_trains_the_same_models(tmp_path, monkeypatch, dask_cluster):
    monkeypatch.setattr(placed, "BLOCKS_OF_A_TASK", 1)
    monkeypatch.setattr(train, "IN_MEMORY_BYTES", 0)
    images, models = labelled_images(1400), {}
    Run(tmp_path / "first", store=tmp_path / "store").extract(images, None, RECIPE)
    with dask_cluster(n_workers=1, threads_per_worker=2) as cluster:
        for engine, scheduler in {
            "threads": None,
            "processes": None,
            "dask": cluster.scheduler_address,
        }.items():
            options = Options(2, engine=engine, scheduler=scheduler)
            run = Run(tmp_path / engine, store=tmp_path / "store", options=options)
            assert run.extract(images, None, RECIPE).work.decoded == 0
            run.train()
            files = sorted((tmp_path / engine / "models").glob("*-hog.npz"))
            models[engine] = [file.read_bytes() for file in files]
    assert len(models["threads"]) == 2
    assert models["processes"] == models["threads"]
    assert models["dask"] == models["threads"]


def stored_rows(folder: Path, n: int, n_columns: int) -> Extraction:
    """Return n rows of noise with labels, in the shards of a store."""
    store, rng = open_folder(folder), np.random.default_rng(0)
    raw = [i.to_bytes(16, "big") for i in range(n)]
    digests = np.frombuffer(b"".join(raw), "V16")
    for start in range(0, n, 1000):
        rows = rng.random((1000, n_columns), np.float32)
        write_shard(store, "noise-0", f"{start}", digests[start : start + 1000], rows, {})
    images = pa.table(
        {
            "digest": pa.array(raw, pa.binary()),
            "kind": pa.nulls(n, pa.string()),
            "status": ["ok"] * n,
            "split": ["train"] * n,
            "label": rng.choice(["a", "b"], n),
        }
    )
    features = {"noise": FeatureRows(store, "noise", "0")}
    return Extraction(images, features, {"noise": features["noise"].find(digests)})


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_memory_does_not_grow_with_the_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(train, "IN_MEMORY_BYTES", 0)
    n_columns, peaks = 128, []
    model = {"Softmax": Softmax(0.1, solver=PrimalDual(max_iter=4), n_jobs=1)}
    train.train(stored_rows(tmp_path / "first", 1000, n_columns), model, Progress())  # compiles
    for n in (8000, 32_000):
        extraction = stored_rows(tmp_path / str(n), n, n_columns)
        tracemalloc.start()
        train.train(extraction, model, Progress())
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    more = 24_000 * n_columns * 4
    assert peaks[1] - peaks[0] < more / 4


def test_what_is_true_of_all_models_of_a_classifier_is_told_once(tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (10, 8, 8, 3), np.uint8)
    training, test = (
        ArraySource(pixels[s], np.array(list("aaaabbabab"))[s])
        for s in (
            slice(0, 6),
            slice(6, 10),
        )
    )
    features = {f"hue{n}": Part("HueHistogram", {"n_bins": n}) for n in (3, 4)}
    search = Part("SoftmaxCV", {"alphas": [0.1, 1.0], "cv": 3, "standardize": True})
    run = Run(tmp_path / "run", options=Options(1))
    run.extract(training, test, Recipe(features, classifiers={"Softmax": search}))
    with pytest.warns(UserWarning, match="Softmax: 3 folds, and class b has 2 rows") as caught:
        run.train()
    assert len(caught) == 1


def test_too_many_folds_are_refused_before_an_image_is_described(tmp_path):
    images = labelled_images(30)
    search = Part("SoftmaxCV", {"alphas": [0.1, 1.0], "cv": 25})
    run = Run(tmp_path / "run", options=Options(1))
    with pytest.raises(ValueError, match="Search: cv=25: 25 folds need a class of 25 rows"):
        run.run(images, None, replace(RECIPE, classifiers={"Search": search}))
    assert not list((tmp_path / "run" / "store").glob("hog*"))
    run.extract(images, None, replace(RECIPE, classifiers={"Search": search}))  # trains nothing
    with pytest.raises(ValueError, match="Search: cv=25: 25 folds need a class of 25 rows"):
        run.train()
