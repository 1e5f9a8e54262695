"""What was run, on what, and how long it took."""

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ..counts import counted
from .material import Material

__all__ = ["overview_section"]

VERSIONS = ("numpy", "scipy", "scikit-learn", "scikit-image", "opencv-python-headless", "numba")


def overview_section(material: Material, record: Mapping[str, Any], recipe: str) -> dict[str, Any]:
    """Return what was run, on what, and how long it took."""
    metrics = material.metrics
    images, seconds = metrics["images"], metrics.get("seconds", {})
    notes = [
        {"kind": "Note", "text": f"{name} says nothing: it is the same for all images"}
        for name in metrics.get("silent_features", [])
    ]
    leaks = [
        (images["in_train_and_test"], ("image is", "images are")),
        (images.get("groups_in_train_and_test"), ("group has images", "groups have images")),
    ]
    for number, words in leaks:
        if number:
            text = f"{counted(number, *words)} in the training and in the test set"
            notes.insert(0, {"kind": "Warning", "text": text})
    of_workers = metrics.get("worker_seconds", {})
    decoding = ""
    if of_workers.get("decode") and metrics.get("worker_decoded"):
        rate = metrics["worker_decoded"] / of_workers["decode"]
        computing = sum(of_workers.values()) - of_workers["decode"]
        decoding = (
            f"A core decoded {rate:,.0f} images a second; computing the features took "
            f"{computing / of_workers['decode']:.1f} times as long as decoding."
        )
    versions = [f"Python {platform.python_version()}", *(_version(name) for name in VERSIONS)]
    return {
        "version": record["version"],
        "train": record["train"],
        "test": record["test"],
        "store": record["store"],
        "chosen": metrics.get("recipe"),
        "trained": ", ".join(metrics.get("trained", [])),
        "kept": ", ".join(metrics.get("kept", [])),
        "tiles": [(name, images[name]) for name in ("found", "ok", "failed")]
        + [("training", len(material.extraction.chosen("train")))]
        + [("test", len(material.extraction.chosen("test")))]
        + [("classes", len(material.classes))],
        "notes": notes,
        "seconds": list(seconds.items()),
        "decoding": decoding,
        "failures": list(metrics.get("failures", {}).items()),
        "recipe": recipe,
        "versions": "\n".join(filter(None, versions)),
    }


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return ""
