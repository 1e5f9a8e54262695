"""Descriptors and images that several tests use."""

import numpy as np

from visualwords.features import DensePatches

PATCHES = DensePatches(patch_size=12, stride=6)


def crops(photo, n, side=48):
    rng = np.random.default_rng(0)
    corners = rng.integers(0, min(photo.shape[:2]) - side, (n, 2))
    return [photo[r : r + side, c : c + side - 8 * (i % 2)] for i, (r, c) in enumerate(corners)]


def squared_distances(bag, values):
    words = bag.vocabulary_.words_.astype(float)
    return ((values.astype(float)[:, None] - words) ** 2).sum(axis=2)


def normal(n=600, d=10, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)
