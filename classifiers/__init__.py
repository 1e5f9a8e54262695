"""Linear classifiers: matrix -> labels."""

from .gradients import (
    GradientCheck,
    NumericalGradientDescent,
    check_gradient,
    numerical_gradient,
)
from .landscape import PathPlane, breakpoints, landscape, path_plane, random_directions
from .linear import LinearSVM, Softmax
from .losses import CrossEntropy, Hinge, Loss
from .matrix import ColumnStack
from .objective import Objective
from .search import RandomLocalSearch, RandomSearch
from .solvers import LBFGS, Result, Solver, State

__all__ = [
    "LBFGS",
    "ColumnStack",
    "CrossEntropy",
    "GradientCheck",
    "Hinge",
    "LinearSVM",
    "Loss",
    "NumericalGradientDescent",
    "Objective",
    "PathPlane",
    "RandomLocalSearch",
    "RandomSearch",
    "Result",
    "Softmax",
    "Solver",
    "State",
    "breakpoints",
    "check_gradient",
    "landscape",
    "numerical_gradient",
    "path_plane",
    "random_directions",
]
