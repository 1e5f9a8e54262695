"""The parameters of HOG, and what its conventions make of them: checks, windows and bins."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from visualwords.checks import check_bool, check_choice, check_integer, check_pair

__all__ = [
    "CONVENTIONS",
    "CONVENTIONS_OF_CELLS",
    "WHOLE_CELLS",
    "Parameters",
    "Windows",
    "bin_angles",
    "check_parameters",
    "check_size",
    "windows_along",
]

CONVENTIONS = ("dalal", "skimage", "opencv", "uoctti", "cs231n")
CONVENTIONS_OF_CELLS = ("uoctti", "cs231n")
WHOLE_CELLS = ("skimage", "cs231n")  # A pixel is in one cell, and a cell has the mean.
NORMS = ("L1", "L1-sqrt", "L2", "L2-Hys")
MOST_ORIENTATIONS = 256  # 8-bit gradients tell no more apart, and a bin's number fits in a byte


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
    mirror: bool = False  # of HOG


def check_parameters(p: Parameters) -> Parameters:
    """Check the parameters; return them with the stride filled in and plain Python numbers."""
    check_choice("convention", p.convention, CONVENTIONS)
    check_choice("block_norm", p.norm, NORMS)
    root = p.convention == "opencv" if p.root is None else check_bool("transform_sqrt", p.root)
    cell = check_pair("pixels_per_cell", p.cell)
    block = check_pair("cells_per_block", p.block)
    stride = cell if p.stride is None else check_pair("block_stride", p.stride)
    for name, is_set, conventions in (
        ("signed=True", p.signed, ("dalal", "opencv")),
        ("transform_sqrt=True", root, CONVENTIONS[:-1]),
        (f"block_norm={p.norm!r}", p.norm != "L2-Hys", ("dalal", "skimage")),
    ):
        if is_set and p.convention not in conventions:
            raise ValueError(f"{name} is for {conventions}, not for {p.convention!r}")
    if p.convention in CONVENTIONS_OF_CELLS and (block, stride) != ((2, 2), cell):
        raise ValueError(
            f"{p.convention!r} has no blocks of its own: leave cells_per_block and block_stride out"
        )
    if p.convention == "skimage" and (stride[0] % cell[0] or stride[1] % cell[1]):
        raise ValueError(
            f'with convention="skimage" block_stride must be a multiple of pixels_per_cell '
            f"{cell}, got {stride}"
        )
    return p._replace(
        orientations=check_integer("orientations", p.orientations, most=MOST_ORIENTATIONS),
        cell=cell,
        block=block,
        stride=stride,
        signed=check_bool("signed", p.signed),
        mirror=check_bool("mirror", p.mirror),
        root=root,
    )


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
    """Return the angle of the gradients of each bin, from pointing right towards pointing down.

    ``circle`` is the unit: the angle of a full turn.
    """
    turn = circle if signed else circle / 2
    if convention == "uoctti":
        return turn * np.arange(2 * orientations) / orientations
    middles = turn * (np.arange(orientations) + 0.5) / orientations
    return middles - circle / 4 if convention == "cs231n" else middles


class Windows(NamedTuple):
    """Which pixels along an axis of the image count in a cell, and with what weight.

    Pixel ``period * j + first[c] + k`` counts by ``weights[c, k]`` in cell c of block j, if it is
    one of the pixels ``start .. end - 1``. A block has as many cells as ``first`` has numbers: all
    of its own for "dalal" and "opencv", which share no cells between blocks, and one otherwise.
    """

    number: int  # of blocks
    period: int
    first: npt.NDArray[np.int64]  # (cells,)
    weights: npt.NDArray[np.float64]  # (cells, most pixels of a cell)
    start: int
    end: int


def windows_along(p: Parameters, axis: int, pixels: int, has_blocks: bool) -> Windows:
    """Return the windows along an axis of ``pixels``."""
    cell = p.cell[axis]
    number = pixels // cell
    if p.convention in WHOLE_CELLS:  # The columns have the weights of a mean.
        weight = 1.0 if axis == 0 else 1 / (p.cell[0] * p.cell[1])
        weights = np.full((1, cell), weight)
        return Windows(number, cell, np.zeros(1, np.int64), weights, 0, number * cell)
    if has_blocks:
        return _cells_of_blocks(p, axis, pixels)
    # Pixels are shared linearly between the two nearest cells' centres.
    start, end = 0, number * cell
    if p.convention == "uoctti":  # The first and the last pixel do not vote.
        number, start, end = (pixels + cell // 2) // cell, 1, pixels - 1
    places = np.arange(-(cell // 2), cell + (cell + 1) // 2)
    weights = _shares((places[np.newaxis] + 0.5) / cell - 0.5)
    return Windows(number, cell, places[:1], weights, start, end)


def _shares(cells: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the share of a cell in pixels so many cells from its centre: 1 there, 0 beyond 1."""
    return np.maximum(0, 1 - np.abs(cells))


def _cells_of_blocks(p: Parameters, axis: int, pixels: int) -> Windows:
    """Return the windows of a block's cells: triangles under the block's Gaussian."""
    assert p.stride is not None
    cells, cell = p.block[axis], p.cell[axis]
    block = cell * cells
    place = np.arange(block)
    if p.convention == "opencv":
        sigma = sum(c * b for c, b in zip(p.cell, p.block, strict=True)) / 8
        gaussian = np.exp(-((place - block / 2) ** 2) / (2 * sigma**2))
    else:
        gaussian = np.exp(-((place + 0.5 - block / 2) ** 2) / (2 * (block / 2) ** 2))
    # A cell's triangle reaches half a cell beyond it, but not beyond the block.
    numbers = np.arange(cells)[:, np.newaxis]
    first = np.maximum(0, cell * numbers - cell // 2)
    seen = first + np.arange(min(block, 2 * cell))
    weights = _shares((seen + 0.5) / cell - 0.5 - numbers) * gaussian[np.minimum(seen, block - 1)]
    weights[seen >= block] = 0
    weights = weights[:, : np.flatnonzero(weights.any(axis=0))[-1] + 1]
    stride = p.stride[axis]
    return Windows((pixels - block) // stride + 1, stride, first.ravel(), weights, 0, pixels)
