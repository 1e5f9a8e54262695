"""
The loss over the path of gradient descent
==========================================

The plane that lies closest to the path of an optimizer, with the objective as bands and the path as
a line.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits

from visualwords import LandscapeDisplay, LinearSVM
from visualwords.classifiers import SGD, GradientDescent

X, y = load_digits(return_X_y=True)
figure, axes = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained")
for ax, solver in zip(
    axes, (GradientDescent(0.05, max_iter=60), SGD(0.02, max_iter=20)), strict=True
):
    model = LinearSVM(0.01, standardize=True, solver=solver)
    objective, W = model.fit(X, y).objective(X, y)
    result = solver.minimize(objective, 0 * W, keep_iterates=True)
    LandscapeDisplay.from_iterates(objective, result.iterates, n_points=40).plot(ax=ax)
    ax.set_title(f"{type(solver).__name__}: {result.values[0]:.1f} to {result.value:.2f}")
