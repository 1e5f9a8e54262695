"""
What speaks for a class
=======================

The weights of a linear classifier belong to named numbers, so they can be drawn: edges that speak
for a class and against it, and the patches of one image that gave it its score.
"""

import matplotlib.pyplot as plt
import numpy as np
from skimage import data

import visualwords as vw

# %%
# Crops of three photographs, each a class.

photographs = {"cat": data.cat(), "coffee": data.coffee(), "rocket": data.rocket()}
rng = np.random.default_rng(0)
images, labels = [], []
for name, photograph in photographs.items():
    for _ in range(30):
        row, column = rng.integers(0, np.array(photograph.shape[:2]) - 128)
        images.append(photograph[row : row + 128, column : column + 128])
        labels.append(name)

# %%
# Stars show the weights of HOG: blue edges speak for the class, orange ones against it.

hog = vw.HOG(pixels_per_cell=(16, 16), image_size=(128, 128)).fit(images)
edges = vw.LinearSVM(standardize=True).fit(hog.transform(images), labels)
figure, axes = plt.subplots(2, 3, figsize=(7, 4.6))
for column, name in zip(axes.T, photographs, strict=True):
    display = vw.WeightsDisplay.from_estimator(edges, hog, name)
    display.plot(ax=column[0], sign="for", color="tab:blue")
    display.plot(ax=column[1], sign="against", color="tab:orange")
    column[0].set_title(name)

# %%
# Every patch of an image adds to the score of a class. The map shows where the score comes from.

bag = vw.BagOfVisualWords(n_words=60).fit(images)
words = vw.LinearSVM(standardize=True).fit(bag.transform(images), labels)
figure, axes = plt.subplots(1, 3, figsize=(8, 2.6))
for ax, number in zip(axes, (3, 33, 63), strict=True):
    display = vw.EvidenceDisplay.from_estimator(words, bag, images[number], labels[number])
    display.plot(ax=ax)
    ax.set_title(f"for {labels[number]}")
