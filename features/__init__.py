"""Image features: image -> vector."""

from .base import ImageFeature
from .hog import HOG, hog
from .hue import HueHistogram, hue_histogram

__all__ = ["HOG", "HueHistogram", "ImageFeature", "hog", "hue_histogram"]
