"""Patches where a detector finds something: SIFT, ORB, FAST and corner keypoints."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from visualwords.checks import check_bool, check_choice, check_integer, check_real
from visualwords.features.image import FloatArray, Image, as_stack, check_image

from .base import MOST_PIXELS, Patches, halved, halvings, unit_gray
from .grid import CELLS, N_NUMBERS, ORIENTATIONS
from .kernels import describe_windows

__all__ = ["KeypointPatches"]

# Rows of (row, column, size, angle, response); sizes and angles in OpenCV's pixels and degrees.
Found = npt.NDArray[np.float64]
DEGREE = np.pi / 180
# SIFT describes 4 x 4 cells of 3 sigma each, and its keypoint's size is 2 sigma.
SIFT_MAGNIFICATION = 6
ORB_EDGE = 31
# Patches of detectors that find no scale.
DEFAULT_SIZE = 16
MOST_KEYPOINTS = 10**6


class KeypointPatches(Patches):
    """Patches around keypoints, each described by the 144 numbers of :class:`DensePatches`.

    Parameters
    ----------
    detector : {"sift", "orb", "fast", "corners"}
        What finds the keypoints, all of OpenCV with its defaults: SIFT [1]_, ORB [2]_, FAST [3]_,
        or ``goodFeaturesToTrack`` [4]_. The detectors see 8 bits: 0..1 of a float image becomes
        0..255. If values lie outside 0..1, the range is widened to hold them.
    n_keypoints : int
        Most keypoints of an image, at most 1,000,000; the strongest are kept.
    patch_size : float or None
        Side of all patches in pixels, from 1 to 65,536. None is the scale that the detector found:
        for SIFT six times the keypoint's size, the region that SIFT itself describes; for ORB its
        size (31 pixels of its level). FAST and corners have no scale: 16 pixels.
    oriented : bool
        Turn each patch by the angle that the detector found, so that a descriptor does not
        change when the image turns; SIFT and ORB only.
    n_jobs : int or None
        Threads, as in joblib.

    Notes
    -----
    Keypoints are in the order of their strength, equal ones in the order of their row, column,
    size and angle. An image in which nothing is found has no patches: its numbers are listed in
    :attr:`PatchDescriptors.without_patches`, and :class:`BagOfVisualWords` gives it a histogram
    of zeros. A turned patch is sampled on the turned grid.

    References
    ----------
    .. [1] D. Lowe, "Distinctive image features from scale-invariant keypoints", IJCV 2004.
    .. [2] E. Rublee, V. Rabaud, K. Konolige, G. Bradski, "ORB: an efficient alternative to SIFT
       or SURF", ICCV 2011.
    .. [3] E. Rosten, T. Drummond, "Machine learning for high-speed corner detection", ECCV 2006.
    .. [4] J. Shi, C. Tomasi, "Good features to track", CVPR 1994.

    Examples
    --------
    >>> from skimage.data import camera
    >>> values, positions = KeypointPatches("corners", n_keypoints=50).describe(camera())
    >>> values.shape, positions.shape
    ((50, 144), (50, 4))
    >>> KeypointPatches().transform([np.zeros((64, 64))]).without_patches
    array([0])
    """

    def __init__(
        self,
        detector: str = "sift",
        n_keypoints: int = 500,
        *,
        patch_size: float | None = None,
        oriented: bool = False,
        n_jobs: int | None = None,
    ) -> None:
        self.detector = detector
        self.n_keypoints = n_keypoints
        self.patch_size = patch_size
        self.oriented = oriented
        self.n_jobs = n_jobs

    @property
    def mirrored(self) -> npt.NDArray[np.int64]:
        """Where the numbers of a mirror image come from.

        The angle of a turned patch is mirrored with it, so its rows of cells are reversed.
        """
        numbers = super().mirrored
        if not self.oriented:
            return numbers
        return numbers.reshape(CELLS, CELLS, ORIENTATIONS)[::-1, ::-1].reshape(-1)

    def describe(self, image: Image) -> tuple[FloatArray, FloatArray]:
        """Describe the keypoints of one image: (patches, 144) values, (patches, 4) positions."""
        self._check_parameters()
        grays = unit_gray(as_stack(check_image(image)))
        places = self._places(_as_bytes(grays[0]))
        depths = np.array([halvings(size) for size in places[:, 2]], np.int64)
        levels = halved(grays, depths.max(initial=0))
        values = np.empty((len(places), N_NUMBERS), np.float32)
        for depth in np.unique(depths):
            chosen = depths == depth
            described = np.empty((chosen.sum(), N_NUMBERS), np.float32)
            scale = np.array([0.5**depth, 0.5**depth, 0.5**depth, 1])
            describe_windows(levels[depth][0], places[chosen] * scale, described)
            values[chosen] = described
        return values, places.astype(np.float32)

    def _check_parameters(self) -> None:
        check_choice("detector", self.detector, tuple(DETECTORS))
        check_integer("n_keypoints", self.n_keypoints, 1, MOST_KEYPOINTS)
        if self.patch_size is not None:
            check_real("patch_size", self.patch_size, least=1, most=MOST_PIXELS)
        if check_bool("oriented", self.oriented) and self.detector not in WITH_ANGLES:
            raise ValueError(
                f"oriented must be False for detector={self.detector!r}, which finds no angles; "
                f"only {' and '.join(map(repr, WITH_ANGLES))} do"
            )

    def _places(self, gray: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        """Return centre, side and angle of the strongest keypoints, strongest first."""
        found = DETECTORS[self.detector](gray, int(self.n_keypoints))
        if self.patch_size is not None:
            found[:, 2] = self.patch_size
        if not self.oriented:
            found[:, 3] = 0
        # Several angles at one point are several keypoints of SIFT, but one upright patch.
        found = found[np.lexsort((*found[:, 3::-1].T, -found[:, 4]))]
        _, first = np.unique(found[:, :4], axis=0, return_index=True)
        places = found[np.sort(first), :4][: int(self.n_keypoints)]
        places[:, :2] += 0.5
        places[:, 3] *= DEGREE
        return places


def _as_bytes(gray: FloatArray) -> npt.NDArray[np.uint8]:
    """Return a grey image, where 1 is white, in the 8 bits that the detectors see."""
    black, white = min(gray.min(), 0.0), max(gray.max(), 1.0)
    return np.rint((gray - black) / (white - black) * 255).astype(np.uint8)


def _sift(gray: npt.NDArray[np.uint8], n: int) -> Found:
    found = _rows(cv2.SIFT.create().detect(gray))
    found[:, 2] *= SIFT_MAGNIFICATION
    return found


def _orb(gray: npt.NDArray[np.uint8], n: int) -> Found:
    # ORB finds nothing near the edges and fails on an image that is all edge.
    return _rows(cv2.ORB.create(n).detect(gray) if min(gray.shape) > 2 * ORB_EDGE else [])


def _fast(gray: npt.NDArray[np.uint8], n: int) -> Found:
    found = _rows(cv2.FastFeatureDetector.create().detect(gray))
    found[:, 2] = DEFAULT_SIZE
    return found


def _corners(gray: npt.NDArray[np.uint8], n: int) -> Found:
    """Return corners, strongest first. OpenCV hides their strength; their rank stands for it."""
    corners = cv2.goodFeaturesToTrack(gray, n, qualityLevel=0.01, minDistance=3)
    corners = np.empty((0, 2)) if corners is None else corners.reshape(-1, 2)
    found = np.zeros((len(corners), 5))
    found[:, :2] = corners[:, ::-1]
    found[:, 2] = DEFAULT_SIZE
    found[:, 4] = -np.arange(len(corners))
    return found


def _rows(keypoints: Sequence[cv2.KeyPoint]) -> Found:
    return np.array(
        [(k.pt[1], k.pt[0], k.size, k.angle, k.response) for k in keypoints], np.float64
    ).reshape(-1, 5)


DETECTORS: dict[str, Callable[[npt.NDArray[np.uint8], int], Found]] = {
    "sift": _sift,
    "orb": _orb,
    "fast": _fast,
    "corners": _corners,
}
WITH_ANGLES = ("sift", "orb")
