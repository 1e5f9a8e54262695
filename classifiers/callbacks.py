"""scikit-learn's callbacks (``set_callbacks``); scikit-learn has them from version 1.9 on."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from .columns import raw_rows
from .objective import Objective
from .scaling import Weights
from .solvers.base import State
from .validation import LabelArray

if TYPE_CHECKING:
    from .base import LinearClassifier

Method = TypeVar("Method", bound=Callable[..., object])

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Replacement of scikit-learn's mixin before version 1.9; it does nothing."""

    def with_callbacks(method: Method) -> Method:
        """Return the method as it is."""
        return method


__all__ = ["CallbackSupportMixin", "steps_as_tasks", "with_callbacks"]


def steps_as_tasks(
    estimator: "LinearClassifier",
    objective: Objective,
    max_iter: int,
    attributes: Callable[[State], dict[str, Weights]],
) -> Callable[[State], bool]:
    """Announce the steps of a solver as tasks of the estimator's ``fit``.

    Parameters
    ----------
    estimator : estimator
        With or without callbacks.
    objective : Objective
        Gives X and y to the callbacks.
    max_iter : int
    attributes : callable
        Returns, for a state, the attributes that make the estimator a fitted one.

    Returns
    -------
    callable
        For :meth:`Minimizer.minimize`; returns whether a callback asks to stop.
    """
    if not hasattr(estimator, "_skl_callbacks"):
        return lambda state: False

    def labels() -> LabelArray:
        return estimator.classes_[objective.y]

    data = {"X": raw_rows(objective), "y": labels}
    fit = estimator._init_callback_context(max_subtasks=max_iter)
    fit.call_on_fit_task_begin(estimator=estimator, **data)
    step = None
    n_steps = 0

    def after(state: State) -> bool:
        nonlocal step, n_steps
        learned = {"reconstruction_attributes": lambda: attributes(state)}
        stop = step is not None and step.call_on_fit_task_end(
            estimator=estimator, **data, **learned
        )
        if stop or state.stop or n_steps == max_iter:
            fit.call_on_fit_task_end(estimator=estimator, **data, **learned)
        else:
            n_steps += 1
            step = fit.subcontext(task_name="step")
            step.call_on_fit_task_begin(estimator=estimator, **data, **learned)
        return bool(stop)

    return after
