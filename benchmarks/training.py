"""Training: solvers beside scikit-learn's, on features of CIFAR-10 and on a generated matrix.

``VISUALWORDS_DATA`` names the folder with ``cifar10/{train,test}/<class>/*.png``. The features are
computed once and kept in the system's temporary folder.
"""

import os
import resource
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import cv2
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from visualwords.classifiers import (
    SGD,
    CrossEntropy,
    LinearSVM,
    Objective,
    PrimalDual,
    Softmax,
    SoftmaxCV,
)
from visualwords.features import HOG, BagOfVisualWords, HueHistogram
from visualwords.threads import worker_threads

from .harness import race, row

CACHE = Path(tempfile.gettempdir()) / "visualwords-benchmarks"
ALPHA = 0.01
JOBS = 2


def report() -> None:
    warnings.simplefilter("ignore", ConvergenceWarning)
    for columns in (334, 1334):
        one_pass(columns)
        softmax(columns)
        hinge(columns)
    epoch()
    cross_validation()
    memory_map()


def one_pass(columns: int) -> None:
    X, y, _, _ = cifar(columns)
    W = 0.01 * np.random.default_rng(0).normal(size=(10, columns + 1))
    objective = Objective(X, y, CrossEntropy(), ALPHA, 10, n_jobs=JOBS)
    side = 1024
    a = np.ones((side, side), np.float32)
    n_products = round(2 * X.size * 10 / side**3)
    with objective:
        seconds = race(
            {
                "ours": lambda: objective(W),
                "read": lambda: list(objective.map(np.max, np.array_split(X, 64))),
                "flops": lambda: list(objective.map(lambda _: a @ a, range(n_products))),
            }
        )
    slower = max(("read", "flops"), key=lambda name: seconds[name])
    what = f"one pass, value and gradient, {len(y):,} x {columns}"
    print(row(what, seconds["ours"], f"the same {slower} alone", seconds[slower], 0.5))


def softmax(columns: int) -> None:
    """Seconds to a relative suboptimality of 1e-4; the peers' scaling of X is not counted."""
    X, y, X_test, y_test = cifar(columns)
    Z, Z_test = scaled(X, X_test)
    objective = Objective(Z, y, CrossEntropy(), ALPHA, 10, n_jobs=JOBS)
    best = PrimalDual(tol=1e-6).minimize(objective, np.zeros(objective.shape)).value

    def excess(coef: Any, intercept: Any) -> float:
        return objective.value(np.column_stack([coef, intercept])) / best - 1

    ours, seconds = timed(
        lambda: Softmax(ALPHA, standardize=True, solver=PrimalDual(tol=3e-3), n_jobs=JOBS).fit(X, y)
    )
    scale = StandardScaler().fit(X)
    W = ours.coef_ * scale.scale_, ours.intercept_ + ours.coef_ @ scale.mean_
    what = f"softmax to {excess(*W):.0e}, {len(y):,} x {columns}"
    print(f"{what}: test accuracy {ours.score(X_test, y_test):.4f}")
    for solver in ("lbfgs", "newton-cg"):
        for max_iter in (3, 5, 10, 20, 40, 80, 160):
            peer = LogisticRegression(
                C=1 / (len(y) * ALPHA), solver=solver, max_iter=max_iter, tol=1e-10
            )
            _, theirs = timed(lambda peer=peer: peer.fit(Z, y))
            reached = excess(peer.coef_, peer.intercept_)
            if reached <= 1e-4:
                break
        name = f"LogisticRegression {solver} {max_iter} it."
        print(row(what, seconds, name, theirs, 5))
        print(f"    {name}: {reached:.0e}, test accuracy {peer.score(Z_test, y_test):.4f}")


def hinge(columns: int) -> None:
    """Seconds to a proven relative gap of 1e-3; LinearSVC to its own tolerance."""
    X, y, X_test, y_test = cifar(columns)
    Z, Z_test = scaled(X, X_test)
    fewer = np.random.default_rng(0).permutation(len(y))[:10000]
    for rows, loss, multi_class in (
        (fewer, "hinge", "crammer_singer"),
        (fewer, "crammer_singer", "crammer_singer"),
        (np.arange(len(y)), "hinge", "ovr"),
    ):
        A, B, labels = X[rows], Z[rows], y[rows]
        model = LinearSVM(
            ALPHA, loss=loss, standardize=True, solver=PrimalDual(tol=1e-3), n_jobs=JOBS
        )
        ours, seconds = timed(lambda model=model, A=A, labels=labels: model.fit(A, labels))
        svc = LinearSVC(C=1 / (len(rows) * ALPHA), multi_class=multi_class)
        peer, theirs = timed(lambda svc=svc, B=B, labels=labels: svc.fit(B, labels))
        gap = ours.gap_ / ours.loss_curve_[-1]
        what = f"{loss} to a proven {gap:.0e}, {len(rows):,} x {columns}"
        print(row(what, seconds, f"LinearSVC {multi_class}", theirs, 5))
        accuracies = ours.score(X_test, y_test), peer.score(Z_test, y_test)
        print("    test accuracy {:.4f}, LinearSVC {:.4f}".format(*accuracies))


def epoch() -> None:
    X, y, X_test, _ = cifar(334)
    Z, _ = scaled(X, X_test)
    ours = Softmax(ALPHA, solver=SGD(schedule="constant"), n_jobs=1)
    peer = SGDClassifier("log_loss", alpha=ALPHA, random_state=0)
    classes = np.unique(y)
    seconds = race(
        {
            "ours": lambda: ours.partial_fit(Z, y, classes),
            "peer": lambda: peer.partial_fit(Z, y, classes),
        },
        repeats=3,
    )
    what = f"one epoch of SGD, {len(y):,} x 334"
    print(row(what, seconds["ours"], "SGDClassifier.partial_fit", seconds["peer"], 8))


def cross_validation() -> None:
    X, y, X_test, _ = cifar(334)
    Z, _ = scaled(X, X_test)
    alphas = np.geomspace(1e-3, 1, 10).round(5).tolist()
    _, single = timed(lambda: Softmax(ALPHA, standardize=True, n_jobs=JOBS).fit(X, y))
    search, all_rows = timed(lambda: SoftmaxCV(alphas, standardize=True, n_jobs=JOBS).fit(X, y))
    print(row("10 penalties x 5 folds, 50,000 x 334", all_rows, "6 fits of ours", 6 * single, 1))
    rows = np.random.default_rng(0).permutation(len(y))[:10000]
    search, seconds = timed(
        lambda: SoftmaxCV(alphas, standardize=True, n_jobs=JOBS).fit(X[rows], y[rows])
    )
    grid = GridSearchCV(
        LogisticRegression(max_iter=200),
        {"C": [1 / (0.8 * len(rows) * alpha) for alpha in alphas]},
        cv=5,
        n_jobs=JOBS,
    )
    _, theirs = timed(lambda: grid.fit(Z[rows], y[rows]))
    print(row("10 penalties x 5 folds, 10,000 x 334", seconds, "GridSearchCV lbfgs", theirs, 10))
    best = search.scores_.mean(axis=1).max(), grid.best_score_
    print("    best mean score {:.4f}, GridSearchCV {:.4f}".format(*best))


def memory_map() -> None:
    """Train in a process that may allocate a quarter of the matrix, and in one that may more."""
    path, _ = generated()
    size = path.stat().st_size
    outcomes = []
    for limit in (size // 4, 0):
        command = [sys.executable, "-m", "benchmarks.training", str(path), str(limit)]
        result = subprocess.run(command, capture_output=True, text=True, check=True)
        outcomes.append(result.stdout.split())
    (seconds, read, *mapped), (inside, _, *loaded) = outcomes
    what = f"{size / 2**20:.0f} MiB memory map, {size / 2**22:.0f} MiB of memory allowed"
    print(row(what, float(seconds), "the same in memory", float(inside)))
    difference = np.abs(np.array(mapped, float) - np.array(loaded, float)).max()
    print(f"    largest difference of weights {difference:.0e}; reading the file {read} s")


def train_limited(path: str, limit: int) -> None:
    """Print seconds to train, seconds to read the file, and the weights."""
    y = np.load(path.replace("X.npy", "y.npy"))
    if limit:
        status = Path("/proc/self/status").read_text()
        already = 1024 * int(status.split("VmData:")[1].split()[0])
        resource.setrlimit(resource.RLIMIT_DATA, (already + limit, already + limit))
    X = np.load(path, mmap_mode="r" if limit else None)
    start = perf_counter()
    with worker_threads(JOBS) as map_:
        list(map_(lambda block: block.max(), np.array_split(X, 256)))
    read = perf_counter() - start
    model, seconds = timed(lambda: Softmax(ALPHA, n_jobs=JOBS).fit(X, y))
    print(seconds, f"{read:.3g}", *model.coef_.ravel())


def timed(function: Callable[[], Any]) -> tuple[Any, float]:
    start = perf_counter()
    result = function()
    return result, perf_counter() - start


def scaled(X: Any, X_test: Any) -> tuple[Any, Any]:
    scaler = StandardScaler().fit(X)
    return scaler.transform(X), scaler.transform(X_test)


def generated() -> tuple[Path, Path]:
    """Files of a 400,000 x 1,000 matrix of noise about ten centres, and of its labels."""
    folder = CACHE / "generated"
    paths = folder / "X.npy", folder / "y.npy"
    if not paths[1].exists():
        folder.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(0)
        y = rng.integers(0, 10, 400_000)
        centres = 0.1 * rng.normal(size=(10, 1000)).astype(np.float32)
        X = np.lib.format.open_memmap(paths[0], "w+", np.float32, (len(y), 1000))
        for start in range(0, len(y), 4000):
            rows = slice(start, start + 4000)
            X[rows] = rng.standard_normal((4000, 1000), np.float32) + centres[y[rows]]
        X.flush()
        np.save(paths[1], y)
    return paths


def cifar(columns: int) -> tuple[Any, Any, Any, Any]:
    """Matrices and labels of train and test: hue and HOG (334), and words besides (1,334)."""
    folder = CACHE / "cifar10"
    if not (folder / "y_test.npy").exists():
        folder.mkdir(parents=True, exist_ok=True)
        _describe_cifar(folder)
    names = ("X_train", "y_train", "X_test", "y_test")
    X, y, X_test, y_test = (np.load(folder / f"{name}.npy") for name in names)
    return (
        np.ascontiguousarray(X[:, :columns]),
        y,
        np.ascontiguousarray(X_test[:, :columns]),
        y_test,
    )


def _describe_cifar(folder: Path) -> None:
    root = Path(os.environ["VISUALWORDS_DATA"]) / "cifar10"
    features = [HueHistogram(n_jobs=JOBS), HOG(n_jobs=JOBS), BagOfVisualWords(n_jobs=JOBS)]
    for split in ("train", "test"):
        files = sorted((root / split).glob("*/*.png"))
        images = np.stack([cv2.imread(str(file))[:, :, ::-1] for file in files])
        if split == "train":
            for feature in features:
                feature.fit(images)
        np.save(folder / f"X_{split}.npy", np.hstack([f.transform(images) for f in features]))
        classes = sorted({file.parent.name for file in files})
        np.save(folder / f"y_{split}.npy", [classes.index(file.parent.name) for file in files])


if __name__ == "__main__":
    train_limited(sys.argv[1], int(sys.argv[2]))
