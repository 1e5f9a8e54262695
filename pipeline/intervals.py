"""How sure an accuracy is: the interval that so many test images leave open."""

from statistics import NormalDist

import numpy as np
import numpy.typing as npt

__all__ = ["wilson_interval"]


def wilson_interval(
    right: npt.ArrayLike, total: npt.ArrayLike, confidence: float = 0.95
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the bounds of a share between 0 and 1, by the score interval [1]_.

    Parameters
    ----------
    right, total : array-like of int
        So many of so many.
    confidence : float

    Returns
    -------
    low, high : ndarray of float64

    References
    ----------
    .. [1] E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
       Journal of the American Statistical Association 22, 1927.

    Examples
    --------
    >>> low, high = wilson_interval(8, 10)
    >>> round(float(low), 4), round(float(high), 4)
    (0.4902, 0.9433)
    """
    total = np.asarray(total, np.float64)
    share = np.asarray(right, np.float64) / total
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    middle = share + z * z / (2 * total)
    reach = z * np.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return (middle - reach) / (1 + z * z / total), (middle + reach) / (1 + z * z / total)
