"""HOG against the definition of its conventions, spelled out pixel by pixel in float64."""

import numpy as np
import pytest

from visualwords.features import HOG, hog


def dalal(image, orientations=9, cell=8, cells=2, signed=False):
    """Dalal and Triggs 2005, one pixel at a time."""
    v = image.astype(float) / 255 if image.dtype == np.uint8 else image.astype(float)
    v = v.reshape(*v.shape[:2], -1)
    gx, gy = np.zeros_like(v), np.zeros_like(v)
    gx[:, 1:-1], gy[1:-1] = v[:, 2:] - v[:, :-2], v[2:] - v[:-2]
    best = np.hypot(gx, gy).argmax(2)[..., None]
    gx, gy = (np.take_along_axis(g, best, 2)[..., 0] for g in (gx, gy))
    turn = 2 * np.pi if signed else np.pi
    at = np.arctan2(gy, gx) % turn * orientations / turn - 0.5
    block, out = cell * cells, []
    for top in range(0, v.shape[0] - block + 1, cell):
        for left in range(0, v.shape[1] - block + 1, cell):
            h = np.zeros((cells, cells, orientations))
            for y, x in np.ndindex(block, block):
                p, k = at[top + y, left + x], int(np.floor(at[top + y, left + x]))
                d2 = (y + 0.5 - block / 2) ** 2 + (x + 0.5 - block / 2) ** 2
                size = np.hypot(gx, gy)[top + y, left + x] * np.exp(-d2 / 2 / (block / 2) ** 2)
                for i, j in np.ndindex(cells, cells):
                    w = max(0, 1 - abs((y + 0.5) / cell - 0.5 - i))
                    w *= max(0, 1 - abs((x + 0.5) / cell - 0.5 - j)) * size
                    h[i, j, k % orientations] += w * (1 - (p - k))
                    h[i, j, (k + 1) % orientations] += w * (p - k)
            for clip in (0.2, np.inf):
                h = np.minimum(h / np.sqrt((h**2).sum() + 1e-6), clip)
            out.append(h.ravel())
    return np.concatenate(out)


@pytest.mark.parametrize("shape", [(32, 32), (21, 35), (24, 17, 3)])
@pytest.mark.parametrize("signed", [False, True])
def test_dalal_is_its_definition(shape, signed):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, shape, dtype=np.uint8)
    np.testing.assert_allclose(hog(image, signed=signed), dalal(image, signed=signed), atol=2e-6)


def test_default_length():
    assert hog(np.zeros((32, 32, 3), np.uint8)).shape == (324,)


def test_image_size_makes_mixed_images_alike():
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (h, 40, 3), dtype=np.uint8) for h in (20, 50)]
    assert HOG(image_size=(32, 32)).fit_transform(images).shape == (2, 324)
    with pytest.raises(ValueError, match=r"image 1: expected 20x40 pixels as in fit, got 50x40"):
        HOG().fit_transform(images)
