"""scikit-learn's callbacks, which it has from version 1.9 on."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.model_selection import GridSearchCV

from visualwords.classifiers import LinearSVM, PrimalDual, Softmax, SoftmaxCV

callback = pytest.importorskip("sklearn.callback")
BOTH = pytest.mark.parametrize("template", [Softmax(), LinearSVM()], ids=["Softmax", "LinearSVM"])


class Recorder:
    """Keeps what it is told; asks to stop after some steps."""

    def __init__(self, stop_after=None):
        self.stop_after, self.events, self.models = stop_after, [], []

    def setup(self, estimator, context):
        self.events.append("setup")

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.events.append(f"begin {context.task_name}")

    def on_fit_task_end(self, estimator, context, *, X, y, fitted_estimator):
        self.events.append(f"end {context.task_name}")
        self.models.append((context.task_name, fitted_estimator.score(X, y)))
        return len(self.models) == self.stop_after


@BOTH
def test_every_step_is_a_task(blobs, template):
    X, y = blobs()
    y = np.array(["d", "a", "c", "b"])[y]
    seen = Recorder()
    model = template.set_params(standardize=True, solver=None).set_callbacks(seen).fit(X, y)
    steps = ["begin step", "end step"] * model.n_iter_
    assert seen.events == ["setup", "begin fit", *steps, "end fit", "teardown"]
    assert seen.models[-1] == ("fit", model.score(X, y))
    plain = template.set_callbacks().fit(X, y)
    assert_array_equal(plain.coef_, model.coef_)


@BOTH
def test_a_callback_stops_the_fit(blobs, template):
    X, y = blobs()
    seen = Recorder(stop_after=2)
    solver = PrimalDual(1e-9)
    model = template.set_params(solver=solver).set_callbacks(seen).fit(X, y)
    assert model.n_iter_ == 2
    assert seen.events[-2:] == ["end fit", "teardown"]
    template.set_callbacks()


def test_max_iter_is_the_number_of_tasks(blobs):
    seen = Recorder()
    model = Softmax(solver=PrimalDual(1e-9, max_iter=3)).set_callbacks(seen)
    with pytest.warns(match="stopped after max_iter=3"):
        model.fit(*blobs())
    assert seen.events.count("end step") == 3
    assert seen.events[-2:] == ["end fit", "teardown"]


def test_an_error_does_not_leave_them_set_up(blobs):
    seen = Recorder()
    model = LinearSVM(loss="hinge", solver=PrimalDual(1e-9)).set_callbacks(seen)
    seen.on_fit_task_begin = lambda estimator, context: 1 / 0
    with pytest.raises(ZeroDivisionError):
        model.fit(*blobs())
    assert seen.events == ["setup", "teardown"]


@pytest.mark.parametrize("estimator", [Softmax(), SoftmaxCV([0.1, 1.0], cv=2)])
def test_scikit_learns_own(blobs, estimator):
    X, y = blobs()
    monitor = callback.ScoringMonitor(scoring="accuracy")
    model = estimator.set_callbacks(monitor).fit(X, y)
    scores = [entry["accuracy"] for entry in monitor.get_logs().data]
    assert len(scores) == model.n_iter_ + 1
    assert scores[-1] == model.score(X, y)


def test_within_a_grid_search(blobs):
    search = GridSearchCV(Softmax(), {"alpha": [0.1, 1.0]}, cv=2)
    if not hasattr(search, "set_callbacks"):
        pytest.skip("GridSearchCV of this version has no callbacks")
    search.set_callbacks(callback.ScoringMonitor(scoring="accuracy"))
    search.fit(*blobs())
    assert search.best_score_ > 0.5


def test_columns_far_from_zero_reach_the_callbacks_as_they_came(blobs):
    X, y = blobs(dtype=np.float32)
    X += np.float32(1e5)
    monitor = callback.ScoringMonitor(scoring="accuracy")
    model = Softmax(standardize=True).set_callbacks(monitor).fit(X, y)
    assert monitor.get_logs().data[-1]["accuracy"] == model.score(X, y) > 0.6
