"""Draw the loss of a support vector machine over a plane and along a line.

.venv/bin/python examples/draw_loss.py loss.png

Left, the objective over the plane that lies closest to the path of gradient descent (dark is low,
two bands for each factor of two) and the path. Right, the losses of eight images along a random
direction through the last weights: straight pieces, with a dot where they meet.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from sklearn.datasets import load_digits

from visualwords.classifiers import (
    GradientDescent,
    LinearSVM,
    breakpoints,
    landscape,
    path_plane,
    random_directions,
)

SIDE, N_POINTS, N_CURVES = 480, 120, 8
BLUE, RED, GREY = (40, 60, 140), (200, 40, 40), (150, 150, 150)


def main(picture: Path) -> None:
    """Fit by gradient descent, and draw both panels side by side."""
    X, y = load_digits(return_X_y=True)
    model = LinearSVM(0.01, standardize=True, solver=GradientDescent(0.05, max_iter=100))
    objective, W = model.fit(X, y).objective(X, y)
    result = model.solver.minimize(objective, 0 * W, keep_iterates=True)
    sheet = Image.new("RGB", (2 * SIDE, SIDE), "white")
    sheet.paste(draw_plane(objective, path_plane(result.iterates)))
    sheet.paste(draw_line(objective, result.W), (SIDE, 0))
    sheet.save(picture)
    print(f"{picture}: loss {result.values[0]:.2f} -> {result.value:.2f}")


def draw_plane(objective, plane):
    """Draw bands of the objective around the path, and the path."""
    low, high = plane.points.min(axis=0), plane.points.max(axis=0)
    centre, reach = (low + high) / 2, 0.7 * (high - low).max()
    axis = np.linspace(-reach, reach, N_POINTS)
    grid = np.stack(np.meshgrid(centre[0] + axis, centre[1] + axis), axis=-1)
    values = np.log2(landscape(objective, plane.origin, plane.directions, grid))
    level = (np.floor(2 * values) - 2 * values.min()) / np.ptp(2 * values)
    shade = np.clip(60 + 190 * level, 0, 255).astype(np.uint8)
    image = Image.fromarray(shade).resize((SIDE, SIDE), Image.Resampling.NEAREST).convert("RGB")
    draw = ImageDraw.Draw(image)
    path = (plane.points - centre + reach) / (2 * reach) * SIDE
    draw.line([tuple(point) for point in path], fill=RED, width=2)
    for point in path:
        dot(draw, point, RED)
    return image


def draw_line(objective, W):
    """Draw the losses of a few images along a random direction, with a dot at each kink."""
    objective = objective.subset(np.arange(N_CURVES))
    (direction,) = 3 * random_directions(W, 1)
    examples, positions = breakpoints(objective, W, direction, -1.0, 1.0)
    t = np.sort(np.r_[-1.0, positions, 1.0])
    losses = landscape(objective, W, [direction], t[:, None], per_example=True)
    image = Image.new("RGB", (SIDE, SIDE), "white")
    draw = ImageDraw.Draw(image)
    across = (t + 1) / 2 * SIDE
    up = SIDE * (0.95 - 0.9 * losses / losses.max())
    for curve in up.T:
        draw.line(list(zip(across, curve, strict=True)), fill=BLUE, width=2)
    for example, position in zip(examples, positions, strict=True):
        place = np.searchsorted(t, position)
        dot(draw, (across[place], up[place, example]), RED)
    draw.line([(SIDE / 2, 0), (SIDE / 2, SIDE)], fill=GREY)
    return image


def dot(draw, centre, colour, radius=3):
    """Draw a filled circle."""
    x, y = centre
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
