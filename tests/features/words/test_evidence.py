import numpy as np
import pytest
from skimage.data import brick, grass, gravel

from visualwords.features import BagOfVisualWords, DensePatches, patch_evidence

IMAGES = [image()[:48, :64] for image in (brick, grass, gravel)]
PATCHES = DensePatches(12, 8)


def fitted(**parameters):
    return BagOfVisualWords(12, patches=PATCHES, **parameters).fit(IMAGES)


def random_weights(bag, n_scores=3):
    return np.random.default_rng(0).normal(size=(n_scores, bag.n_features_out_))


def test_evidence_of_hard_votes_is_the_weight_of_the_nearest_word_over_its_number_of_patches():
    bag = fitted(norm="l1")
    weights = random_weights(bag)
    evidence, positions = patch_evidence(bag, IMAGES[0], weights)
    values, expected_positions = PATCHES.describe(IMAGES[0])
    squared = ((values[:, None] - bag.vocabulary_.words_) ** 2).sum(axis=2)
    words = squared.argmin(axis=1)
    np.testing.assert_allclose(evidence, weights[:, words].T / len(words), rtol=1e-5)
    np.testing.assert_array_equal(positions, expected_positions)


@pytest.mark.parametrize("norm", ["sqrt", "l1", "l2", "tfidf", None])
@pytest.mark.parametrize("coding", ["hard", "localized", "triangle"])
def test_evidence_of_all_patches_adds_up_to_the_score(norm, coding):
    bag = fitted(norm=norm, coding=coding, pyramid=(1, 2))
    weights = random_weights(bag)
    for image in IMAGES:
        evidence, _ = patch_evidence(bag, image, weights)
        scores = weights @ bag.describe(image).astype(float)
        np.testing.assert_allclose(evidence.sum(axis=0), scores, rtol=1e-5, atol=1e-5)


def test_evidence_of_one_score_is_a_vector():
    bag = fitted()
    weights = random_weights(bag)
    of_one, _ = patch_evidence(bag, IMAGES[1], weights[1])
    of_all, _ = patch_evidence(bag, IMAGES[1], weights)
    np.testing.assert_allclose(of_one, of_all[:, 1])


def test_weights_of_another_width_are_refused():
    with pytest.raises(ValueError, match=r"weights must be of shape \(12,\)"):
        patch_evidence(fitted(), IMAGES[0], np.ones(11))
