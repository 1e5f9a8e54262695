"""What ``PrimalDual`` knows besides the weights."""

from dataclasses import dataclass, field

from visualwords.classifiers.objective import Objective, Weights

from .base import State
from .curvature import Curvature
from .lbfgs import Pairs
from .plane_search import search_plane

__all__ = ["NEAR_WIDTH", "TARGET", "WIDTH", "Progress"]

# The first width from weights of 0, and from weights of the caller, which are near the minimum; the
# first target, for WIDTH.
WIDTH, NEAR_WIDTH, TARGET = 1.0, 0.1, 0.02
# Part of the expected decrease that a search in a plane has to reach, or it is the last one.
KEPT = 0.5


@dataclass
class Progress:
    """The state of the solver besides the weights.

    Attributes
    ----------
    objective : Objective
        Smoothed over ``width``.
    curvature : Curvature
    width : float
    target : float
        The smoothed objective is minimised to so small a part of its value.
    pairs : list
        The differences that L-BFGS remembers.
    rows : Objective or None
        The sample of rows for searches in a plane.
    stuck : int
        Fresh starts in a row that found no lower value.
    error : float
        Result of :func:`.gradient_error`.
    coarse : bool
        Whether these are the steps on a sample of the rows, which need no proof.
    age : int
        Steps that were made with this model of the curvature.
    """

    objective: Objective
    curvature: Curvature
    width: float = WIDTH
    target: float = TARGET
    pairs: Pairs = field(default_factory=list)
    rows: Objective | None = None
    stuck: int = 0
    error: float = 0.0
    coarse: bool = False
    age: int = 0

    def smooth(self, width: float, target: float) -> None:
        """Go on with another width and target."""
        self.objective, self.width, self.target = self.objective.smoothed(width), width, target

    def use_double(self) -> None:
        """Go on with sums in float64, and forget differences of float32 gradients."""
        self.objective, self.pairs = self.objective.in_double(), []
        self.rows, self.error = None, 0.0

    def search(self, state: State, direction: Weights) -> State | None:
        """Make a step by a search in a plane on some rows, while these represent all rows."""
        if self.rows is None:
            return None
        W, promise = search_plane(self.rows, state, direction)
        value, gradient = self.objective(W)
        kept = (state.value - value) / promise if promise > 0 else 0.0
        if not kept >= KEPT:
            self.rows = None
        return State(W, value, gradient) if kept > 1e-4 else None

    @property
    def is_smooth(self) -> bool:
        """Whether the loss itself is smooth, not only the smoothed loss."""
        return self.objective.loss.smoothed(0.0).smooth

    def state_at(self, W: Weights) -> State:
        """Return the state at weights, with value and gradient there."""
        value, gradient = self.objective(W)
        return State(W, value, gradient, self, smoothed=not self.is_smooth)

    def renew(self, seed: int, W: Weights, pairs: Pairs) -> None:
        """Model the curvature at other weights."""
        self.curvature = Curvature.of(self.objective, seed, W)
        self.curvature.measure(pairs)
        self.age = 0
