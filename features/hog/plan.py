"""What HOG does for images of one size, found once: its way from pixels to descriptors."""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from visualwords.lanes import LANES

from . import steps as hog_steps
from .constants import constants_of_norm, scale_of_pixels
from .conventions import CONVENTIONS_OF_CELLS, Parameters, check_counts, check_size, checked
from .steps import Describe
from .tables import Blocks, Layout, blocks_of, tables
from .windows import windows_along

__all__ = ["Plan", "find_plan", "make_plan"]


class Plan(NamedTuple):
    """What images of one size need: ``describe`` writes their descriptors.

    ``shape`` is that of a descriptor as an array: (block rows, block columns, cell rows, cell
    columns, orientations), or (rows, columns, numbers) where there are only cells; for "opencv" and
    "cs231n" in the order of their owners, columns before rows.
    """

    shape: tuple[int, ...]
    length: int
    describe: Describe


def find_plan(
    size: tuple[int, ...],
    itemsize: int,
    orientations: Any,
    cell: Any,
    block: Any,
    convention: str,
    stride: Any,
    norm: str,
    signed: bool,
    root: bool | None,
    only_cells: bool = False,
) -> Plan:
    """Give :func:`make_plan` pairs that may be lists or arrays, which cannot be looked up."""
    check_counts("orientations", (orientations,), 1)
    cell, block, stride = (
        tuple(p) if isinstance(p, list | np.ndarray) else p for p in (cell, block, stride)
    )
    rest = convention, stride, norm, signed, root, only_cells
    return make_plan(size, itemsize, orientations, cell, block, *rest)


@lru_cache(maxsize=256)
def make_plan(
    size: tuple[int, ...],
    itemsize: int,
    orientations: int,
    cell: tuple[int, int],
    block: tuple[int, int],
    convention: str,
    stride: tuple[int, int] | None,
    norm: str,
    signed: bool,
    root: bool | None,
    only_cells: bool = False,
) -> Plan:
    """Plan for images of ``size`` = (rows, columns[, channels]): descriptors, or cells' histograms.

    It is made once for the same parameters. ``itemsize`` is 1 for uint8 pixels, 4 or 8 for floats.

    Raises
    ------
    ValueError
        If a parameter is not valid or the image is smaller than a block.
    """
    p = checked(Parameters(orientations, cell, block, convention, stride, norm, signed, root))
    has_blocks = not only_cells and convention not in CONVENTIONS_OF_CELLS
    check_size(size[:2], p.cell, p.block if has_blocks else (1, 1))
    windows = [windows_along(p, axis, size[axis], has_blocks) for axis in (0, 1)]
    n_bins = p.orientations * (2 if convention == "uoctti" else 1)
    cells = (len(windows[0].first), len(windows[1].first), n_bins)
    blocks = blocks_of(p, cells) if has_blocks else Blocks(cells[:2], (1, 1), (1, 1))
    shape = blocks.shape(p) if has_blocks else cells if only_cells else _shape_of_cells(p, cells)
    whole = (size[0], size[1], size[2] if len(size) == 3 else 1)
    takes_roots = convention == "opencv" if root is None else bool(root)
    scale = scale_of_pixels(p, itemsize > 1)
    layout = Layout(p, whole, windows, cells, blocks, has_blocks, takes_roots, scale)
    return Plan(shape, int(np.prod(shape)), _steps(layout, shape, itemsize, only_cells))


def _steps(layout: Layout, shape: tuple[int, ...], itemsize: int, only_cells: bool) -> Describe:
    """Give the way from pixels to descriptors: the kernel, and what must come before and after."""
    convention, size, is_float = layout.p.convention, layout.size, itemsize > 1
    if convention == "cs231n":
        return hog_steps.course(size, layout.p.cell, layout.cells, not only_cells)
    if convention == "skimage" and _is_rounded(layout, itemsize):
        describe = hog_steps.as_skimage(layout, shape)
    else:
        describe = hog_steps.kernel(tables(layout), is_float)
        if convention == "uoctti" and not only_cells:
            describe = hog_steps.normalized(describe, layout.cells, constants_of_norm(layout.p))
        if size[1] < LANES:
            describe = hog_steps.widened(describe, size[2])
        if itemsize == 8:
            describe = hog_steps.narrowed(describe)
    if layout.takes_roots and is_float:
        describe = hog_steps.refusing_negative(describe)
    return describe


def _is_rounded(layout: Layout, itemsize: int) -> bool:
    """Whether rounding decides votes in scikit-image, in another way than in the kernel."""
    return layout.takes_roots or itemsize == 8 or (itemsize == 4 and layout.size[2] > 1)


def _shape_of_cells(p: Parameters, cells: tuple[int, int, int]) -> tuple[int, int, int]:
    """Shape of a descriptor that has no blocks, as its owner lists them."""
    rows, columns, n = cells
    return (columns, rows, n) if p.convention == "cs231n" else (rows, columns, 3 * (n // 2) + 4)
