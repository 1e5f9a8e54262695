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
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from visualwords.classifiers import (
    SGD,
    CrossEntropy,
    LinearSVM,
    LinearSVMCV,
    Objective,
    PrimalDual,
    Softmax,
    SoftmaxCV,
)
from visualwords.features import HOG, BagOfVisualWords, HueHistogram

from .harness import cifar_folder, race, row

CACHE = Path(tempfile.gettempdir()) / "visualwords-benchmarks"
ALPHA = 0.01
ALPHAS = np.geomspace(1e-3, 1, 10).round(5).tolist()
JOBS = 2
# Rows of the generated matrix to test on.
TEST_ROWS = 10_000
# Relative suboptimality to which softmax is trained, and what our solver's tolerance is tried at.
NEAR = 1e-4
TOLERANCES = (1e-2, 5e-3, 3e-3, 2e-3, 1e-3, 7e-4, 5e-4, 3e-4)
# Seconds that a peer's run may take.
PATIENCE = 30
# Numbers in a matrix up to which runs are repeated.
SMALL = 10**8
# The largest difference of accuracies that are counted as equal.
ALIKE = 0.002


def report() -> None:
    warnings.simplefilter("ignore", ConvergenceWarning)
    for columns in (334, 1334):
        X, y, X_test, y_test = cifar(columns)
        one_pass(X, y)
        softmax(X, y, X_test, y_test)
        fewer = np.random.default_rng(0).permutation(len(y))[:10000]
        hinge(X[fewer], y[fewer], X_test, y_test, "crammer_singer", ("crammer_singer", "hinge"))
        hinge(X, y, X_test, y_test, "ovr", ("hinge",))
        if columns == 334:
            epoch(scaled(X, X_test)[0], y)
    own_fits()
    grid_search()
    memory_map()
    X, y = (np.load(path) for path in generated())
    X, X_test, y, y_test = X[:-TEST_ROWS], X[-TEST_ROWS:], y[:-TEST_ROWS], y[-TEST_ROWS:]
    one_pass(X, y)
    softmax(X, y, X_test, y_test)
    hinge(X, y, X_test, y_test, "ovr", ("hinge",), peer_rows=20000)
    epoch(X, y)


def one_pass(X: Any, y: Any) -> None:
    """Time one pass beside reading X once, and beside as many operations in sgemm.

    X is read by the maximum of each of 64 blocks. This is NumPy's fastest way to read every number:
    20 GB/s, where sums reach 18 and copies 8.
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


def softmax(X: Any, y: Any, X_test: Any, y_test: Any) -> None:
    """Seconds to a relative suboptimality of NEAR, beside the best solver of LogisticRegression.

    Each is run anew with a nearer tolerance, or other numbers of iterations, for the first or the
    fewest that are as near; a peer stops when its next run would take longer than PATIENCE, and
    its ratio is a lower bound then. The peers' scaling of X is not counted. "newton-cholesky" is
    left out: one step of it takes as long on 334 columns as all of "lbfgs".
    """
    Z, Z_test = scaled(X, X_test)
    objective = Objective(Z, y, CrossEntropy(), ALPHA, 10, n_jobs=JOBS)
    best = PrimalDual(tol=1e-6).minimize(objective, np.zeros(objective.shape)).value
    scale = StandardScaler().fit(X)

    def excess(coef: Any, intercept: Any) -> float:
        return objective.value(np.column_stack([coef, intercept])) / best - 1

    for tol in TOLERANCES:
        ours = Softmax(ALPHA, standardize=True, solver=PrimalDual(tol=tol), n_jobs=JOBS).fit(X, y)
        reached = excess(ours.coef_ * scale.scale_, ours.intercept_ + ours.coef_ @ scale.mean_)
        if reached <= NEAR:
            break
    seconds = race({"ours": lambda: ours.fit(X, y)}, 5 if X.size < SMALL else 3, False)["ours"]
    accuracy, what = ours.score(X_test, y_test), f"softmax to {reached:.0e}, {shape(X)}"
    theirs = {}
    for solver in ("lbfgs", "newton-cg", "saga"):
        peer, theirs[solver], reached = fewest_iterations(
            LogisticRegression(C=1 / (len(y) * ALPHA), solver=solver, tol=1e-10), Z, y, excess
        )
        name = f"LogisticRegression {solver} {peer.max_iter} it."
        print(row(what, seconds, name, theirs[solver]))
        if reached <= NEAR:
            print(f"    to {reached:.0e}, {agreement(accuracy, peer.score(Z_test, y_test))}")
        else:
            print(f"    stopped at {reached:.0e}: the ratio is a lower bound")
    best_peer = min(theirs, key=lambda solver: theirs[solver])
    print(row(what, seconds, f"the best of these, {best_peer}", theirs[best_peer], 5))


def fewest_iterations(
    peer: LogisticRegression, Z: Any, y: Any, excess: Callable[[Any, Any], float]
) -> tuple[LogisticRegression, float, float]:
    """Fit with the fewest iterations that come as near as NEAR, or as many as PATIENCE allows.

    Numbers of iterations are doubled, then halved between; at last to an eighth.
    """
    runs: dict[int, tuple[LogisticRegression, float, float]] = {}
    low, high, n = 0, 0, 2
    while not high or high - low > max(1, high // 8):
        attempt = clone(peer).set_params(max_iter=n)
        _, seconds = timed(lambda attempt=attempt: attempt.fit(Z, y))
        runs[n] = attempt, seconds, excess(attempt.coef_, attempt.intercept_)
        if runs[n][2] <= NEAR:
            high = n
        elif not high and 2 * seconds > PATIENCE:
            return runs[n]
        else:
            low = n
        n = (low + high) // 2 if high else 2 * n
    return runs[high]


def agreement(ours: float, theirs: float) -> str:
    """Return a sentence with both accuracies and whether they are counted as equal."""
    verdict = "ok" if round(abs(ours - theirs), 6) <= ALIKE else "MISSED"
    return f"test accuracy {ours:.4f} and {theirs:.4f}: within {ALIKE:g} {verdict}"


def hinge(
    X: Any,
    y: Any,
    X_test: Any,
    y_test: Any,
    multi_class: str,
    losses: tuple[str, ...],
    peer_rows: int | None = None,
) -> None:
    """Seconds to a proven relative gap of 1e-3; LinearSVC to its own tolerance.

    With ``peer_rows`` LinearSVC, which would take minutes, is given so many rows only. Accuracies
    can be expected to agree where the loss is the same, Crammer and Singer's.
    """
    Z, Z_test = scaled(X[:peer_rows], X_test)
    svc = LinearSVC(C=1 / (len(Z) * ALPHA), multi_class=multi_class)
    _, theirs = timed(lambda: svc.fit(Z, y[: len(Z)]))
    accuracy = svc.score(Z_test, y_test)
    for loss in losses:
        ours, seconds = timed(
            lambda loss=loss: LinearSVM(ALPHA, loss=loss, standardize=True, n_jobs=JOBS).fit(X, y)
        )
        gap = ours.gap_ / ours.loss_curve_[-1]
        what = f"{loss} to a proven {gap:.0e}, {shape(X)}"
        peer = f"LinearSVC {multi_class}" + (f", {peer_rows:,} rows" if peer_rows else "")
        print(row(what, seconds, peer, theirs, None if peer_rows else 5))
        reached = ours.score(X_test, y_test)
        if loss == multi_class:
            print(f"    {agreement(reached, accuracy)}")
        else:
            print(f"    test accuracy {reached:.4f}, LinearSVC, by another loss, {accuracy:.4f}")


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


def own_fits() -> None:
    """Time ten penalties and five folds beside six single fits."""
    X, y, _, _ = cifar(334)
    for single, search in ((Softmax, SoftmaxCV), (LinearSVM, LinearSVMCV)):
        one = single(ALPHA, standardize=True, n_jobs=JOBS)
        many = search(ALPHAS, standardize=True, n_jobs=JOBS)
        seconds = race(
            {"one": lambda one=one: one.fit(X, y), "many": lambda many=many: many.fit(X, y)}, 5
        )
        what = f"{search.__name__}, 10 penalties x 5 folds, {shape(X)}"
        target = 1 if search is SoftmaxCV else None
        peer = f"6 fits of {single.__name__}"
        print(row(what, seconds["many"], peer, 6 * seconds["one"], target))


def grid_search() -> None:
    """Time ten penalties and five folds beside GridSearchCV; its scaling of X is not timed."""
    X, y, X_test, _ = cifar(334)
    rows = np.random.default_rng(0).permutation(len(y))[:10000]
    Z, y = scaled(X, X_test)[0][rows], y[rows]
    search = SoftmaxCV(ALPHAS, standardize=True, n_jobs=JOBS)
    seconds = race({"ours": lambda: search.fit(X[rows], y)}, 5)["ours"]
    for solver in ("lbfgs", "newton-cg"):
        grid = GridSearchCV(
            LogisticRegression(solver=solver, max_iter=200),
            {"C": [1 / (0.8 * len(rows) * alpha) for alpha in ALPHAS]},
            cv=5,
            n_jobs=JOBS,
        )
        _, theirs = timed(lambda grid=grid: grid.fit(Z, y))
        what = "SoftmaxCV, 10 penalties x 5 folds, 10,000 x 334"
        print(row(what, seconds, f"GridSearchCV {solver}", theirs, 10))
        difference = search.scores_.mean(axis=1) - grid.cv_results_["mean_test_score"]
        print(f"    mean scores differ by at most {np.abs(difference).max():.4f}")


def memory_map() -> None:
    """Train in a process that may allocate a quarter of the matrix, and in one without a limit."""
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
    """Return the seconds to read a file that is not in the system's cache."""
    forget(path)
    buffer = bytearray(2**23)
    with path.open("rb", buffering=0) as file:
        return timed(lambda: all(iter(lambda: file.readinto(buffer), 0)))[1]


def forget(path: str | Path) -> None:
    """Make the system drop a file from its cache."""
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
    root = cifar_folder()
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
