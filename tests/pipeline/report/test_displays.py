import numpy as np
import pytest
from matplotlib.figure import Figure
from skimage.data import brick, coffee, grass

import visualwords as vw
from visualwords.classifiers import CrossEntropy, GradientDescent, Objective, path_plane
from visualwords.features import hog_cells

IMAGES = [coffee()[:64, :64], brick()[:64, :64], grass()[:64, :64]]


def axes():
    return Figure().add_subplot()


def test_hog_display_has_the_cells_of_the_image():
    hog = vw.HOG()
    display = vw.HOGDisplay.from_estimator(hog, IMAGES[0], ax=axes())
    np.testing.assert_array_equal(display.cells, hog_cells(IMAGES[0]))
    assert len(display.lines_.get_segments()) <= display.cells.size


def test_a_vertical_edge_is_drawn_as_a_vertical_line():
    image = np.zeros((32, 32))
    image[:, 12:] = 1
    display = vw.HOGDisplay.from_estimator(vw.HOG(), image).plot(axes())
    (x0, y0), (x1, y1) = display.lines_.get_segments()[-1]
    assert abs(x1 - x0) < abs(y1 - y0) * 0.3


@pytest.mark.parametrize("convention", ["dalal", "skimage", "opencv", "uoctti", "cs231n"])
def test_weights_are_summed_over_the_blocks_of_a_cell(convention):
    hog = vw.HOG(convention=convention, image_size=(32, 40)).fit([np.zeros((32, 40))])
    names = hog.get_feature_names_out()
    weights = np.random.default_rng(0).normal(size=len(names))
    cells = vw.WeightsDisplay.from_weights(weights, hog).cells
    expected = np.zeros_like(cells)
    for name, weight in zip(names, weights, strict=True):
        *place, last = name.split("_")
        numbers = [int("".join(filter(str.isdigit, p))) for p in place[1:] if p[-1].isdigit()]
        if len(numbers) == 4:
            cell = numbers[0] + numbers[2], numbers[1] + numbers[3]
        else:
            cell = tuple(numbers[:2])
        if last.startswith("angle"):
            angle = float(last.removeprefix("angle"))
            bins = [int(np.argmin(abs(np.degrees(display_angles(hog)) - angle)))]
        elif last.startswith("unsigned"):
            angle = float(last.removeprefix("unsigned"))
            bins = [round(angle / 20), round(angle / 20) + 9]
        else:
            continue
        for b in bins:
            expected[(*cell, b)] += weight
    np.testing.assert_allclose(cells, expected, atol=1e-12)


def display_angles(hog):
    return vw.HOGDisplay.from_estimator(hog, np.zeros((32, 40))).angles


def test_weights_for_and_against_share_the_cells():
    hog = vw.HOG(image_size=(32, 32)).fit([np.zeros((32, 32))])
    model = vw.Softmax().fit(hog.transform([i[:32, :32] for i in IMAGES]), ["a", "b", "c"])
    display = vw.WeightsDisplay.from_estimator(model, hog, "b")
    n_for = len(display.plot(axes()).lines_.get_segments())
    n_against = len(display.plot(axes(), sign="against").lines_.get_segments())
    assert 0 < n_for + n_against <= display.cells.size
    with pytest.raises(ValueError, match="label must be one of the classes"):
        vw.WeightsDisplay.from_estimator(model, hog, "d")
    with pytest.raises(ValueError, match='"for" or "against"'):
        display.plot(axes(), sign="both")


def fitted_bag():
    return vw.BagOfVisualWords(12).fit(IMAGES)


def test_map_of_evidence_adds_up_to_the_words_share():
    bag = fitted_bag()
    model = vw.Softmax().fit(bag.transform(IMAGES), [0, 1, 2])
    display = vw.EvidenceDisplay.from_estimator(model, bag, IMAGES[0], 0, against=1)
    share = (model.coef_[0] - model.coef_[1]) @ bag.describe(IMAGES[0]).astype(float)
    assert display.evidence.sum() == pytest.approx(share, abs=1e-5)
    assert display.map_.sum() == pytest.approx(share, abs=1e-5)
    display.plot(axes())


def test_vocabulary_shows_patches_of_each_word():
    bag = fitted_bag()
    display = vw.VocabularyDisplay.from_estimator(bag, IMAGES)
    n_patches = sum(len(bag._of_block([image], slice(0, 1)).values) for image in IMAGES)
    assert display.counts.sum() == n_patches
    assert sorted(display.order) == list(range(12))
    for count, examples in zip(display.counts, display.examples, strict=True):
        assert len(examples) == min(count, 4)
    assert display.plot(axes(), columns=5).ax_.images


def test_a_patch_of_the_display_is_the_patch_of_the_image():
    flat = np.zeros((64, 64), np.uint8)
    flat[:, 32:] = 200
    bag = vw.BagOfVisualWords(2).fit([flat])
    display = vw.VocabularyDisplay.from_estimator(bag, [flat], n_examples=500)
    for patch in (p for examples in display.examples for p in examples):
        assert (patch == patch[0]).all()  # the edge runs down each patch that has it


def test_landscape_has_the_objective_at_the_points_of_its_grid():
    X, y = np.random.default_rng(0).normal(size=(40, 5)), np.arange(40) % 3
    objective = Objective(X, y, CrossEntropy(), alpha=0.01, n_classes=3)
    found = GradientDescent(0.5, max_iter=15, tol=0).minimize(
        objective, np.zeros((3, 6)), keep_iterates=True
    )
    display = vw.LandscapeDisplay.from_iterates(objective, found.iterates, n_points=9)
    assert display.path.shape == (16, 2)
    plane = path_plane(found.iterates)
    for i, j in ((0, 0), (3, 7), (8, 2)):
        point = np.array([display.across[j], display.up[i]])
        W = plane.origin + np.tensordot(point, plane.directions, 1)
        assert display.values[i, j] == pytest.approx(objective(W)[0])
    display.plot(axes())
