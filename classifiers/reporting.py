"""What a fit tells while it runs and when it ends: printed lines, callbacks, warnings."""

import warnings
from collections.abc import Callable, Sequence

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .solvers.base import Minimizer, Result, State

__all__ = ["step_report", "warn_of_result", "warn_of_scores"]

# A relative gap that can be due to the rounding of sums alone.
ROUNDING = 1e-9


def step_report(
    name: str, verbose: int, callback: Callable[[State], bool] | None = None
) -> Callable[[State], bool]:
    """Make a function for :meth:`Minimizer.minimize` that reports each step.

    Parameters
    ----------
    name : str
        Starts each printed line.
    verbose : int
        Above 0, print the objective.
    callback : callable, optional
        Called with the state; stops the solver when it returns True.
    """

    def report(state: State) -> bool:
        if verbose > 0:
            print(f"{name}: objective {state.value:.6g} {state.stop}".rstrip(), flush=True)
        return callback is not None and callback(state)

    return report


def warn_of_result(
    solver: Minimizer, result: Result, stacklevel: int, *, has_penalty: bool = True
) -> None:
    """Warn when a solver diverged, or stops by itself and has not met its tolerance.

    Parameters
    ----------
    solver : Minimizer
    result : Result
    stacklevel : int
        As in :func:`warnings.warn`, counted from the caller of this function.
    has_penalty : bool
        Without a penalty, the minimum may not exist.
    """
    name = solver.name
    if not np.isfinite(result.value):
        message = f"{name} diverged: {result.reason}; lower its learning_rate, or standardize"
    elif result.reason == "max_iter" and solver.converges:
        advice = "raise max_iter or tol, standardize, or raise alpha"
        if not has_penalty:
            advice = (
                "give alpha above 0, or raise max_iter or tol: without a penalty, weights grow for "
                "ever if the classes can be separated"
            )
        message = (
            f"{name} stopped after max_iter={solver.max_iter} iterations before its tolerance was "
            f"met; {advice}"
        )
    elif np.inf > result.gap > max(solver.get_params()["tol"], ROUNDING) * result.value:
        message = (
            f"{name} stopped at a duality gap of {result.gap / result.value:.1e} times the value, "
            f"above its tol: {result.reason}; standardize, or raise alpha or tol"
        )
    else:
        return
    warnings.warn(message, ConvergenceWarning, stacklevel=stacklevel + 1)


def warn_of_scores(short: Sequence[float], stacklevel: int) -> None:
    """Warn of penalties whose models stopped before their tolerance was met, if there are any.

    Parameters
    ----------
    short : sequence of float
    stacklevel : int
        As in :func:`warn_of_result`.
    """
    if short:
        warnings.warn(
            f"the scores of alpha={min(short):g} may be off: its models stopped before the "
            "tolerance was met; standardize, or leave out small alphas",
            ConvergenceWarning,
            stacklevel=stacklevel + 1,
        )
