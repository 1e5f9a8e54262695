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

from .harness import race, row

CACHE = Path(tempfile.gettempdir()) / "visualwords-benchmarks"
ALPHA = 0.01
JOBS = 2
# Rows of the generated matrix to test on.
TEST_ROWS = 10_000
# Seconds after which a peer is given no more iterations.
PATIENCE = 30
# Numbers in a matrix up to which runs are repeated.
SMALL = 10**8


def report() -> None:
    warnings.simplefilter("ignore", ConvergenceWarning)
    for columns in (334, 1334):
        X, y, X_test, y_test = cifar(columns)
        one_pass(X, y)
        softmax(X, y, X_test, y_test, ("lbfgs", "newton-cg", "saga"))
        fewer = np.random.default_rng(0).permutation(len(y))[:10000]
        for loss in ("hinge", "crammer_singer"):
            hinge(X[fewer], y[fewer], X_test, y_test, loss, "crammer_singer")
        hinge(X, y, X_test, y_test, "hinge", "ovr")
        if columns == 334:
            epoch(scaled(X, X_test)[0], y)
    cross_validation()
    memory_map()
    X, y = (np.load(path) for path in generated())
    X, X_test, y, y_test = X[:-TEST_ROWS], X[-TEST_ROWS:], y[:-TEST_ROWS], y[-TEST_ROWS:]
    one_pass(X, y)
    softmax(X, y, X_test, y_test, ("lbfgs",))
    hinge(X, y, X_test, y_test, "hinge", "ovr", peer_rows=20000)
    epoch(X, y)


def one_pass(X: Any, y: Any) -> None:
    """A pass beside reading X once, and beside as many operations in sgemm.

    Reading is the maximum of each of 64 blocks: of NumPy's ways to touch every number the fastest
    (20 GB/s where sums reach 18, copies 8).
    """
    W = 0.01 * np.random.default_rng(0).normal(size=(10, X.shape[1] + 1))
    objective = Objective(X, y, CrossEntropy(), ALPHA, 10, n_jobs=JOBS)
    side = 256
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
    print(row(f"one pass, {shape(X)}", seconds["ours"], f"{slower} alone", seconds[slower], 0.5))


def softmax(X: Any, y: Any, X_test: Any, y_test: Any, solvers: tuple[str, ...]) -> None:
    """Seconds to a relative suboptimality of 1e-4; the peers' scaling of X is not counted.

    Each is run anew with a nearer tolerance, or more iterations, until it is as near; a peer only
    until a run has taken PATIENCE seconds.
    """
    Z, Z_test = scaled(X, X_test)
    objective = Objective(Z, y, CrossEntropy(), ALPHA, 10, n_jobs=JOBS)
    best = PrimalDual(tol=1e-6).minimize(objective, np.zeros(objective.shape)).value

    def excess(coef: Any, intercept: Any) -> float:
        return objective.value(np.column_stack([coef, intercept])) / best - 1

    scale = StandardScaler().fit(X)
    for tol in (3e-3, 1e-3, 3e-4):
        ours = Softmax(ALPHA, standardize=True, solver=PrimalDual(tol=tol), n_jobs=JOBS)
        _, seconds = timed(lambda ours=ours: ours.fit(X, y))
        W = ours.coef_ * scale.scale_, ours.intercept_ + ours.coef_ @ scale.mean_
        if excess(*W) <= 1e-4:
            break
    what = f"softmax to {excess(*W):.0e}, {shape(X)}"
    print(f"{what}: test accuracy {ours.score(X_test, y_test):.4f}")
    for solver in solvers:
        for max_iter in (3, 5, 10, 20, 40, 80, 160)[0 if X.size < SMALL else 2 :]:
            peer = LogisticRegression(
                C=1 / (len(y) * ALPHA), solver=solver, max_iter=max_iter, tol=1e-10
            )
            _, theirs = timed(lambda peer=peer: peer.fit(Z, y))
            reached = excess(peer.coef_, peer.intercept_)
            if reached <= 1e-4 or theirs > PATIENCE:
                break
        name = f"LogisticRegression {solver} {max_iter} it."
        print(row(what, seconds, name, theirs, 5))
        print(f"    {name}: {reached:.0e}, test accuracy {peer.score(Z_test, y_test):.4f}")


def hinge(
    X: Any,
    y: Any,
    X_test: Any,
    y_test: Any,
    loss: str,
    multi_class: str,
    peer_rows: int | None = None,
) -> None:
    """Seconds to a proven relative gap of 1e-3; LinearSVC to its own tolerance.

    With ``peer_rows`` LinearSVC, which would take minutes, is given so many rows only.
    """
    Z, Z_test = scaled(X[:peer_rows], X_test)
    ours, seconds = timed(
        lambda: LinearSVM(ALPHA, loss=loss, standardize=True, n_jobs=JOBS).fit(X, y)
    )
    svc = LinearSVC(C=1 / (len(Z) * ALPHA), multi_class=multi_class)
    _, theirs = timed(lambda: svc.fit(Z, y[: len(Z)]))
    gap = ours.gap_ / ours.loss_curve_[-1]
    what = f"{loss} to a proven {gap:.0e}, {shape(X)}"
    peer = f"LinearSVC {multi_class}" + (f", {peer_rows:,} rows" if peer_rows else "")
    print(row(what, seconds, peer, theirs, None if peer_rows else 5))
    accuracies = ours.score(X_test, y_test), svc.score(Z_test, y_test)
    print("    test accuracy {:.4f}, LinearSVC {:.4f}".format(*accuracies))


def epoch(X: Any, y: Any) -> None:
    ours = Softmax(ALPHA, solver=SGD(schedule="constant"), n_jobs=1)
    peer = SGDClassifier("log_loss", alpha=ALPHA, random_state=0)
    classes = np.unique(y)
    seconds = race(
        {
            "ours": lambda: ours.partial_fit(X, y, classes),
            "peer": lambda: peer.partial_fit(X, y, classes),
        },
        repeats=3 if X.size < SMALL else 1,
        warm_up=X.size < SMALL,
    )
    what = f"one epoch of SGD, {shape(X)}"
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
    (seconds, *mapped), (inside, *loaded) = outcomes
    what = f"{size / 2**20:.0f} MiB memory map, {size / 2**22:.0f} MiB of memory allowed"
    print(row(what, float(seconds), "the same in memory", float(inside)))
    print(row(what, float(seconds), "reading the file once from disk", read_from_disk(path)))
    difference = np.abs(np.array(mapped, float) - np.array(loaded, float)).max()
    print(f"    largest difference of weights {difference:.0e}")


def train_limited(path: str, limit: int) -> None:
    """Print seconds to train, and the weights; a memory map begins with nothing of it in memory."""
    y = np.load(path.replace("X.npy", "y.npy"))
    if limit:
        status = Path("/proc/self/status").read_text()
        already = 1024 * int(status.split("VmData:")[1].split()[0])
        resource.setrlimit(resource.RLIMIT_DATA, (already + limit, already + limit))
        forget(path)
    X = np.load(path, mmap_mode="r" if limit else None)
    model, seconds = timed(lambda: Softmax(ALPHA, n_jobs=JOBS).fit(X, y))
    print(seconds, *model.coef_.ravel())


def read_from_disk(path: Path) -> float:
    """Seconds to read a file of which nothing is in memory."""
    forget(path)
    buffer = bytearray(2**23)
    with path.open("rb", buffering=0) as file:
        return timed(lambda: all(iter(lambda: file.readinto(buffer), 0)))[1]


def forget(path: str | Path) -> None:
    """Have the system drop what it keeps of a file in memory."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def shape(X: Any) -> str:
    return f"{X.shape[0]:,} x {X.shape[1]:,}"


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
