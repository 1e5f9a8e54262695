"""A map of the test images: those with like features lie near each other."""

from typing import Any

import numpy as np
from sklearn.manifold import TSNE

from ..job import TEST
from .components import principal_components
from .material import Material
from .pictures import Album

__all__ = ["map_section"]

MOST_POINTS = 400
N_COMPONENTS = 30
PERPLEXITY = 30.0


def map_section(material: Material, album: Album) -> dict[str, Any]:
    """Return coordinates from 0 to 1 of some test images, by t-SNE of their principal components.

    Source: L. van der Maaten, G. Hinton, "Visualizing data using t-SNE", Journal of Machine
    Learning Research 9, 2008.
    """
    test = material.test
    rows = np.linspace(0, len(test) - 1, min(len(test), MOST_POINTS)).astype(int)
    X = np.asarray(test.X[:][rows], np.float64)
    X = (X - X.mean(axis=0)) / np.maximum(X.std(axis=0), 1e-12)
    # Each feature weighs as much as the others, however many numbers it has.
    X /= np.sqrt(np.repeat(material.widths, material.widths))
    is_one = len(X) == 1  # it has no direction
    components = X[:, :1] if is_one else principal_components(X, N_COMPONENTS)
    if len(rows) > 3 * PERPLEXITY and components.any():  # t-SNE cannot place equal images
        components = TSNE(
            init="pca", perplexity=PERPLEXITY, max_iter=300, random_state=0
        ).fit_transform(components)
        method = "t-SNE"
    else:
        method = "principal components"
    places = components[:, :2] if components.shape[1] > 1 else np.c_[components, 0 * components]
    low, high = places.min(axis=0), places.max(axis=0)
    places = (places - low) / np.maximum(high - low, 1e-12)
    points = [
        {
            "x": round(float(x), 4),
            "y": round(float(y), 4),
            "k": int(test.y[row]),
            "right": bool(material.predicted[row] == test.y[row]),
            "picture": (album.add([test.images[row]]) or [-1])[0],
        }
        for (x, y), row in zip(places, rows, strict=True)
    ]
    return {"points": points, "n_test": int(material.counts(TEST).sum()), "method": method}
