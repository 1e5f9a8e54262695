"""Words of images and mirror images: one row of half of the numbers is as good as two rows."""

import numpy as np
from numpy.testing import assert_allclose

from visualwords.classifiers import PrimalDual, Softmax
from visualwords.features import BagOfVisualWords, PixelPatches

N_WORDS, SIDE = 8, 16
PATCHES = PixelPatches(5, 1)


def striped(n, seed):
    """Return images of three classes: stripes of three directions, in noise."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    rows, columns = np.mgrid[:SIDE, :SIDE]
    waves = np.stack([np.sin(rows), np.sin(columns), np.sin((rows + columns) / 1.5)])
    images = 128 + 40 * waves[labels][..., None] + rng.normal(0, 40, (n, SIDE, SIDE, 3))
    return np.clip(images, 0, 255).astype(np.uint8), labels


def votes_of_both(bag, images):
    """Count triangle votes of words and of their mirror images in 2 x 2 regions, by NumPy."""
    words = bag.vocabulary_.words_.astype(float)
    words = np.concatenate([words, words * bag.signs_])
    rows = []
    for image in images:
        values, positions = PATCHES.describe(image)
        values = (values - bag.mean_) @ bag.components_
        distances = np.sqrt(((values[:, None] - words) ** 2).sum(axis=2))
        votes = np.maximum(0, distances.mean(axis=1, keepdims=True) - distances)
        cells = (positions[:, :2] >= SIDE / 2) @ [2, 1]
        rows.append([votes[cells == cell].sum(axis=0) for cell in range(4)])
    return np.reshape(rows, (len(images), -1))


def test_a_classifier_is_that_of_images_and_mirror_images():
    images, labels = striped(90, seed=0)
    bag = BagOfVisualWords(N_WORDS, patches=PATCHES, coding="triangle", pyramid=(2,), mirror=True)
    bag.set_params(whitening=0.1, norm=None).fit(images)
    both = votes_of_both(bag, np.concatenate([images, images[:, :, ::-1]])) / 10
    solver = PrimalDual(tol=1e-9)
    doubled = Softmax(0.01, solver=solver).fit(both, np.tile(labels, 2))
    # A number that stands for two counts twice in the penalty.
    rows = bag.transform(images).astype(np.float64) / 10 / np.sqrt(2)
    assert rows.shape[1] == both.shape[1] // 2
    single = Softmax(0.01, solver=solver).fit(rows, labels)
    of_both = doubled.predict_proba(both)
    assert_allclose(of_both[:90], of_both[90:], atol=1e-3)
    assert_allclose(single.predict_proba(rows), of_both[:90], atol=1e-3)
    assert_allclose(single.loss_curve_[-1], doubled.loss_curve_[-1], rtol=1e-6)
