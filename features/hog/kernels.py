"""Compiled loops of HOG: pixels -> gradients -> votes -> cells -> normalised blocks.

Each function writes to the arrays that it is given last. The three kernels at the end describe
images by them; they differ in how a gradient votes.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from visualwords.compiling import inlined, kernel
from visualwords.features.image import FloatArray

__all__ = [
    "ARCTANGENT",
    "CLIP",
    "INFINITY",
    "NORMS",
    "describe_directions",
    "describe_soft",
    "describe_table",
    "describe_votes",
    "histogram_starts",
    "row_gradients",
    "scale",
    "soft_votes",
]

# Places of bins in histograms that lie one behind another: ``starts[x] + b`` is that of bin b in
# the histogram of column x. Unsigned, for numba lets negative indices count from the end.
Places = npt.NDArray[np.uint32]
Indices = npt.NDArray[np.int64]

# Coefficients of t, t**3, t**5 ... in a polynomial near arctan(t) for t in 0..1, of least maximal
# error (3e-7 radian).
ARCTANGENT = (
    0.999996112,
    -0.333173680,
    0.198078153,
    -0.132333413,
    0.0796236602,
    -0.0336042116,
    0.00681179074,
)

NORMS = ("L1", "L1-sqrt", "L2", "L2-Hys", "opencv", "none")
L1, L1_SQRT, L2, L2_HYS, OPENCV, NONE = range(len(NORMS))

ZERO, HALF, ONE = np.float32(0), np.float32(0.5), np.float32(1)
CLIP, INFINITY = np.float32(0.2), np.float32(np.inf)
TINY = np.float32(1e-30)  # keeps the slope of a gradient of length 0 a number
OPENCV_EPSILON = np.float32(0.1)  # of the first norm, for each number of a block
OPENCV_EPSILON_AGAIN = np.float32(1e-3)  # of the second norm


@inlined
def load(image: Any, takes_roots: bool, planes: FloatArray) -> None:
    """Copy an image into planes with a border of one pixel, or copy its square roots.

    The border mirrors the image at its outermost pixels: ``planes[c, 0] = planes[c, 2]``. So the
    difference of two neighbours is 0 where one of them lies outside the image.

    Parameters
    ----------
    image : ndarray of shape (rows, columns, channels), uint8 or float32
    takes_roots : bool
    planes : ndarray of shape (channels, rows + 2, columns + 2), float32
    """
    rows, columns, channels = image.shape
    for c in range(channels):
        plane = planes[c]
        for y in range(rows):
            for x in range(columns):
                plane[y + 1, x + 1] = image[y, x, c]
            if takes_roots:
                for x in range(1, columns + 1):
                    plane[y + 1, x] = np.sqrt(plane[y + 1, x])
            plane[y + 1, 0] = plane[y + 1, min(2, columns)]
            plane[y + 1, columns + 1] = plane[y + 1, max(columns - 1, 1)]
        plane[0] = plane[min(2, rows)]
        plane[rows + 1] = plane[max(rows - 1, 1)]


@inlined
def row_gradients(planes: FloatArray, y: int, gx: FloatArray, gy: FloatArray) -> None:
    """Compute ``gx = p[y, x + 1] - p[y, x - 1]`` and ``gy = p[y + 1, x] - p[y - 1, x]`` of a row.

    Of several channels that with the largest ``gx**2 + gy**2`` counts, the first of equal ones.

    Parameters
    ----------
    planes : ndarray of shape (channels, rows + 2, columns + 2), float32
        The pixels p, with a border.
    y : int
    gx, gy : ndarray of shape (columns,), float32
    """
    above, row, below = planes[0, y], planes[0, y + 1], planes[0, y + 2]
    for x in range(len(gx)):
        gx[x] = row[x + 2] - row[x]
        gy[x] = below[x + 1] - above[x + 1]
    for c in range(1, len(planes)):
        above, row, below = planes[c, y], planes[c, y + 1], planes[c, y + 2]
        for x in range(len(gx)):
            across, down = row[x + 2] - row[x], below[x + 1] - above[x + 1]
            longer = across * across + down * down > gx[x] * gx[x] + gy[x] * gy[x]
            gx[x] = across if longer else gx[x]
            gy[x] = down if longer else gy[x]


@inlined
def row_gradients_by_table(
    planes: FloatArray, y: int, lengths: npt.NDArray[np.float64], gx: FloatArray, gy: FloatArray
) -> None:
    """Compute the gradients of a row as :func:`row_gradients`, of 8-bit channels.

    The first channel with the largest ``lengths[255 + gy, 255 + gx]`` counts.
    """
    for x in range(len(gx)):
        longest = -1.0
        for c in range(len(planes)):
            across = planes[c, y + 1, x + 2] - planes[c, y + 1, x]
            down = planes[c, y + 2, x + 1] - planes[c, y, x + 1]
            length = lengths[255 + int(down), 255 + int(across)]
            if length > longest:
                longest, gx[x], gy[x] = length, across, down


@inlined
def histogram_starts(columns: int, width: int, n_bins: int) -> Places:
    """Return where the histograms of columns start: ``width`` columns share one of ``n_bins``."""
    starts = np.empty(columns, np.uint32)
    for x in range(columns):
        starts[x] = x // width * n_bins
    return starts


@inlined
def soft_votes(
    gx: FloatArray,
    gy: FloatArray,
    n_bins: int,
    signed: bool,
    arctangent: FloatArray,
    starts: Places,
    lower_places: Places,
    lower: FloatArray,
    upper_places: Places,
    upper: FloatArray,
) -> None:
    """Share the length of each gradient linearly between the two bins nearest to its angle.

    Bin b has its centre at the angle ``(b + 1/2) * turn / n_bins``, where the turn is 2 pi if
    ``signed`` and pi if not; the bin after the last is the first. A gradient of length g and angle
    ``(b + 1/2 + s) * turn / n_bins`` gives ``(1 - s) * g`` to bin b and ``s * g`` to bin b + 1.

    Parameters
    ----------
    gx, gy : ndarray of shape (columns,), float32
    n_bins : int
    signed : bool
    arctangent : ndarray of shape (7,), float32
        Coefficients of ``t, t**3, t**5 ...`` in arctan(t) * n_bins / turn for t in 0..1.
    starts : ndarray of shape (columns,), uint32
        Of :func:`histogram_starts`.
    lower_places, upper_places : ndarray of shape (columns,), uint32
        The places of the bins b and b + 1.
    lower, upper : ndarray of shape (columns,), float32
        Their votes.
    """
    a0, a1, a2, a3, a4, a5, a6 = (
        arctangent[0],
        arctangent[1],
        arctangent[2],
        arctangent[3],
        arctangent[4],
        arctangent[5],
        arctangent[6],
    )
    last = np.int32(n_bins - 1)
    turn = np.float32(n_bins)
    half_turn = turn * HALF if signed else turn
    quarter_turn = half_turn * HALF
    for x in range(len(gx)):
        across, down = abs(gx[x]), abs(gy[x])
        steep = down > across
        t = min(across, down) / (max(across, down) + TINY)
        s = t * t
        angle = t * (a0 + s * (a1 + s * (a2 + s * (a3 + s * (a4 + s * (a5 + s * a6))))))
        angle = quarter_turn - angle if steep else angle
        leftwards, upwards = gx[x] < ZERO, gy[x] < ZERO
        mirrored = leftwards if signed else leftwards != upwards
        angle = half_turn - angle if mirrored else angle
        angle = turn - angle if signed and upwards else angle
        above = min(max(np.int32(angle + HALF), np.int32(0)), np.int32(n_bins))
        length = np.sqrt(across * across + down * down)
        share = length * (angle + HALF - np.float32(above))
        lower[x], upper[x] = length - share, share
        below = np.int32(above - 1) if above > 0 else last
        lower_places[x] = starts[x] + np.uint32(below)
        upper_places[x] = starts[x] + np.uint32(above if above <= last else np.int32(0))


@inlined
def table_votes(
    gx: FloatArray,
    gy: FloatArray,
    table: npt.NDArray[np.uint8],
    starts: Places,
    indices: npt.NDArray[np.uint32],
    places: Places,
    votes: FloatArray,
) -> None:
    """Let each gradient of 8-bit pixels vote for the bin ``table[511 * (255 + gy) + 255 + gx]``.

    The vote is its length, ``sqrt(gx**2 + gy**2)``. ``indices``, of shape (columns,), is room for
    those of the table.
    """
    for x in range(len(gx)):
        votes[x] = np.sqrt(gx[x] * gx[x] + gy[x] * gy[x])
        indices[x] = np.int32(gy[x] * np.float32(511) + gx[x] + np.float32(255 * 512))
    for x in range(len(gx)):
        places[x] = starts[x] + np.uint32(table[indices[x]])


@inlined
def direction_votes(
    gx: FloatArray,
    gy: FloatArray,
    cosines: FloatArray,
    sines: FloatArray,
    starts: Places,
    largest: FloatArray,
    places: Places,
    votes: FloatArray,
) -> None:
    """Let each gradient vote for the direction that it points along most, with its length.

    The n directions are ``(cosines[k], sines[k])``, and their opposites are the bins n + k. The
    first with the largest product with the gradient counts, in float32 as in VLFeat. There is no
    vote where all products are 0. ``largest``, of shape (columns,), is room for these products.
    """
    n = len(cosines)
    for x in range(len(gx)):
        places[x] = 0
        largest[x] = ZERO
    for k in range(n):
        along, opposite = np.int32(k), np.int32(n + k)
        cosine, sine = cosines[k], sines[k]
        for x in range(len(gx)):
            product = gx[x] * cosine + gy[x] * sine
            nearest = opposite if product < ZERO else along
            places[x] = nearest if abs(product) > largest[x] else places[x]
            largest[x] = max(abs(product), largest[x])
    for x in range(len(gx)):
        length = np.sqrt(gx[x] * gx[x] + gy[x] * gy[x])
        votes[x] = length if largest[x] > ZERO else ZERO
        places[x] += starts[x]


@inlined
def pool(
    places: Places,
    votes: FloatArray,
    first_rows: Indices,
    row_weights: FloatArray,
    first_columns: Indices,
    column_weights: FloatArray,
    cells: FloatArray,
) -> None:
    """Sum weighted votes into the histograms of cells.

    ``cells[i, j, b]`` is the sum of ``row_weights[i, y - first_rows[i]] * column_weights[j, x -
    first_columns[j]] * votes[v, y, x]`` over the votes v for bin b of the pixels y, x in the image
    for which there are weights.

    Parameters
    ----------
    places : ndarray of shape (votes of a pixel, rows, columns), uint32
    votes : ndarray of the same shape, float32
    first_rows : ndarray of shape (cell rows,), int64
    row_weights : ndarray of shape (cell rows, most rows of a cell), float32
    first_columns, column_weights : ndarray
        The same of columns.
    cells : ndarray of shape (cell rows, cell columns, bins), float32
    """
    n_votes, rows, columns = places.shape
    n_bins = cells.shape[2]
    sums = np.empty(columns * n_bins, np.float32)  # of the rows of a cell
    of_columns = sums.reshape(columns, n_bins)
    for i in range(len(first_rows)):
        first, weights = first_rows[i], row_weights[i]
        sums[:] = ZERO
        for y in range(max(first, 0), min(first + len(weights), rows)):
            weight = weights[y - first]
            for v in range(n_votes):
                row_places, row_votes = places[v, y], votes[v, y]
                for x in range(columns):
                    sums[row_places[x]] += weight * row_votes[x]
        cells[i] = ZERO
        for k in range(column_weights.shape[1]):
            for j in range(len(first_columns)):
                x, weight = first_columns[j] + k, column_weights[j, k]
                if 0 <= x < columns:
                    for b in range(n_bins):
                        cells[i, j, b] += weight * of_columns[x, b]


# The compiler may choose the order of the sums, once and for all calls.
@inlined(fastmath={"reassoc"})
def scale(values: FloatArray, clip: Any, inside: Any, outside: Any) -> None:
    """Divide ``v = min(values, clip)`` by ``sqrt(sum(v**2) + inside) + outside``, in place."""
    total = ZERO
    for i in range(len(values)):
        clipped = min(values[i], clip)
        values[i] = clipped
        total += clipped * clipped
    factor = ONE / (np.sqrt(total + inside) + outside)
    for i in range(len(values)):
        values[i] *= factor


@inlined
def normalize(block: FloatArray, norm: int, epsilon: float) -> None:
    """Normalise the numbers v of a block in place.

    ======== ========================================================================
    L1       ``v / (sum(v) + epsilon)``
    L1-sqrt  ``sqrt(v / (sum(v) + epsilon))``
    L2       ``v / sqrt(sum(v**2) + epsilon**2)``
    L2-Hys   L2, then clipped at 0.2, then L2 again
    opencv   ``v / (sqrt(sum(v**2)) + 0.1 * len(v))``, then clipped at 0.2, then
             ``v / (sqrt(sum(v**2)) + 0.001)``
    none     v
    ======== ========================================================================
    """
    small = np.float32(epsilon)
    if norm <= L1_SQRT:
        total = ZERO
        for i in range(len(block)):
            total += block[i]
        factor = ONE / (total + small)
        for i in range(len(block)):
            block[i] = np.sqrt(block[i] * factor) if norm == L1_SQRT else block[i] * factor
    elif norm <= L2_HYS:
        scale(block, INFINITY, small * small, ZERO)
        if norm == L2_HYS:
            scale(block, CLIP, small * small, ZERO)
    elif norm == OPENCV:
        scale(block, INFINITY, ZERO, OPENCV_EPSILON * np.float32(len(block)))
        scale(block, CLIP, ZERO, OPENCV_EPSILON_AGAIN)


@inlined
def write_blocks(
    cells: FloatArray, steps: tuple[int, int], norm: int, epsilon: float, blocks: FloatArray
) -> None:
    """Copy the cells of each block and normalise them.

    ``blocks[i, j, r, c]`` is ``cells[i * steps[0] + r, j * steps[1] + c]`` before that.

    Parameters
    ----------
    cells : ndarray of shape (cell rows, cell columns, bins), float32
    steps : (int, int)
        Rows and columns of cells from one block to the next.
    norm, epsilon
        Of :func:`normalize`.
    blocks : ndarray of shape (rows, columns, rows and columns of cells in a block, bins), float32
    """
    rows, columns, height, width, n_bins = blocks.shape
    run = width * n_bins  # a row of the cells of a block
    by_rows = cells.reshape(len(cells), cells.shape[1] * n_bins)
    for i in range(rows):
        for j in range(columns):
            block = blocks[i, j].reshape(height * run)
            first = j * steps[1] * n_bins
            for r in range(height):
                numbers, row = block[r * run : (r + 1) * run], by_rows[i * steps[0] + r]
                here = row[first : first + run]
                for k in range(run):
                    numbers[k] = here[k]
            normalize(block, norm, epsilon)


@kernel
def describe_soft(
    images: Any,
    takes_roots: bool,
    signed: bool,
    arctangent: FloatArray,
    first_rows: Indices,
    row_weights: FloatArray,
    first_columns: Indices,
    column_weights: FloatArray,
    steps: tuple[int, int],
    norm: int,
    epsilon: float,
    out: FloatArray,
) -> None:
    """Describe images by :func:`soft_votes`: "dalal" and "opencv".

    Parameters
    ----------
    images : ndarray of shape (n, rows, columns, channels), uint8 or float32
    takes_roots : bool
        Of :func:`load`.
    signed, arctangent
        Of :func:`soft_votes`.
    first_rows, row_weights, first_columns, column_weights
        Of :func:`pool`.
    steps, norm, epsilon
        Of :func:`write_blocks`.
    out : ndarray of shape (n, block rows, block columns, cell rows, cell columns, bins), float32
        The blocks of each image.
    """
    rows, columns, channels = images.shape[1:]
    n_bins = out.shape[5]
    planes = np.empty((channels, rows + 2, columns + 2), np.float32)
    gx, gy = np.empty(columns, np.float32), np.empty(columns, np.float32)
    starts = histogram_starts(columns, 1, out.shape[5])
    places = np.empty((2, rows, columns), np.uint32)
    votes = np.empty((2, rows, columns), np.float32)
    cells = np.empty((len(first_rows), len(first_columns), n_bins), np.float32)
    for k in range(len(images)):
        load(images[k], takes_roots, planes)
        for y in range(rows):
            row_gradients(planes, y, gx, gy)
            soft_votes(
                gx,
                gy,
                n_bins,
                signed,
                arctangent,
                starts,
                places[0, y],
                votes[0, y],
                places[1, y],
                votes[1, y],
            )
        pool(places, votes, first_rows, row_weights, first_columns, column_weights, cells)
        write_blocks(cells, steps, norm, epsilon, out[k])


@kernel
def describe_table(
    images: npt.NDArray[np.uint8],
    table: npt.NDArray[np.uint8],
    lengths: npt.NDArray[np.float64],
    first_rows: Indices,
    row_weights: FloatArray,
    first_columns: Indices,
    column_weights: FloatArray,
    steps: tuple[int, int],
    norm: int,
    epsilon: float,
    out: FloatArray,
) -> None:
    """Describe 8-bit images by :func:`table_votes`: "skimage".

    ``lengths`` is that of :func:`row_gradients_by_table`; the other parameters are those of
    :func:`describe_soft`.
    """
    rows, columns, channels = images.shape[1:]
    planes = np.empty((channels, rows + 2, columns + 2), np.float32)
    gx, gy = np.empty(columns, np.float32), np.empty(columns, np.float32)
    starts = histogram_starts(columns, 1, out.shape[5])
    indices = np.empty(columns, np.uint32)
    places = np.empty((1, rows, columns), np.uint32)
    votes = np.empty((1, rows, columns), np.float32)
    cells = np.empty((len(first_rows), len(first_columns), out.shape[5]), np.float32)
    for k in range(len(images)):
        load(images[k], False, planes)
        for y in range(rows):
            if channels == 1:
                row_gradients(planes, y, gx, gy)
            else:
                row_gradients_by_table(planes, y, lengths, gx, gy)
            table_votes(gx, gy, table, starts, indices, places[0, y], votes[0, y])
        pool(places, votes, first_rows, row_weights, first_columns, column_weights, cells)
        write_blocks(cells, steps, norm, epsilon, out[k])


@kernel
def describe_directions(
    images: Any,
    takes_roots: bool,
    cosines: FloatArray,
    sines: FloatArray,
    first_rows: Indices,
    row_weights: FloatArray,
    first_columns: Indices,
    column_weights: FloatArray,
    steps: tuple[int, int],
    norm: int,
    epsilon: float,
    out: FloatArray,
) -> None:
    """Describe images by :func:`direction_votes`: "uoctti".

    The parameters are those of :func:`direction_votes` and :func:`describe_soft`.
    """
    rows, columns, channels = images.shape[1:]
    planes = np.empty((channels, rows + 2, columns + 2), np.float32)
    gx, gy = np.empty(columns, np.float32), np.empty(columns, np.float32)
    starts = histogram_starts(columns, 1, out.shape[5])
    largest = np.empty(columns, np.float32)
    places = np.empty((1, rows, columns), np.uint32)
    votes = np.empty((1, rows, columns), np.float32)
    cells = np.empty((len(first_rows), len(first_columns), out.shape[5]), np.float32)
    for k in range(len(images)):
        load(images[k], takes_roots, planes)
        for y in range(rows):
            row_gradients(planes, y, gx, gy)
            direction_votes(gx, gy, cosines, sines, starts, largest, places[0, y], votes[0, y])
        pool(places, votes, first_rows, row_weights, first_columns, column_weights, cells)
        write_blocks(cells, steps, norm, epsilon, out[k])


@kernel
def describe_votes(
    places: Places,
    votes: FloatArray,
    first_rows: Indices,
    row_weights: FloatArray,
    first_columns: Indices,
    column_weights: FloatArray,
    steps: tuple[int, int],
    norm: int,
    epsilon: float,
    out: FloatArray,
) -> None:
    """Describe one image by votes that are known: parameters are those of :func:`pool`.

    ``out`` is an ndarray of shape (block rows, block columns, cell rows, cell columns, bins).
    """
    cells = np.empty((len(first_rows), len(first_columns), out.shape[4]), np.float32)
    pool(places, votes, first_rows, row_weights, first_columns, column_weights, cells)
    write_blocks(cells, steps, norm, epsilon, out)


@kernel
def uoctti_numbers(cells: FloatArray, out: FloatArray) -> None:
    """Write 3 n + 4 numbers a cell: Felzenszwalb et al. 2010, section 6.2, without the PCA.

    A cell is normalised by the length of each of the four blocks of 2x2 cells around it, of the n
    unsigned bins; its own row or column stands in for one beyond the border. Each time it is
    clipped at 0.2. The 2 n signed and n unsigned bins are half the sum of the four; the last
    numbers are for each block the sum of the unsigned bins over sqrt(18).

    Parameters
    ----------
    cells : ndarray of shape (images, rows, columns, 2 n), float32
    out : ndarray of shape (images, rows, columns, 3 n + 4), float32
    """
    images, rows, columns, directions = cells.shape
    n = directions // 2
    energy = np.empty((rows, columns), np.float32)
    for k in range(images):
        for i in range(rows):
            for j in range(columns):
                energy[i, j] = ZERO
                for o in range(n):
                    both = cells[k, i, j, o] + cells[k, i, j, o + n]
                    energy[i, j] += both * both
        out[k] = ZERO
        for i in range(rows):
            for j in range(columns):
                for corner in range(4):
                    y = min(max(i + corner // 2 * 2 - 1, 0), rows - 1)
                    x = min(max(j + corner % 2 * 2 - 1, 0), columns - 1)
                    total = (energy[i, j] + energy[y, j]) + (energy[i, x] + energy[y, x])
                    factor = ONE / np.sqrt(total + np.float32(1e-4))
                    add_normalized(cells[k, i, j], factor, corner, out[k, i, j])


@inlined
def add_normalized(cell: FloatArray, factor: Any, corner: int, numbers: FloatArray) -> None:
    """Add a cell's bins, times the factor of one corner and clipped, to its numbers."""
    n = len(cell) // 2
    for o in range(n):
        forth, back = cell[o] * factor, cell[o + n] * factor
        both = min(forth + back, CLIP)
        numbers[o] += HALF * min(forth, CLIP)
        numbers[n + o] += HALF * min(back, CLIP)
        numbers[2 * n + o] += HALF * both
        numbers[3 * n + corner] += both * np.float32(18**-0.5)
