"""What the commands print: counts, scores, warnings and errors."""

import json
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from .counts import counted

# What is printed are names of files, whatever is in them: "[red]", ":cat:".
PLAIN: Any = {"markup": False, "emoji": False, "highlight": False}
console = Console(**PLAIN)
errors = Console(stderr=True, **PLAIN)


def report_images(metrics: Any, folder: str, failures: str = "failures.csv") -> None:
    """Print how many images are ok and how many failed, and warn of leaks.

    Parameters
    ----------
    metrics : mapping
    folder : str
        Path or URL of the run or the store.
    failures : str
        The file there that names the failed images; another one than ``failures.csv`` is of a part
        of the images, which writes no list of duplicates.
    """
    from .sources.files import join  # pyarrow is slow to import

    images = metrics["images"]
    kinds = ", ".join(f"{n} {kind}" for kind, n in metrics["failures"].items())
    where = f" ({kinds}); see {join(folder, failures)}" if images["failed"] else ""
    console.print(
        f"images     {images['found']} found, {images['ok']} ok, {images['failed']} failed{where}",
        soft_wrap=True,
    )
    for name in metrics["silent_features"]:
        console.print(
            f"note       {name} says nothing: it is the same for all images, as hue is for grey "
            "ones; --features leaves it out",
            soft_wrap=True,
        )
    where = f"; see {join(folder, 'duplicates.csv')}" if failures == "failures.csv" else ""
    if copies := images["duplicates"]:
        console.print(
            f"note       {counted(copies, 'image is a copy', 'images are copies')} of an earlier "
            f"one{where}",
            soft_wrap=True,
        )
    if alike := images["near_duplicates"]:
        console.print(
            f"note       {counted(alike, 'image looks', 'images look')} nearly like another "
            f"one{where}",
            soft_wrap=True,
        )
    _warn_of_leaks(images, where)


def report_other_images(images: Mapping[str, int]) -> None:
    """Print how many of other test images are ok and how many failed, and warn of leaks."""
    console.print(
        f"images     {images['found']} found, {images['ok']} ok, {images['failed']} failed",
        soft_wrap=True,
    )
    _warn_of_leaks(images, "")


def _warn_of_leaks(images: Mapping[str, int], where: str) -> None:
    """Print what training and test images have in common; ``where`` says where it is listed."""
    if shared := images["in_train_and_test"]:
        console.print(
            f"warning    {counted(shared, 'image is', 'images are')} both in the training and in "
            f"the test set: {'its' if shared == 1 else 'their'} test accuracy says nothing",
            style="yellow",
            soft_wrap=True,
        )
    if groups := images.get("groups_in_train_and_test"):  # older runs have no such number
        console.print(
            f"warning    {counted(groups, 'group has', 'groups have')} images both in the training "
            "and in the test set: the test accuracy is too high",
            style="yellow",
            soft_wrap=True,
        )
    if near := images["near_in_train_and_test"]:
        console.print(
            f"warning    {counted(near, 'test image looks', 'test images look')} nearly like a "
            f"training image{where}",
            style="yellow",
            soft_wrap=True,
        )


def report_scores(job: Any, classifiers: Any = None) -> None:
    """Print a table of accuracies and where the results are."""
    classifiers = classifiers or job.metrics["classifiers"]
    sets = list(next(iter(classifiers.values()))["by_features"])
    # A usual run's table has 39 columns. Where a screen is narrower than the table, names fold.
    columns = (Column(name, min_width=6, overflow="fold") for name in classifiers)
    table = Table(Column("test accuracy", overflow="fold"), *columns)
    for names in sets:
        accuracies = (scores["by_features"][names] for scores in classifiers.values())
        table.add_row(names, *(f"{accuracy:.4f}" for accuracy in accuracies))
    console.print(table)
    known = {n: s["calibration_error"] for n, s in classifiers.items() if "calibration_error" in s}
    if known:
        text = ", ".join(f"{name} {error:.4f}" for name, error in known.items())
        console.print(f"calibration error of the probabilities: {text}", soft_wrap=True)
    _report_certainty(classifiers)
    console.print(f"metrics    {job.folder / 'metrics.json'}", soft_wrap=True)
    console.print(f"models     {job.folder / 'models'}", soft_wrap=True)
    console.print(f"matrices   {job.store}", soft_wrap=True)


def _report_certainty(classifiers: Any) -> None:
    """Print in what interval the accuracies lie, and of which classes nothing is known."""
    from .intervals import wilson_interval  # NumPy is slow to import

    texts = []
    for name, scores in classifiers.items():
        n_images = sum(map(sum, scores["confusion"]))
        low, high = wilson_interval(round(scores["test_accuracy"] * n_images), n_images)
        texts.append(f"{name} {low:.4f} to {high:.4f}")
    text = f"95 % interval on {counted(n_images, 'test image')}: {', '.join(texts)}"
    console.print(text, soft_wrap=True)
    unseen = [name for name, recall in scores["recall"].items() if recall is None]
    if unseen:
        console.print(
            f"note       {counted(len(unseen), 'class has', 'classes have')} no test image, such "
            f"as {unseen[0]}: no score says how well it is told",
            soft_wrap=True,
        )


def prediction_line(prediction: Any, as_json: bool) -> str:
    """Return image, classes and probabilities, as far as there are any, as one line."""
    values = prediction.probabilities or [None] * len(prediction.labels)
    pairs = list(zip(prediction.labels, values, strict=True))
    if as_json:
        return json.dumps({"image": prediction.image, "classes": dict(pairs)})
    texts = [label if p is None else f"{label}\t{p:.4f}" for label, p in pairs]
    return "\t".join([prediction.image, *(texts or ["not sure"])])


def complain(message: str) -> None:
    """Print an error."""
    errors.print(f"error: {message}", style="red", soft_wrap=True)


def warn(message: Warning | str, *_: Any, **__: Any) -> None:
    """Print a warning, as ``warnings.showwarning``."""
    errors.print(f"warning: {message}", style="yellow", soft_wrap=True)
