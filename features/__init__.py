"""Image features: image -> vector."""

from .base import ImageFeature
from .hog.hog import hog, hog_cells
from .hog.picture import hog_image
from .hog.transformer import HOG
from .hue import HueHistogram, hue_histogram
from .near_duplicates import near_duplicates
from .patches.dense import DensePatches
from .patches.descriptors import DescribedImages, PatchDescriptors
from .patches.keypoints import KeypointPatches
from .patches.pixels import PixelPatches
from .perceptual import PerceptualHash, perceptual_hash
from .words.bag import BagOfVisualWords
from .words.evidence import patch_evidence
from .words.mixture import GaussianVocabulary
from .words.vocabulary import VisualVocabulary

__all__ = [
    "HOG",
    "BagOfVisualWords",
    "DensePatches",
    "DescribedImages",
    "GaussianVocabulary",
    "HueHistogram",
    "ImageFeature",
    "KeypointPatches",
    "PatchDescriptors",
    "PerceptualHash",
    "PixelPatches",
    "VisualVocabulary",
    "hog",
    "hog_cells",
    "hog_image",
    "hue_histogram",
    "near_duplicates",
    "patch_evidence",
    "perceptual_hash",
]
