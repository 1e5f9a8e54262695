"""Image features: image -> vector."""

from .base import ImageFeature
from .hog import HOG, hog
from .hue import HueHistogram, hue_histogram
from .vocabulary import VisualVocabulary

__all__ = ["HOG", "HueHistogram", "ImageFeature", "VisualVocabulary", "hog", "hue_histogram"]
