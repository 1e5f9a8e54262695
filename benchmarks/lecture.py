"""The figures of CS231n, lecture 3 and the notes on optimization, on the raw pixels of CIFAR-10.

The pixels are 0 to 255; ``VISUALWORDS_DATA`` names the folder with ``cifar10/train/CLASS/IMAGE``
and ``cifar10/test/CLASS/IMAGE``. The lecture does not say whether it subtracts the mean image. The
searches reach its figures only when the mean image is subtracted. The lecture does not name the
loss of its figures for step sizes. They are of the same order as the cross-entropy.
"""

from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

import numpy as np

from visualwords.classifiers import (
    CrossEntropy,
    GradientDescent,
    Hinge,
    Objective,
    RandomLocalSearch,
    RandomSearch,
    check_gradient,
    landscape,
    random_directions,
)
from visualwords.classifiers.scaling import Scaling
from visualwords.pipeline.reader import Reader, read_bytes

from .harness import cifar_folder, race, row

N_JOBS = 2
STEPS = 10.0 ** np.arange(-10, 0)

# What the lecture prints.
RANDOM_SEARCH, LOCAL_SEARCH = 0.155, 0.214
ORIGINAL_LOSS = 2.200718
LOSS_AFTER_STEP = (2.200652, 2.200057, 2.194116, 2.135493, 1.647802)
LOSS_AFTER_STEP += (2.844355, 25.558142, 254.086573, 2539.370888, 25392.214036)


def report():
    X, y = pixels("train")
    test = pixels("test")
    raw = Objective(X, y, Hinge(), 0.0, y.max() + 1, n_jobs=N_JOBS)
    centred = Scaling(X.mean(axis=0, dtype=np.float64), np.ones(X.shape[1]))
    print(f"{'':<58} {'ours':>12} {'lecture':>12}")
    loss_at_zero(raw)
    count_row(raw)
    searches("", raw, test)
    searches(", mean image subtracted", with_loss(raw, Hinge(), centred), test)
    step_sizes(with_loss(raw, CrossEntropy(), centred), test)
    errors_over_step(X, y)
    costs(raw)


def pixels(split):
    """The raw pixels of a split, float32, and the classes' numbers."""
    files = sorted((cifar_folder() / split).glob("*/*"))
    reader = Reader()
    with ThreadPoolExecutor(N_JOBS) as pool:
        images = list(pool.map(lambda path: reader.decode(read_bytes(path)), files))
    X = np.empty((len(files), images[0].size), np.float32)
    np.stack([image.ravel() for image in images], out=X, casting="unsafe")
    return X, np.unique([file.parent.name for file in files], return_inverse=True)[1]


def with_loss(objective, loss, scaling=None):
    """Return the objective of the same rows with another loss; the scaling changes W, not X."""
    return Objective(
        objective.X,
        objective.y,
        loss,
        0.0,
        objective.n_classes,
        scaling=scaling,
        n_jobs=N_JOBS,
    )


def figure(what, ours, lecture=None, form=".4f"):
    theirs = "" if lecture is None else format(lecture, form)
    print(f"{what:<58} {format(ours, form):>12} {theirs:>12}", flush=True)


def loss_at_zero(hinge):
    W = np.zeros(hinge.shape)
    figure("hinge at W = 0", hinge.value(W), 9.0)
    figure("cross-entropy at W = 0", with_loss(hinge, CrossEntropy()).value(W), np.log(10))


def count_row(hinge):
    """Count the terms ``max(0, 1 + s_k - s_y)`` in which the score of one class occurs.

    At W = 0 every term is above its kink, so an example's derivative by a score is the number of
    terms with that score, negative for its own class.
    """
    scores = np.zeros((hinge.n_samples, hinge.n_classes), np.float32)
    _, derivatives = hinge.loss.values_and_grad(scores, hinge.y)
    occurrences = np.abs(derivatives).sum(axis=0, dtype=np.float64)
    own = -derivatives[hinge.y == 0, 0].sum()
    assert (occurrences == occurrences[0]).all()
    figure("times one row of W occurs in the full loss", occurrences[0], 90_000, ".0f")
    print(f"    {own:.0f} for images of its class, {occurrences[0] - own:.0f} for the others")


def searches(data, hinge, test):
    far = np.random.default_rng(0).normal(scale=0.001, size=hinge.shape)
    runs = [
        ("1000 random tries", RandomSearch(1000, 1e-4), 0 * far, RANDOM_SEARCH),
        ("1000 random steps", RandomLocalSearch(1000, 1e-4), far, LOCAL_SEARCH),
    ]
    for name, solver, start, lecture in runs:
        began = perf_counter()
        result = solver.minimize(hinge, start)
        seconds = perf_counter() - began
        figure(f"{name}{data}: test accuracy", accuracy(hinge, result.W, *test), lecture)
        print(f"    loss {result.values[0]:.3f} -> {result.value:.3f}, {seconds:.0f} s", flush=True)


def accuracy(objective, W, X, y):
    raw = W if objective.scaling is None else objective.scaling.raw(W)
    scores = X @ raw[:, :-1].T.astype(np.float32) + raw[:, -1]
    return float((scores.argmax(axis=1) == y).mean())


def step_sizes(softmax, test):
    """Print the loss after one step down the gradient; all steps lie on one line."""
    W = np.random.default_rng(0).random(softmax.shape) * 0.001
    loss, gradient = softmax(W)
    losses = landscape(softmax, W, [-gradient], STEPS[:, None])
    figure("gradient descent: loss at a random W", loss, ORIGINAL_LOSS)
    for step, ours, lecture in zip(STEPS, losses, LOSS_AFTER_STEP, strict=True):
        figure(f"    after one step of {step:.0e}", ours, lecture)
    result = GradientDescent(1e-6, max_iter=30).minimize(softmax, W)
    figure("    after 30 steps of 1e-06", result.value)
    figure("    their test accuracy", accuracy(softmax, result.W, *test))


def errors_over_step(X, y):
    """Print the largest relative error of 40 coordinates without kinks, on 200 images."""
    some = np.random.default_rng(0).choice(len(y), 200, replace=False)
    print(
        f"{'numerical against analytic gradient, step':<42} {'centered':>10} {'forward':>10} kinks"
    )
    for loss in (Hinge(), CrossEntropy()):
        objective = Objective(X[some].astype(np.float64), y[some], loss, 1.0, y.max() + 1)
        W = np.random.default_rng(0).normal(scale=1e-3, size=objective.shape)
        for step in STEPS:
            check = check_gradient(objective, W, step=step, n_coordinates=40)
            kinks = np.count_nonzero(check.kinks)
            errors = [largest(check.errors(formula)) for formula in ("centered", "forward")]
            name = f"    {type(loss).__name__}, {step:.0e}"
            print(f"{name:<42} {errors[0]:>10} {errors[1]:>10} {kinks:>5}", flush=True)


def largest(errors):
    return f"{errors.max():.1e}" if len(errors) else "all kinks"


def costs(hinge):
    """Time searches that use that scores are linear, beside searches that do not."""
    W = np.zeros(hinge.shape)
    U, V = random_directions(W)
    a = np.linspace(-1e-2, 1e-2, 5)
    grid = np.stack(np.meshgrid(a, a), axis=-1)
    X, y = hinge.X, hinge.y

    def tries():
        random = np.random.RandomState(0)
        for _ in range(32):
            W = random.normal(scale=1e-4, size=hinge.shape)
            scores = X @ W[:, :-1].T.astype(np.float32) + W[:, -1].astype(np.float32)
            margins = np.maximum(0, scores - scores[np.arange(len(y)), y][:, None] + 1)
            margins[np.arange(len(y)), y] = 0
            margins.sum(axis=1).mean()

    def plane():
        for i, j in grid.reshape(-1, 2):
            hinge.value(W + i * U + j * V)

    contests = [
        (
            "32 random tries",
            lambda: RandomSearch(32).minimize(hinge, W),
            "numpy, one by one",
            tries,
        ),
        (
            "25 points of a plane",
            lambda: landscape(hinge, W, [U, V], grid),
            "Objective.value",
            plane,
        ),
    ]
    for what, ours, peer, theirs in contests:
        seconds = race({"ours": ours, "theirs": theirs}, repeats=3, warm_up=False)
        print(row(what, seconds["ours"], peer, seconds["theirs"]), flush=True)
    values = 2 * W.size
    seconds = race({"value": lambda: hinge.value(W), "gradient": lambda: hinge(W)}, repeats=3)
    whole = seconds["value"] * values
    print(row("analytic gradient", seconds["gradient"], f"{values} values for a numerical", whole))
