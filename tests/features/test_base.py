"""A feature of a user's own needs no more than ``describe``."""

import numpy as np
import pytest
from sklearn.base import clone

from visualwords.features import ImageFeature


class MeanColour(ImageFeature):
    def __init__(self, scale=1.0, n_jobs=None):
        self.scale = scale
        self.n_jobs = n_jobs

    def describe(self, image):
        if image.shape[0] < 2:
            raise ValueError("too small")
        return self.scale * image.reshape(-1, image.shape[-1]).mean(axis=0, dtype=np.float32)


def test_a_feature_is_its_describe():
    images = np.random.default_rng(0).integers(0, 256, (600, 4, 5, 3), dtype=np.uint8)
    feature = clone(MeanColour(scale=2.0)).fit(images)
    X = feature.set_params(n_jobs=2).transform(images)
    assert X.dtype == np.float32
    np.testing.assert_allclose(X, 2 * images.mean(axis=(1, 2)), rtol=1e-6)
    assert list(feature.get_feature_names_out()) == ["meancolour0", "meancolour1", "meancolour2"]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_error_names_its_image(n_jobs):
    images = [np.zeros((4, 5, 3), np.uint8)] * 600
    feature = MeanColour(n_jobs=n_jobs).fit(images)
    images[401] = np.zeros((1, 5, 3), np.uint8)
    with pytest.raises(ValueError, match="image 401: too small"):
        feature.transform(images)
    with pytest.raises(ValueError, match="image 0: too small"):
        feature.fit(images[401:])


@pytest.mark.parametrize(("shape", "n_blocks"), [((4, 5), 2), ((400, 300), 9), ((900, 800), 60)])
def test_blocks_are_of_fewer_large_images(shape, n_blocks):
    class Blocks(MeanColour):
        def _describe_block(self, images, first, out):
            firsts.append(first)
            out[:] = first

    firsts = []
    images = np.lib.stride_tricks.as_strided(np.zeros(3, np.uint8), (300, *shape, 3), (0, 0, 0, 1))
    Blocks().fit(images).transform(images)
    assert len(firsts) == n_blocks
