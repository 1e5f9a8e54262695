"""Two ways to keep a sweep over the examples up to date, each a :class:`DualProblem`."""

import numpy as np
import numpy.typing as npt

from visualwords.classifiers.kernels.dual import CLASSES, LANES, sweep_products, sweep_rows
from visualwords.classifiers.kernels.products import block_scores
from visualwords.classifiers.objective import Weights
from visualwords.threads import row_blocks

from .dual_problem import BLOCK_ROWS, DualProblem, Slopes, gradient_by_columns

__all__ = ["DualByProducts", "DualByRows"]


class DualByProducts(DualProblem):
    """Keeps scores up to date, by the products of all pairs of rows. Fast for few rows."""

    def _learn_rows(self) -> npt.NDArray[np.float64]:
        objective = self.objective
        blocks = list(row_blocks(objective.n_samples, BLOCK_ROWS))
        products = np.empty((objective.n_samples, objective.n_samples))

        def fill(first: slice) -> None:
            left = self.standardised[first] / objective.alpha
            for second in blocks:
                if second.start <= first.start:
                    product = left @ self.standardised[second].T
                    products[first, second] = product
                    products[second, first] = product.T

        for _ in objective.map(fill, reversed(blocks)):
            pass
        self.products = products
        return products.diagonal()

    def _improve(self, order: npt.NDArray[np.intp], moved: npt.NDArray[np.bool]) -> None:
        own_scores, step = np.empty((2, self.objective.n_classes))
        sweep_products(
            order,
            self.y,
            self.limits,
            self.coupled,
            self.relaxation,
            self.slopes,
            self.intercept,
            self.rate,
            moved,
            self.products,
            self.scores,
            own_scores,
            step,
        )

    def update(self) -> None:
        """Recompute the scores; see :class:`DualProblem`."""
        self.scores = self.scores_of(self.slopes)

    def scores_of(self, slopes: Slopes) -> Slopes:
        """Compute the scores from the products; see :class:`DualProblem`."""
        return self.offset - self.products @ self.by_scores(slopes)

    def _coef_and_scores(self, slopes: Slopes) -> tuple[Weights, Slopes]:
        objective, derivatives = self.objective, self.by_scores(slopes).T

        def product(rows: slice) -> npt.NDArray[np.float64]:
            return derivatives[:, rows] @ self.standardised[rows]

        coef = np.zeros((objective.n_classes, objective.X.shape[1]))
        for part in objective.map(product, row_blocks(len(self.y), BLOCK_ROWS)):
            coef -= part
        return coef / objective.alpha, self.scores_of(slopes)


class DualByRows(DualProblem):
    """Keeps weights up to date, by a standardised copy of the rows. Fast for more rows."""

    relaxation = 1.5

    def _learn_rows(self) -> npt.NDArray[np.float64]:
        objective, (n, d) = self.objective, self.objective.X.shape
        self.rows = np.zeros((n + 1, -(-d // LANES) * LANES), objective.X.dtype)
        squares = np.empty(n)

        def fill(rows: slice) -> None:
            block = self.standardised[rows]
            self.rows[rows, :d] = block
            squares[rows] = (block**2).sum(axis=1)

        for _ in objective.map(fill, row_blocks(n, BLOCK_ROWS)):
            pass
        return squares / objective.alpha

    def _improve(self, order: npt.NDArray[np.intp], moved: npt.NDArray[np.bool]) -> None:
        n_classes, dtype = self.objective.n_classes, self.rows.dtype
        sweep_rows(
            order,
            self.y,
            self.limits,
            self.coupled,
            self.relaxation,
            self.slopes,
            self.intercept,
            self.rate,
            moved,
            self.rows,
            self.offset,
            self.coef,
            self.objective.alpha,
            np.empty((4, len(self.coef)), dtype),
            np.empty((4, 4), dtype),
            np.empty(n_classes),
            np.empty((4, n_classes)),
            np.empty((4, n_classes), dtype),
        )

    def update(self) -> None:
        """Recompute the weights; see :class:`DualProblem`."""
        coef = self._padded_coef(self.slopes)
        n_classes = -(-len(coef) // CLASSES) * CLASSES
        self.coef = np.zeros((n_classes, coef.shape[1]), self.rows.dtype)
        self.coef[: len(coef)] = coef

    def scores_of(self, slopes: Slopes) -> Slopes:
        """Compute the scores from the weights; see :class:`DualProblem`."""
        return self._coef_and_scores(slopes)[1]

    def _coef_and_scores(self, slopes: Slopes) -> tuple[Weights, Slopes]:
        coef = self._padded_coef(slopes)
        W = coef.astype(self.rows.dtype)
        zero = np.zeros(self.objective.n_classes, self.rows.dtype)
        scores = self.offset.copy()

        def add(rows: slice) -> None:
            scores[rows] += block_scores(self.rows[rows], W, zero)

        for _ in self.objective.map(add, row_blocks(len(self.y), BLOCK_ROWS)):
            pass
        return coef[:, : self.objective.X.shape[1]], scores

    def _padded_coef(self, slopes: Slopes) -> Weights:
        derivatives = self.by_scores(slopes).astype(self.rows.dtype)
        return -gradient_by_columns(self.objective, self.rows, derivatives) / self.objective.alpha
