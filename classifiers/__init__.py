"""Linear classifiers: matrix -> labels."""

from .calibration import expected_calibration_error
from .gradients import (
    GradientCheck,
    NumericalGradientDescent,
    check_gradient,
    numerical_gradient,
)
from .hinges import CrammerSinger, Hinge, OneVsRestHinge, SquaredHinge
from .landscape import PathPlane, breakpoints, landscape, path_plane, random_directions
from .linear import LinearSVM, Softmax
from .linear_cv import LinearSVMCV, SoftmaxCV
from .losses import CrossEntropy, Loss
from .objective import Objective
from .onnx_graph import to_onnx
from .penalties import L2, Penalty
from .solvers.base import Result, Solver, State
from .solvers.descent import SGD, Adam, GradientDescent
from .solvers.dual import DualAscent
from .solvers.interior_point import InteriorPoint
from .solvers.lbfgs import LBFGS
from .solvers.newton import Newton
from .solvers.primal_dual import PrimalDual
from .solvers.search import RandomLocalSearch, RandomSearch
from .sources import ColumnStack

__all__ = [
    "L2",
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
    "Newton",
    "NumericalGradientDescent",
    "Objective",
    "OneVsRestHinge",
    "PathPlane",
    "Penalty",
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
    "expected_calibration_error",
    "landscape",
    "numerical_gradient",
    "path_plane",
    "random_directions",
    "to_onnx",
]
