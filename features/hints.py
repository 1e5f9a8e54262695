"""What the parameters of other libraries' image features are called here."""

from visualwords.hints import with_hints

__all__ = ["FEATURE_HINTS", "with_feature_hints"]

_CHANNELS = "an image of shape (rows, columns, 3) is RGB, and one of shape (rows, columns) is grey"
_PICTURE = "hog_image draws the picture"
_BINS = "HueHistogram has n_bins, HOG has orientations"
_WORDS = "the size of the vocabulary is n_words"

FEATURE_HINTS = {
    # scikit-image
    "channel_axis": _CHANNELS,
    "multichannel": _CHANNELS,
    "visualize": _PICTURE,
    "visualise": _PICTURE,
    "feature_vector": "reshape the vector to HOG().fit([image]).descriptor_shape_",
    "bins": _BINS,
    # OpenCV
    "nbins": _BINS,
    "winSize": "the whole image is described; HOG(image_size=(rows, columns)) resizes it first",
    "blockSize": "HOG has cells_per_block=(rows, columns), in cells",
    "blockStride": "HOG has block_stride=(rows, columns), in pixels",
    "cellSize": "HOG has pixels_per_cell=(rows, columns)",
    "signedGradient": "HOG has signed",
    "gammaCorrection": "HOG has transform_sqrt",
    "clusterCount": _WORDS,
    # scikit-learn
    "n_clusters": _WORDS,
    "init": "the first words come from k-means++, and VisualVocabulary has n_init",
}

with_feature_hints = with_hints(FEATURE_HINTS)
