"""The estimators as scikit-learn sees them."""

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from visualwords.classifiers import LinearSVM, LinearSVMCV, Softmax, SoftmaxCV

ESTIMATORS = [LinearSVM(), Softmax()]


@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_number_of_scikit_learn_checks(estimator):
    assert len(list(estimator_checks_generator(estimator))) > 50


def all_but_repetition(*estimators):
    """Leave out: weights of whole numbers equal repeated rows, which would change the folds."""
    return [
        pytest.param(estimator, check, id=f"{type(estimator).__name__}-{number}")
        for template in estimators
        for number, (estimator, check) in enumerate(estimator_checks_generator(template))
        if "check_sample_weight_equivalence" not in str(check)
    ]


@pytest.mark.parametrize(
    ("estimator", "check"),
    all_but_repetition(SoftmaxCV([1.0], cv=2), LinearSVMCV([1.0], cv=2)),
)
def test_scikit_learn_with_cross_validation(estimator, check):
    check(estimator)
