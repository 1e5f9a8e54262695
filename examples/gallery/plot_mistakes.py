"""
From a folder of photographs to a picture of mistakes
=====================================================

A folder with one folder per class becomes a matrix, a classifier and a picture of the images that
the classifier gets wrong.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
from PIL import Image
from sklearn.model_selection import StratifiedKFold, cross_val_predict

import visualwords as vw
from visualwords.pipeline.sample import write_sample_images

# %%
# The demo's photographs stand for yours. Take six of their sixteen classes.

folder = write_sample_images(Path(tempfile.mkdtemp())) / "test"
chosen = "astronaut", "cat", "china", "coffee", "flower", "rocket"
files = [file for name in chosen for file in sorted((folder / name).iterdir())]
(folder / "files.txt").write_text("\n".join(map(str, files)))

found = vw.extract(
    folder / "files.txt", folder / "store", [vw.HueHistogram(), vw.HOG(image_size=(32, 32))]
)
X, y = found.matrix()[:], [file.parent.name for file in files]

# %%
# Each image is judged by a classifier that did not see it.

folds = StratifiedKFold(5, shuffle=True, random_state=0)
guessed = cross_val_predict(vw.Softmax(standardize=True), X, y, cv=folds)
wrong = [i for i, (label, guess) in enumerate(zip(y, guessed, strict=True)) if label != guess]
print(f"{len(wrong)} of {len(y)} are wrong")

# %%
# The first ten of them, with the label and the class that was found.

figure, axes = plt.subplots(2, 5, figsize=(9, 4.4))
for ax, i in zip(axes.flat, wrong, strict=False):
    ax.imshow(Image.open(files[i]).resize((96, 96)))
    ax.set_title(f"{y[i]}\nas {guessed[i]}", fontsize=9)
for ax in axes.flat:
    ax.set_axis_off()
