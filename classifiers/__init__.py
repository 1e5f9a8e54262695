"""Linear classifiers: matrix -> labels."""

from .cross_validation import LinearSVMCV, SoftmaxCV
from .descent import SGD, Adam, GradientDescent
from .dual import DualAscent
from .gradients import (
    GradientCheck,
    NumericalGradientDescent,
    check_gradient,
    numerical_gradient,
)
from .interior_point import InteriorPoint
from .landscape import PathPlane, breakpoints, landscape, path_plane, random_directions
from .lbfgs import LBFGS
from .linear import LinearSVM, Softmax
from .losses import CrammerSinger, CrossEntropy, Hinge, Loss, OneVsRestHinge, SquaredHinge
from .matrix import ColumnStack
from .objective import Objective
from .primal_dual import PrimalDual
from .search import RandomLocalSearch, RandomSearch
from .solvers import Result, Solver, State

__all__ = [
    "LBFGS",
    "SGD",
    "Adam",
    "ColumnStack",
    "CrammerSinger",
    "CrossEntropy",
    "DualAscent",
    "GradientCheck",
    "GradientDescent",
    "Hinge",
    "InteriorPoint",
    "LinearSVM",
    "LinearSVMCV",
    "Loss",
    "NumericalGradientDescent",
    "Objective",
    "OneVsRestHinge",
    "PathPlane",
    "PrimalDual",
    "RandomLocalSearch",
    "RandomSearch",
    "Result",
    "Softmax",
    "SoftmaxCV",
    "Solver",
    "SquaredHinge",
    "State",
    "breakpoints",
    "check_gradient",
    "landscape",
    "numerical_gradient",
    "path_plane",
    "random_directions",
]
