"""Runs every compiled kernel on small inputs and saves what comes out.

No kernel may be compiled before, by an import.

``test_environments.py`` runs this file as a program, in an environment in which numba compiles
otherwise, and compares the results with those of its own process. The program then runs the tests
that its further arguments name.
"""

import gc
import importlib
import pkgutil
import sys

import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher
from sklearn.utils import get_tags

import visualwords
from visualwords.classifiers import (
    SGD,
    ColumnStack,
    CrammerSinger,
    DualAscent,
    InteriorPoint,
    LinearSVM,
    LinearSVMCV,
    PrimalDual,
    Softmax,
    SoftmaxCV,
)
from visualwords.classifiers.kernels.softmax import cross_entropy
from visualwords.features import (
    HOG,
    BagOfVisualWords,
    DensePatches,
    HueHistogram,
    KeypointPatches,
    PixelPatches,
    VisualVocabulary,
    hog_cells,
    near_duplicates,
)
from visualwords.features.words.codings import CODINGS
from visualwords.tests.features.test_common import FEATURES

CONVENTIONS = ("dalal", "skimage", "opencv", "uoctti", "cs231n")


def results():
    """Return the results of the kernels by name."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (6, 33, 39, 3), dtype=np.uint8)
    images[:, 8:24, 10:30] //= 4
    kinds = {
        "colour": images,
        "grey": images[:, :, :, 0].copy(),
        "float": (images / 255).astype(np.float32),
    }
    found = {}
    for kind, collection in kinds.items():
        for name, transformer in image_transformers().items():
            rows = transformer.fit_transform(collection)
            # Words that are learned have no order that holds in every environment.
            learns = get_tags(transformer).requires_fit
            found[f"{name}, {kind}"] = rows.sum(axis=1) if learns else rows
        for name, patches in patch_finders().items():
            found[f"{name}, {kind}"] = patches.transform(collection).values
    for convention in CONVENTIONS:
        found[f"cells, {convention}"] = hog_cells(images[0], convention=convention)
    found.update(words(images, rng))
    found["near duplicates"] = near_duplicates(found["hash, grey"].repeat(3, axis=0))[0]
    found.update(classifiers(rng))
    return found


def image_transformers():
    """Return every feature of the common tests, and more parameters of some."""
    transformers = {name: make() for name, (make, _) in FEATURES.items()} | {
        "hue cells": HueHistogram(36, 3, 2, achromatic="bin"),
        "hue votes": HueHistogram(50, 2, 3, weight="chroma", soft=True),
        "square roots": HOG(transform_sqrt=True),
        "signed": HOG(signed=True, block_norm="L1-sqrt"),
        "resized": HOG(image_size=(16, 24)),
    }
    for convention in CONVENTIONS:
        transformers[convention] = HOG(convention=convention)
    return transformers


def patch_finders():
    return {
        "grid": DensePatches(8, 4),
        "large patches": DensePatches(33, 5),
        "keypoints": KeypointPatches("fast", 20),
        "pixels": PixelPatches(4, 3),
    }


def words(images, rng):
    """Return what the vocabulary and the bags of words compute."""
    blobs = rng.normal(0, 1, (40, 1, 12)) + rng.normal(0, 0.01, (40, 15, 12))
    rows = blobs.reshape(-1, 12).astype(np.float32)
    vocabulary = VisualVocabulary(n_words=40).fit(rows)
    found = {
        "inertia": vocabulary.inertia_,
        "predict": vocabulary.words_[vocabulary.predict(rows)],
        "nearest": vocabulary.nearest(rows[:50], 5)[1],
        "distances": np.sort(vocabulary.transform(rows[:50])),
        "many rows": VisualVocabulary(1).fit(rng.normal(0, 1, (9000, 2))).inertia_,
        "batch": VisualVocabulary(n_words=40).partial_fit(rows).inertia_ >= 0,
    }
    for coding in CODINGS:
        bag = BagOfVisualWords(16, patches=DensePatches(8, 4), coding=coding)
        found[f"bag, {coding}"] = bag.fit_transform(images).sum(axis=1)
    return found


def classifiers(rng):
    """Return the scores of classifiers for the rows that they learn from, and of a search.

    The rows are float64, in which some solvers compute with any rows. So each kernel but one, which
    is for float32, is compiled once.
    """
    X = rng.normal(0, 1, (90, 12))
    y = np.repeat([0, 1, 2], 30)
    X[:, :3] += np.eye(3)[y]
    wide = rng.normal(0, 1, (40, 60))
    stack = ColumnStack([X[:, :5], X[:, 5:]])
    models = {
        "softmax": (Softmax(0.1), X, y),
        "two classes": (Softmax(0.1), X, y > 0),
        "standardised": (Softmax(0.1, standardize=True), X + 3, y),
        "softmax of parts": (Softmax(0.1, standardize="parts"), stack, y),
        "softmax by steps": (Softmax(0.1, solver=SGD(max_iter=5)), X, y),
        "softmax by folds": (SoftmaxCV(cv=3), X, y),
        "hinge": (LinearSVM(0.1), X, y),
        "hinge, standardised": (LinearSVM(0.1, standardize=True), X, y),
        "hinge of parts": (LinearSVM(0.1), stack, y),
        "hinge, few rows": (LinearSVM(0.1), wide, y[25:65]),
        "hinge, primal and dual": (LinearSVM(0.1, solver=PrimalDual(1e-6)), X, y),
        "hinge, interior point": (LinearSVM(0.1, solver=InteriorPoint()), X, y),
        "rounded hinge": (LinearSVM(0.1, loss=CrammerSinger(0.5)), X, y),
    }
    for loss in LinearSVM.losses:  # so near the optimum that rounding hardly moves the scores
        models[loss] = LinearSVM(0.1, loss=loss, solver=DualAscent(1e-6)), X, y
    found = {name: model.fit(X, y).decision_function(X) for name, (model, X, y) in models.items()}
    # The last fit starts where the folds ended, and stops within its tolerance somewhere else.
    found["hinge by folds"] = LinearSVMCV(cv=3, tol=1e-6).fit(X, y).scores_
    found["cross-entropy"] = cross_entropy(X[:, :3].astype(np.float32), y)[1]
    return found


def compiled_functions():
    """Return the functions of all modules that numba compiles, by name."""
    found = {}
    for package in ("features", "classifiers", "pipeline"):
        (folder,) = importlib.import_module(f"visualwords.{package}").__path__
        for module in pkgutil.walk_packages([folder], f"visualwords.{package}."):
            for name, value in vars(importlib.import_module(module.name)).items():
                if isinstance(value, Dispatcher):
                    found[f"{value.py_func.__module__}.{name}"] = value
    return found


if __name__ == "__main__":
    gc.disable()  # the compiler makes many objects, and little garbage
    functions = compiled_functions()
    early = [name for name, function in functions.items() if function.signatures]
    if early:
        sys.exit(f"{visualwords.__name__}: an import compiled {', '.join(sorted(early))}")
    np.savez(sys.argv[1], **results())
    kernels = [name for name, function in functions.items() if function.targetoptions.get("nogil")]
    idle = [name for name in kernels if not functions[name].signatures]
    if idle:
        sys.exit(f"{visualwords.__name__}: these kernels did not run: {', '.join(sorted(idle))}")
    sys.exit(pytest.main(["-q", "-x", "-p", "no:cacheprovider", *sys.argv[2:]]))
