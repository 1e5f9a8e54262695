"""Linear classifiers: matrix -> labels."""

from .linear import LinearSVM, Softmax
from .losses import CrossEntropy, Hinge, Loss
from .matrix import ColumnStack
from .objective import Objective
from .solvers import LBFGS, Result, Solver, State

__all__ = [
    "LBFGS",
    "ColumnStack",
    "CrossEntropy",
    "Hinge",
    "LinearSVM",
    "Loss",
    "Objective",
    "Result",
    "Softmax",
    "Solver",
    "State",
]
