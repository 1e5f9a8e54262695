"""scikit-learn's callbacks (``set_callbacks``), where the installed version has them: from 1.9."""

from collections.abc import Callable
from typing import Any

from .solvers.base import State

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stands for scikit-learn's, which before 1.9 does not exist."""

    def with_callbacks(method: Any) -> Any:
        """Stand for scikit-learn's decorator."""
        return method


__all__ = ["CallbackSupportMixin", "steps_as_tasks", "with_callbacks"]


def steps_as_tasks(
    estimator: Any, max_iter: int, attributes: Callable[[State], dict[str, Any]], **data: Any
) -> Callable[[State], bool]:
    """Announce the steps of an optimizer as tasks of ``estimator``'s fit.

    Parameters
    ----------
    estimator : estimator
        With callbacks or without.
    max_iter : int
    attributes : callable
        Gives, from a state, what makes the estimator a fitted one.
    **data : Any
        ``X``, ``y`` and ``metadata`` for the callbacks, or functions that give them.

    Returns
    -------
    callable
        For :meth:`Solver.minimize`; says whether a callback asks to stop.
    """
    if not hasattr(estimator, "_skl_callbacks"):
        return lambda state: False
    fit = estimator._init_callback_context(max_subtasks=max_iter)
    fit.call_on_fit_task_begin(estimator=estimator, **data)
    step: Any = None
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
