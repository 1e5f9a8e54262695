"""The estimators as scikit-learn sees them."""

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from visualwords.classifiers import LinearSVM, Softmax

ESTIMATORS = [LinearSVM(), Softmax()]


@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_number_of_scikit_learn_checks(estimator):
    assert len(list(estimator_checks_generator(estimator))) > 50
