"""The picture of HOG beside that of scikit-image."""

import numpy as np
import pytest
import skimage.data
from skimage.feature import hog as skimage_hog

from visualwords.features import hog_cells, hog_image

CONVENTIONS = ("dalal", "skimage", "opencv", "uoctti", "cs231n")
CAMERA = skimage.data.camera()[100:132, 200:240]


@pytest.mark.parametrize(
    ("orientations", "cell"), [(9, (8, 8)), (9, (10, 10)), (15, (31, 27)), (6, (2, 5))]
)
def test_picture_is_that_of_skimage(orientations, cell):
    image = skimage.data.camera()[:70, :80]
    _, expected = skimage_hog(image, orientations, cell, (1, 1), visualize=True)
    found = hog_image(image, orientations=orientations, pixels_per_cell=cell, convention="skimage")
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_cells_too_thin_for_lines_are_drawn_as_points(convention):
    for cell in ((1, 1), (1, 8), (8, 1)):
        parameters = {"pixels_per_cell": cell, "convention": convention}
        image = CAMERA[:16, :24]
        picture = hog_image(image, **parameters)
        assert picture.shape == image.shape
        cells = hog_cells(image, **parameters).sum(2)
        points = picture[cell[0] // 2 :: cell[0], cell[1] // 2 :: cell[1]]
        np.testing.assert_allclose(points, cells, rtol=1e-5)
        np.testing.assert_allclose(picture.sum(), cells.sum(), rtol=1e-5)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_picture_of_every_convention_is_as_large_as_the_image(convention):
    # "uoctti" makes cells of the 4 and more pixels that are left over.
    for rows, columns in ((32, 40), (29, 35), (28, 31)):
        image = CAMERA[:rows, :columns]
        picture = hog_image(image, convention=convention)
        assert picture.shape == image.shape
        assert picture[:24, :24].max() > 0
