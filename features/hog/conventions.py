"""The parameters of HOG and the conventions they go by, and what is not valid."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = [
    "CONVENTIONS",
    "CONVENTIONS_OF_CELLS",
    "NORMS",
    "Parameters",
    "bin_angles",
    "check_counts",
    "check_size",
    "checked",
]

CONVENTIONS = ("dalal", "skimage", "opencv", "uoctti", "cs231n")
CONVENTIONS_OF_CELLS = ("uoctti", "cs231n")
NORMS = ("L1", "L1-sqrt", "L2", "L2-Hys")


class Parameters(NamedTuple):
    """The parameters of :func:`visualwords.features.hog`, all hashable."""

    orientations: int
    cell: tuple[int, int]
    block: tuple[int, int]
    convention: str
    stride: tuple[int, int] | None
    norm: str
    signed: bool
    root: bool | None


def checked(p: Parameters) -> Parameters:
    """Check the parameters, fill in the stride and make numbers those of Python, of any size."""
    if p.convention not in CONVENTIONS:
        raise ValueError(f"convention must be one of {CONVENTIONS}, got {p.convention!r}")
    if p.norm not in NORMS:
        raise ValueError(f"block_norm must be one of {NORMS}, got {p.norm!r}")
    if p.signed not in (False, True):
        raise ValueError(f"signed must be False or True, got {p.signed!r}")
    if p.root not in (None, False, True):
        raise ValueError(f"transform_sqrt must be None, False or True, got {p.root!r}")
    stride = p.cell if p.stride is None else p.stride
    p = p._replace(
        orientations=check_counts("orientations", (p.orientations,), 1)[0],
        cell=check_counts("pixels_per_cell", p.cell, 2),
        block=check_counts("cells_per_block", p.block, 2),
        stride=check_counts("block_stride", stride, 2),
    )
    if p.signed and p.convention not in ("dalal", "opencv"):
        raise ValueError(f'signed=True is for "dalal" and "opencv", not {p.convention!r}')
    if p.root and p.convention == "cs231n":
        raise ValueError('transform_sqrt=True is not for "cs231n"')
    if p.norm != "L2-Hys" and p.convention not in ("dalal", "skimage"):
        raise ValueError(f'block_norm={p.norm!r} is for "dalal" and "skimage"')
    assert p.stride is not None
    if p.convention in CONVENTIONS_OF_CELLS and (p.block, p.stride) != ((2, 2), p.cell):
        raise ValueError(
            f"{p.convention!r} has no blocks of its own: leave cells_per_block and block_stride out"
        )
    if p.convention == "skimage" and (p.stride[0] % p.cell[0] or p.stride[1] % p.cell[1]):
        raise ValueError(
            f'with convention="skimage" block_stride must be a multiple of pixels_per_cell '
            f"{p.cell}, got {p.stride}"
        )
    return p


def check_counts(name: str, values: Any, length: int) -> tuple[Any, ...]:
    """Check that a parameter is ``length`` whole numbers above 0 and give these as int.

    8.0 is one: in the caches of what is planned it is the same as 8.
    """
    several = isinstance(values, Sequence | np.ndarray) and len(values) == length
    if not (several and all(_is_count(v) for v in values)):
        what = "a whole number" if length == 1 else "two whole numbers (rows, columns)"
        got = values[0] if length == 1 else values
        raise ValueError(f"{name} must be {what} above 0, got {got!r}")
    return tuple(int(v) for v in values)


def _is_count(value: Any) -> bool:
    is_number = isinstance(value, int | float | np.integer | np.floating)
    return is_number and not isinstance(value, bool) and value > 0 and value % 1 == 0


def check_size(size: tuple[int, ...], cell: tuple[int, int], block: tuple[int, int]) -> None:
    """Check that an image is as large as a block of cells."""
    least = (cell[0] * block[0], cell[1] * block[1])
    if size[0] < least[0] or size[1] < least[1]:
        raise ValueError(
            f"an image of {size[0]}x{size[1]} pixels is too small: a "
            f"{'cell' if block == (1, 1) else 'block'} needs {least[0]}x{least[1]}; use a smaller "
            "pixels_per_cell or cells_per_block, or enlarge the images (image_size of HOG)"
        )


def bin_angles(
    convention: str, orientations: int, signed: bool, circle: float
) -> npt.NDArray[np.float64]:
    """Angle of the gradients of each bin, from pointing right to down; ``circle`` is all around."""
    turn = circle if signed else circle / 2
    if convention == "uoctti":
        return turn * np.arange(2 * orientations) / orientations
    middles = turn * (np.arange(orientations) + 0.5) / orientations
    return middles - circle / 4 if convention == "cs231n" else middles
