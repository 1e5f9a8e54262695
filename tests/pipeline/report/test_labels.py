import numpy as np
from sklearn.datasets import make_classification

from visualwords.classifiers import ColumnStack, Softmax
from visualwords.pipeline.report.labels import label_doubts, out_of_fold_probabilities, refined
from visualwords.pipeline.report.material import Rows


def test_flipped_labels_come_first():
    X, y = make_classification(
        600, 20, n_informative=12, n_classes=4, class_sep=2.0, flip_y=0, random_state=0
    )
    random = np.random.default_rng(0)
    flipped = random.choice(600, 30, replace=False)
    wrong = y.copy()
    wrong[flipped] = (y[flipped] + random.integers(1, 4, 30)) % 4
    rows = Rows(np.arange(600), wrong, ColumnStack([X.astype(np.float32)]))
    probabilities = out_of_fold_probabilities(Softmax(0.01), rows)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    worst = np.argsort(-label_doubts(probabilities, wrong))[:30]
    assert len(set(worst) & set(flipped)) >= 18


def test_an_image_is_judged_without_the_images_of_its_group():
    groups = np.repeat(np.arange(30), 10)
    own = np.eye(30, dtype=np.float32)[groups]  # says which group it is, and nothing of the class
    y = np.arange(30)[groups] % 3
    rows = Rows(np.arange(300), y, ColumnStack([own]))
    alone = out_of_fold_probabilities(Softmax(0.001), rows)
    assert (alone.argmax(axis=1) == y).all()
    grouped = out_of_fold_probabilities(Softmax(0.001), Rows(rows.images, rows.y, rows.X, groups))
    assert (grouped.argmax(axis=1) == y).mean() < 0.6
    assert (rows.fewest(3), Rows(rows.images, rows.y, rows.X, groups).fewest(3)) == (100, 10)
    assert rows.fewest(4) == 0


def test_products_tell_what_a_linear_classifier_cannot():
    random = np.random.default_rng(0)
    X = random.normal(size=(2000, 3)) * [2, 2, 1]  # fewer columns than components
    y = (X[:, 0] * X[:, 1] > 0).astype(int)
    rows = Rows(np.arange(len(y)), y, ColumnStack([X.astype(np.float32)]))
    linear = out_of_fold_probabilities(Softmax(0.01), rows)
    better = refined(linear, rows)
    assert (linear.argmax(axis=1) == y).mean() < 0.55
    assert (better.argmax(axis=1) == y).mean() > 0.9


def test_columns_that_are_the_same_for_all_images_tell_nothing():
    y = np.arange(2000) % 2
    rows = Rows(np.arange(2000), y, ColumnStack([np.ones((2000, 3), np.float32)]))
    np.testing.assert_allclose(refined(np.full((2000, 2), 0.5), rows), 0.5, atol=1e-3)


def test_probabilities_of_few_rows_stay_as_they_are():
    rows = Rows(np.arange(9), np.arange(9) % 3, ColumnStack([np.eye(9, dtype=np.float32)]))
    probabilities = out_of_fold_probabilities(Softmax(0.01), rows)
    assert refined(probabilities, rows) is probabilities
