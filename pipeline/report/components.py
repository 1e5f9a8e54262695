"""Principal components of features, also of features that are the same for all images."""

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA

__all__ = ["principal_axes", "principal_components"]


def principal_axes(X: npt.NDArray[np.float64], most: int) -> npt.NDArray[np.float64]:
    """Return the first principal axes of centred rows, at most as many as there can be.

    Returns
    -------
    ndarray of shape (n_axes, n_features)
    """
    with np.errstate(invalid="ignore"):  # shares of a variance of 0, which nobody reads
        axes = PCA(min(most, *X.shape), random_state=0).fit(X).components_
    return np.asarray(axes)


def principal_components(X: npt.NDArray[np.float64], most: int) -> npt.NDArray[np.float64]:
    """Return centred rows in coordinates of their first principal axes."""
    return np.asarray(X @ principal_axes(X, most).T)
