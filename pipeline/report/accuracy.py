"""Accuracy with its confidence, by features, penalties and training images."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...classifiers import SoftmaxCV
from ..intervals import wilson_interval
from ..job import TEST, TRAIN
from .charts import chart, svg
from .material import Material, plain_classifier

__all__ = ["accuracy_section"]

PATH_ALPHAS = (0.01, 0.03, 0.1, 0.3, 1.0)
PATH_ROWS = 1000
SHARES = (1 / 32, 1 / 16, 1 / 8, 1 / 4)
FEWEST_A_CLASS = 2


def accuracy_section(material: Material) -> dict[str, Any]:
    """Return the table of accuracies, and the charts of the penalty and of the learning curve."""
    n_test = int(material.counts(TEST).sum())
    rows = []
    for name in material.classifiers:
        scores = material.metrics["classifiers"][name]
        for features, accuracy in scores["by_features"].items():
            low, high = wilson_interval(round(accuracy * n_test), n_test)
            rows.append(
                {
                    "classifier": name,
                    "features": features,
                    "accuracy": accuracy,
                    "low": float(low),
                    "high": float(high),
                }
            )
    best = max(row["accuracy"] for row in rows)
    for row in rows:
        row["is_best"] = row["accuracy"] == best
    return {
        "rows": rows,
        "n_test": n_test,
        "charts": [
            c for c in (_penalty_chart(material), _learning_chart(material)) if c is not None
        ],
    }


def _penalty_chart(material: Material) -> dict[str, str] | None:
    """Draw the accuracy of softmax in cross-validation against the strength of the penalty."""
    model = material.model(material.main)
    if hasattr(model, "scores_"):  # the run's own search
        single = [n for n, alpha in enumerate(model.tried_) if isinstance(alpha, float)]
        alphas = [model.tried_[n] for n in single]
        where = f"{material.main} in its own search"
        return _penalty_path(alphas, model.scores_[single], where)
    train = material.train
    rows = np.linspace(0, len(train) - 1, min(len(train), PATH_ROWS)).round().astype(int)
    few = train.take(rows)
    if few.fewest(len(material.classes)) < 3:
        return None
    search = SoftmaxCV(PATH_ALPHAS, cv=3, standardize="parts", n_jobs=-1)
    search.fit(few.X, few.y, groups=few.groups)
    where = f"softmax in three-fold cross-validation on {len(few):,} of the training images"
    return _penalty_path(PATH_ALPHAS, search.scores_, where)


def _penalty_path(alphas: Sequence[float], scores: Any, where: str) -> dict[str, str]:
    mean, spread = scores.mean(axis=1), scores.std(axis=1)
    with chart() as (figure, ax):
        ax.errorbar(alphas, mean, yerr=spread, marker="o", capsize=3)
        ax.set(xscale="log", xlabel="alpha, the strength of the penalty", ylabel="accuracy")
        ticks = _apart(alphas)
        ax.set_xticks(ticks, [f"{alpha:.3g}" for alpha in ticks])
        ax.set_xticks([], minor=True)
        text = (
            f"Accuracy of {where}, and its standard deviation over the folds: best "
            f"{mean.max():.3f} at alpha {alphas[int(mean.argmax())]:g}."
        )
        return {"title": "Penalty", "svg": svg(figure, "penalty", text), "text": text}


def _apart(alphas: Sequence[float]) -> list[float]:
    """Return the penalties that have room for a label each along a logarithmic axis."""
    logs = np.log(sorted(set(alphas)))
    kept = [logs[0]]
    for log in logs:
        if log - kept[-1] > 0.09 * np.ptp(logs):
            kept.append(log)
    return np.exp(kept).tolist()


def _learning_chart(material: Material) -> dict[str, str] | None:
    """Draw the accuracy on the test images against the number of training images."""
    model, train, test = material.model(material.main), material.train, material.test
    if not material.is_linear:
        return None
    order = np.random.default_rng(0).permutation(len(train))
    sizes, scores = [], []
    for share in SHARES:
        few = train.take(np.sort(order[: int(share * len(train))]))
        if np.bincount(few.y, minlength=len(material.classes)).min() < FEWEST_A_CLASS:
            continue
        smaller = plain_classifier(model).fit(few.X, few.y)
        sizes.append(len(few))
        scores.append(float((smaller.predict(test.X) == test.y).mean()))
    if not sizes:
        return None
    n_tested = [len(test)] * len(sizes) + [int(material.counts(TEST).sum())]
    sizes.append(int(material.counts(TRAIN).sum()))
    scores.append(material.metrics["classifiers"][material.main]["test_accuracy"])
    with chart() as (figure, ax):
        low, high = wilson_interval(np.round(np.array(scores) * n_tested), n_tested)
        ax.fill_between(sizes, low, high, alpha=0.2)
        ax.plot(sizes, scores, marker="o")
        ax.set(xscale="log", xlabel="training images", ylabel="accuracy on the test images")
        ax.set_xticks(sizes, [f"{size:,}" for size in sizes])
        ax.set_xticks([], minor=True)
        text = (
            f"{material.main} on all features: accuracy {scores[0]:.3f} with {sizes[0]:,} training "
            f"images, {scores[-1]:.3f} with {sizes[-1]:,}. The band is the 95 % interval."
        )
        return {"title": "Learning curve", "svg": svg(figure, "learning", text), "text": text}
