"""Draw test images of the demo with their HOG, their hues and their predicted class.

make demo
.venv/bin/python examples/draw_demo.py visualwords-demo docs/demo.png
"""

import colorsys
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from visualwords.features import hog_image, hue_histogram
from visualwords.pipeline.predict import Prediction
from visualwords.pipeline.run import Run

SIDE, GAP, CAPTION = 112, 6, 30
PANELS_A_ROW = 4
N_IMAGES = 16


def main(demo: Path, picture: Path) -> None:
    """Draw one panel for a test image of each class."""
    folders = sorted(path for path in (demo / "images" / "test").iterdir() if path.is_dir())
    files = [str(sorted(folder.iterdir())[0]) for folder in folders[:N_IMAGES]]
    panels = [draw_panel(prediction) for prediction in Run(demo / "run").predict(files)]
    width, height = panels[0].size
    n_rows = -(-len(panels) // PANELS_A_ROW)
    sheet = Image.new("RGB", (PANELS_A_ROW * width, n_rows * height), "white")
    for number, panel in enumerate(panels):
        row, column = divmod(number, PANELS_A_ROW)
        sheet.paste(panel, (column * width, row * height))
    sheet.quantize(256).save(picture, optimize=True)
    print(f"{picture}: {len(panels)} images")


def draw_panel(prediction: Prediction) -> Image.Image:
    """Draw an image, its HOG and its hue histogram, and below them the predicted class."""
    image = Image.open(prediction.image).convert("RGB").resize((SIDE, SIDE))
    parts = [image, draw_hog(np.asarray(image)), draw_hues(np.asarray(image))]
    panel = Image.new("RGB", (len(parts) * (SIDE + GAP) + GAP, SIDE + CAPTION), "white")
    for number, part in enumerate(parts):
        panel.paste(part, (GAP + number * (SIDE + GAP), GAP))
    label = Path(prediction.image).parent.name
    predicted, probability = prediction.labels[0], prediction.probabilities[0]
    right = predicted == label
    text = f"{predicted} {probability:.2f}" + ("" if right else f" (is: {label})")
    draw = ImageDraw.Draw(panel)
    draw.text((GAP, SIDE + GAP + 4), text, fill="darkgreen" if right else "darkred")
    return panel


def draw_hog(image: np.ndarray) -> Image.Image:
    """Draw a star of edge directions for each cell, of the image enlarged twice."""
    stars = hog_image(np.asarray(Image.fromarray(image).resize((2 * SIDE, 2 * SIDE))))
    scaled = np.clip(stars / max(np.percentile(stars, 99.5), 1e-6) * 255, 0, 255)
    return Image.fromarray(scaled.astype(np.uint8)).convert("RGB").resize((SIDE, SIDE))


def draw_hues(image: np.ndarray) -> Image.Image:
    """Draw the hue histogram; each bar has the colour of its hue."""
    counts = hue_histogram(image, n_bins=18)[:18]
    panel = Image.new("RGB", (SIDE, SIDE), "#f4f4f4")
    draw = ImageDraw.Draw(panel)
    width = SIDE / len(counts)
    for number, share in enumerate(counts / max(counts.max(), 1e-6)):
        colour = colorsys.hsv_to_rgb((number + 0.5) / len(counts), 0.8, 0.9)
        box = (number * width, SIDE - 1 - share * (SIDE - 8), (number + 1) * width - 1, SIDE - 1)
        draw.rectangle(box, fill=tuple(int(255 * value) for value in colour))
    return panel


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
