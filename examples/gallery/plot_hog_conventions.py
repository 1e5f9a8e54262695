"""
One photograph in five conventions of HOG
=========================================

Every library calls its own numbers HOG. The five conventions agree on where the edges are. They
differ in what they divide by, how many numbers they keep and how they treat the border.
"""

import matplotlib.pyplot as plt
from skimage.data import astronaut

from visualwords.features import hog, hog_image

photograph = astronaut()[:192, 128:320]
conventions = "dalal", "skimage", "opencv", "uoctti", "cs231n"

figure, axes = plt.subplots(2, 3, figsize=(7, 5))
axes = axes.ravel()
axes[0].imshow(photograph)
axes[0].set_title("192 x 192 pixels")
for ax, convention in zip(axes[1:], conventions, strict=True):
    ax.imshow(hog_image(photograph, convention=convention), cmap="magma")
    ax.set_title(f"{convention}: {len(hog(photograph, convention=convention))}")
for ax in axes:
    ax.set_axis_off()
