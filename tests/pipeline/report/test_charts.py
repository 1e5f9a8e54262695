"""Pictures of a report."""

import base64
import io

import pytest
from matplotlib.figure import Figure
from PIL import Image

from visualwords.pipeline.report.charts import picture


@pytest.mark.parametrize(
    ("inches", "dots"),
    [((2.4, 1.2), (192, 96)), ((2.4, 0.001), (192, 1)), ((0.001, 2.4), (1, 192))],
)
def test_a_picture_has_a_dot_at_least(inches, dots):
    kind, data = picture(Figure(figsize=inches)).split(",")
    assert kind == "data:image/webp;base64"
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == dots
