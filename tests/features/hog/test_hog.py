"""HOG against its owners, and against the definitions spelled out in float64."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import uniform_filter
from skimage.feature import hog as skimage_hog

from visualwords.features import HOG, hog, hog_cells

SAVED = Path(__file__).with_name("opencv_hog.npz")
# Photographs of at least 33x37 pixels, for which OpenCV was asked for other cells and blocks too.
OTHER_GEOMETRY = (3, 5, 7)


def photographs():
    """56 crops of photographs: grey and colour, odd sizes, and what gradients trip over."""
    pictures = [skimage.data.camera(), skimage.data.coins(), skimage.data.page()]
    pictures += [skimage.data.astronaut(), skimage.data.coffee(), skimage.data.chelsea()]
    rng = np.random.default_rng(0)
    crops = []
    for i in range(52):
        picture = pictures[i % len(pictures)]
        rows, columns = rng.integers(17, 72, 2) if i % 4 else (32, 32)
        y, x = (
            int(rng.integers(0, n)) for n in (picture.shape[0] - rows, picture.shape[1] - columns)
        )
        crops.append(picture[y : y + rows, x : x + columns])
    crops.append(np.full((33, 40), 200, np.uint8))
    crops.append(np.zeros((32, 32, 3), np.uint8))
    crops.append(np.where(crops[1] > 100, 255, 0).astype(np.uint8))
    crops.append(rng.integers(0, 256, (37, 29, 3), dtype=np.uint8))
    return crops


PHOTOGRAPHS = photographs()
FEWER = PHOTOGRAPHS[::5] + PHOTOGRAPHS[-4:]  # of each kind


def worst(name, differences, bound):
    """Print and bound the largest of some differences."""
    largest = max(differences)
    print(f"{name}: worst difference {largest:.2g} over {len(differences)} images")
    assert largest < bound


def compare(name, reference, bound, images=PHOTOGRAPHS, **parameters):
    differences = []
    for image in images:
        expected = reference(image)
        got = hog(image, **parameters)
        assert got.dtype == np.float32
        assert got.shape == expected.shape
        differences.append(float(np.abs(got - expected).max()))
    worst(name, differences, bound)


def gradients(image):
    """Central differences, of the channel with the longest; angle and length in float64."""
    v = image.astype(float) / 255 if image.dtype == np.uint8 else image.astype(float)
    v = v.reshape(*v.shape[:2], -1)
    gx, gy = np.zeros_like(v), np.zeros_like(v)
    gx[:, 1:-1], gy[1:-1] = v[:, 2:] - v[:, :-2], v[2:] - v[:-2]
    length = np.hypot(gx, gy)
    best = (length > length.max(2, keepdims=True) * (1 - 1e-9)).argmax(2)[..., None]
    return tuple(np.take_along_axis(g, best, 2)[..., 0] for g in (gx, gy))


def dalal(image, orientations=9, cell=(8, 8), cells=(2, 2), stride=(8, 8), signed=False):
    """Dalal and Triggs 2005, block by block."""
    gx, gy = gradients(image)
    turn = 2 * np.pi if signed else np.pi
    at = (np.arctan2(gy, gx) % turn) * orientations / turn - 0.5
    below = np.floor(at).astype(int)
    block = [c * n for c, n in zip(cell, cells, strict=True)]
    y, x = np.mgrid[: block[0], : block[1]] + 0.5
    gaussian = np.exp(
        -sum(((p / b - 0.5) / 0.5) ** 2 / 2 for p, b in ((y, block[0]), (x, block[1])))
    )
    out = []
    for top in range(0, image.shape[0] - block[0] + 1, stride[0]):
        for left in range(0, image.shape[1] - block[1] + 1, stride[1]):
            here = np.s_[top : top + block[0], left : left + block[1]]
            length, share = np.hypot(gx, gy)[here] * gaussian, (at - below)[here]
            h = np.zeros((*cells, orientations))
            for i, j in np.ndindex(*cells):
                w = length * np.maximum(0, 1 - abs(y / cell[0] - 0.5 - i))
                w = w * np.maximum(0, 1 - abs(x / cell[1] - 0.5 - j))
                np.add.at(h[i, j], below[here] % orientations, w * (1 - share))
                np.add.at(h[i, j], (below[here] + 1) % orientations, w * share)
            for clip in (0.2, np.inf):
                h = np.minimum(h / np.sqrt((h**2).sum() + 1e-6), clip)
            out.append(h.ravel())
    return np.concatenate(out)


def uoctti(image, cell=8, n=9):
    """Felzenszwalb et al. 2010 as VLFeat has it, cell by cell."""
    gx, gy = gradients(image)
    rows, columns = ((size + cell // 2) // cell for size in image.shape[:2])
    h = np.zeros((rows, columns, 2 * n))
    angles = np.arange(n) * np.pi / n
    along = (gx[..., None] * np.cos(angles) + gy[..., None] * np.sin(angles)).round(12)
    best = np.abs(along).argmax(axis=2)
    best += n * (np.take_along_axis(along, best[..., None], axis=2)[..., 0] < 0)
    length = np.hypot(gx, gy)
    length[[0, -1]] = length[:, [0, -1]] = 0
    y, x = np.mgrid[: image.shape[0], : image.shape[1]] + 0.5
    for i, j in np.ndindex(rows, columns):
        share = (np.maximum(0, 1 - abs(p / cell - 0.5 - k)) for p, k in ((y, i), (x, j)))
        np.add.at(h[i, j], best, length * np.prod(list(share), axis=0))
    energy = np.pad(((h[..., :n] + h[..., n:]) ** 2).sum(2), 1, mode="edge")
    pooled = energy[1:, 1:] + energy[1:, :-1] + energy[:-1, 1:] + energy[:-1, :-1]
    both = h[..., :n] + h[..., n:]
    out = np.zeros((rows, columns, 3 * n + 4))
    for k, (dy, dx) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
        factor = 1 / np.sqrt(pooled[dy : dy + rows, dx : dx + columns, None] + 1e-4)
        all_ = np.concatenate([h, both], axis=2)
        out[..., : 3 * n] += np.minimum(all_ * factor, 0.2) / 2
        out[..., 3 * n + k] = np.minimum(both * factor, 0.2).sum(2) / np.sqrt(18)
    return out.ravel()


def course(image, orientations=9, cell=8):
    """The course's formula, with its filter, on whole cells."""
    v = image.astype(float)
    if v.ndim == 3:
        v = v[..., 0] * 0.299 + v[..., 1] * 0.587 + v[..., 2] * 0.144
    gx, gy = np.zeros(v.shape), np.zeros(v.shape)
    gx[:, :-1], gy[:-1] = np.diff(v, axis=1), np.diff(v, axis=0)
    angle = np.arctan2(gy, gx + 1e-15) * (180 / np.pi) + 90
    rows, columns = (size // cell for size in v.shape)
    out = np.zeros((columns, rows, orientations))
    for o in range(orientations):
        inside = (angle >= 180 / orientations * o) & (angle < 180 / orientations * (o + 1))
        votes = np.where(inside & (angle > 0), np.hypot(gx, gy), 0)
        means = uniform_filter(votes, size=cell)[cell // 2 :: cell, cell // 2 :: cell]
        out[..., o] = means[:rows, :columns].T
    return out.ravel()


def test_default_length():
    assert hog(np.zeros((32, 32, 3), np.uint8)).shape == (324,)


@pytest.mark.parametrize("signed", [False, True])
def test_dalal_is_its_definition(signed):
    compare("dalal", lambda image: dalal(image, signed=signed), 1e-5, signed=signed)


@pytest.mark.parametrize(("convention", "definition"), [("dalal", dalal), ("uoctti", uoctti)])
def test_square_roots_are_those_of_pixels_from_0_to_1(convention, definition):
    """Faint gradients show it: beside longer ones the norm hides the scale."""
    grey = [image if image.ndim == 2 else image[:, :, 0] for image in FEWER]
    images = [*grey, *(image // 16 + np.uint8(100) for image in grey)]
    compare(
        f"{convention} with square roots",
        lambda image: definition(np.sqrt(image / 255)),
        1e-5,
        images=images,
        convention=convention,
        transform_sqrt=True,
    )


@pytest.mark.parametrize(
    ("orientations", "cell", "cells", "stride"),
    [
        (6, (4, 4), (2, 2), (4, 4)),
        (12, (6, 5), (1, 3), (3, 7)),
        (18, (5, 8), (3, 1), (5, 8)),
        (9, (8, 8), (1, 1), (8, 8)),
        (9, (12, 3), (1, 5), (20, 1)),
    ],
)
def test_dalal_with_any_cells_and_blocks(orientations, cell, cells, stride):
    compare(
        f"dalal {orientations} {cell} {cells} {stride}",
        lambda image: dalal(image, orientations, cell, cells, stride),
        1e-5,
        images=FEWER,
        orientations=orientations,
        pixels_per_cell=cell,
        cells_per_block=cells,
        block_stride=stride,
    )


@pytest.mark.parametrize("norm", ["L1", "L1-sqrt", "L2", "L2-Hys"])
@pytest.mark.parametrize(("orientations", "cell"), [(9, (8, 8)), (8, (5, 7)), (12, (4, 3))])
def test_skimage_of_8_bit_images(norm, orientations, cell):
    def reference(image):
        axis = -1 if image.ndim == 3 else None
        return skimage_hog(image, orientations, cell, (2, 2), norm, channel_axis=axis)

    compare(
        f"skimage {norm} {orientations} {cell}",
        reference,
        1e-6,
        images=PHOTOGRAPHS if norm == "L2-Hys" else FEWER,
        convention="skimage",
        block_norm=norm,
        orientations=orientations,
        pixels_per_cell=cell,
    )


def test_skimage_of_gradients_on_the_end_of_a_bin():
    """Gradients straight down, where for 26 or 52 bins the end of one is rounded to beyond 90."""
    slope = np.arange(16, dtype=np.uint8)[:, np.newaxis] * np.ones(16, np.uint8)
    for image in (slope, slope.T, slope + slope.T, slope + slope.T[:, ::-1]):
        for orientations in (*range(1, 60), 94, 104):
            expected = skimage_hog(image, orientations, (8, 8), (2, 2))
            got = hog(image, orientations=orientations, convention="skimage")
            np.testing.assert_allclose(got, expected, atol=1e-6)


def test_skimage_of_cells_of_any_height_and_width():
    """Cells of more rows than are worked on at a time, and images wider than a strip of groups."""
    images = [skimage.data.camera()[:70, :300], skimage.data.coins()[:64, :257]]
    for cell in ((11, 40), (17, 3), (32, 1)):
        compare(
            f"skimage {cell}",
            lambda image, cell=cell: skimage_hog(image, 10, cell, (2, 2)),
            1e-6,
            images=images,
            convention="skimage",
            orientations=10,
            pixels_per_cell=cell,
        )


@settings(deadline=None, max_examples=60)
@given(
    arrays(np.uint8, st.tuples(st.integers(3, 40), st.integers(3, 40))),
    st.integers(1, 20),
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    st.booleans(),
)
def test_dalal_of_any_image_and_geometry(image, orientations, cell, cells, stride, signed):
    cells = tuple(min(n, size // c) for n, size, c in zip(cells, image.shape, cell, strict=True))
    assume(min(cells) > 0)
    got = hog(
        image,
        orientations=orientations,
        pixels_per_cell=cell,
        cells_per_block=cells,
        block_stride=stride,
        signed=signed,
    )
    expected = dalal(image, orientations, cell, cells, stride, signed)
    np.testing.assert_allclose(got, expected, atol=2e-5)


@pytest.mark.parametrize("signed", [False, True])
def test_one_bin_takes_the_votes_of_all(signed):
    """As in OpenCV, where the bin after the last is the first."""
    one = {"orientations": 1, "signed": signed}
    for image in PHOTOGRAPHS[:8]:
        for convention in ("dalal", "opencv"):
            of_nine = hog_cells(image, convention=convention, signed=signed).sum(2)
            of_one = hog_cells(image, convention=convention, **one)[..., 0]
            np.testing.assert_allclose(of_one, of_nine, rtol=1e-5)
        expected = dalal(image, 1, signed=signed)
        np.testing.assert_allclose(hog(image, **one), expected, atol=2e-6)
        in_batch = HOG(**one).fit_transform([image] * 3)
        np.testing.assert_array_equal(in_batch, [hog(image, **one)] * 3)


def test_dalal_of_a_wide_image():
    compare("dalal, wide", dalal, 1e-5, images=[skimage.data.camera()[:41, :300]])


def test_skimage_of_one_row():
    image = PHOTOGRAPHS[1][:1]
    expected = skimage_hog(image, 9, (1, 4), (1, 2))
    got = hog(image, convention="skimage", pixels_per_cell=(1, 4), cells_per_block=(1, 2))
    np.testing.assert_allclose(got, expected, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("convention", "orientations"), [("dalal", 9), ("opencv", 9), ("uoctti", 9), ("uoctti", 6)]
)
def test_float_images_count_as_8_bit_images(convention, orientations, dtype):
    parameters = {"convention": convention, "orientations": orientations}
    differences = [
        np.abs(hog((image / 255).astype(dtype), **parameters) - hog(image, **parameters)).max()
        for image in PHOTOGRAPHS
    ]
    worst(f"{convention}, float beside uint8", differences, 1e-6)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("gamma", [False, True])
def test_opencv(gamma, signed):
    saved = np.load(SAVED)
    images = PHOTOGRAPHS if gamma and not signed else PHOTOGRAPHS[::6]
    references = iter([saved[f"{gamma}_{signed}_{i}"] for i in range(len(images))])
    compare(
        f"opencv, square root {gamma}, signed {signed}",
        lambda image: next(references),
        2e-6,
        images=images,
        convention="opencv",
        transform_sqrt=gamma,
        signed=signed,
    )


@pytest.mark.parametrize("index", OTHER_GEOMETRY)
def test_opencv_with_other_cells_blocks_and_strides(index):
    got = hog(
        PHOTOGRAPHS[index][:33, :37],
        convention="opencv",
        transform_sqrt=False,
        orientations=12,
        pixels_per_cell=(5, 6),
        block_stride=(10, 8),
    )
    np.testing.assert_allclose(got, np.load(SAVED)[f"other_{index}"], atol=2e-6)


@pytest.mark.parametrize(
    ("orientations", "images"),
    [(9, FEWER), (2, PHOTOGRAPHS[3:6]), (6, PHOTOGRAPHS[1:4]), (10, PHOTOGRAPHS[:3])],
)
def test_uoctti_is_its_definition(orientations, images):
    compare(
        f"uoctti {orientations}",
        lambda image: uoctti(image, n=orientations),
        1e-5,
        images=images,
        convention="uoctti",
        orientations=orientations,
    )


@pytest.mark.parametrize("orientations", [6, 10, 14, 18])
def test_uoctti_of_gradients_between_two_directions(orientations):
    """At 45 degrees two directions are equally near: VLFeat takes the first."""
    slope = 5 * np.arange(24, dtype=np.uint8)[:, np.newaxis] * np.ones(24, np.uint8)
    down = slope + slope.T
    for image in (down, down[:, ::-1], down[::-1], down[::-1, ::-1]):
        for pixels in (image, image / 255):
            got = hog(pixels, convention="uoctti", orientations=orientations)
            np.testing.assert_allclose(got, uoctti(image, n=orientations), atol=1e-5)


def test_cs231n_is_the_course():
    whole = [image[: len(image) // 8 * 8] for image in PHOTOGRAPHS]
    compare("cs231n", course, 1e-4, convention="cs231n", images=whole)


def test_cells_hold_the_votes_of_their_pixels():
    image = PHOTOGRAPHS[0].astype(np.float32)
    gx, gy = gradients(image)
    cells = hog_cells(image, convention="skimage")
    lengths = np.hypot(gx, gy)[: cells.shape[0] * 8, : cells.shape[1] * 8]
    means = lengths.reshape(cells.shape[0], 8, cells.shape[1], 8).mean((1, 3))
    np.testing.assert_allclose(cells.sum(2), means, rtol=1e-5)
    for convention in ("dalal", "opencv"):
        inner = hog_cells(np.pad(image, 16), convention=convention, transform_sqrt=False)
        scale = 255 if convention == "opencv" else 1
        edges = hog_cells(np.pad(image, 16), convention="skimage")
        np.testing.assert_allclose(inner.sum(), edges.sum() * 64 * scale, rtol=1e-4)


def save_opencv_references():
    """Write the file of references; run this module by an OpenCV 4 to do so."""
    saved = {}
    for gamma in (False, True):
        for signed in (False, True):
            images = PHOTOGRAPHS if gamma and not signed else PHOTOGRAPHS[::6]
            for i, image in enumerate(images):
                rows, columns = (n // 8 * 8 for n in image.shape[:2])
                descriptor = cv2.HOGDescriptor(
                    (columns, rows), (16, 16), (8, 8), (8, 8), 9, 1, -1, 0, 0.2, gamma, 64, signed
                )
                image = np.ascontiguousarray(image)
                numbers = descriptor.compute(image, (8, 8), (0, 0), [(0, 0)]).ravel()
                saved[f"{gamma}_{signed}_{i}"] = numbers
    for index in OTHER_GEOMETRY:
        descriptor = cv2.HOGDescriptor((36, 30), (12, 10), (8, 10), (6, 5), 12)
        image = np.ascontiguousarray(PHOTOGRAPHS[index][:33, :37])
        saved[f"other_{index}"] = descriptor.compute(image, (8, 8), (0, 0), [(0, 0)]).ravel()
    np.savez_compressed(SAVED, **saved)
    print(SAVED, os.path.getsize(SAVED))


if __name__ == "__main__":
    save_opencv_references()
