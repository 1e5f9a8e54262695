"""Pictures worth a look: confident mistakes, typical pictures of each class, the least sure."""

from typing import Any

import numpy as np

from .material import Material
from .pictures import Album

__all__ = ["examples_section"]

MISTAKES, UNSURE = 24, 24
TYPICAL, MOST_CLASSES = 6, 40


def examples_section(material: Material, album: Album) -> dict[str, Any]:
    """Return the places of the pictures in the album."""
    probabilities, y = material.probabilities, material.test.y
    images = material.test.images
    sure = material.sure
    mistakes = np.flatnonzero(material.predicted != y)
    mistakes = mistakes[np.argsort(-sure[mistakes], kind="stable")][:MISTAKES]
    best_two = np.sort(probabilities, axis=1)[:, -2:]
    unsure = np.argsort(best_two[:, 1] - best_two[:, 0], kind="stable")[:UNSURE]
    typical = []
    for number, name in enumerate(material.classes[:MOST_CLASSES]):
        members = np.flatnonzero((y == number) & (material.predicted == number))
        members = members[np.argsort(-sure[members], kind="stable")][:TYPICAL]
        typical.append({"name": name, "pictures": album.add(images[members])})
    return {
        "mistakes": album.add(images[mistakes]),
        "unsure": album.add(images[unsure]),
        "typical": typical,
        "n_left_out": max(0, len(material.classes) - MOST_CLASSES),
    }
