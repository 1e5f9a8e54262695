"""Classical image features and linear classifiers: fast, exact, reproducible.

Three packages, each usable alone:

- :mod:`visualwords.features`: image -> vector (hue histograms, HOG, bags of visual words);
- :mod:`visualwords.classifiers`: matrix -> labels (losses, solvers, ``LinearSVM``, ``Softmax``);
- :mod:`visualwords.pipeline`: folders of images -> cached matrices -> trained models -> scores.

The names that are used most can also be imported from here: ``from visualwords import HOG``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# The public names and the package that each comes from. A name is imported when it is first used,
# so that ``import visualwords`` does not import numba, OpenCV or scikit-image.
_HOMES = {
    "BagOfVisualWords": "features",
    "HOG": "features",
    "HueHistogram": "features",
    "VisualVocabulary": "features",
    "hog": "features",
    "hue_histogram": "features",
    "LinearSVM": "classifiers",
    "Softmax": "classifiers",
    "EvidenceDisplay": "pipeline.report.displays",
    "HOGDisplay": "pipeline.report.displays",
    "LandscapeDisplay": "pipeline.report.displays",
    "VocabularyDisplay": "pipeline.report.displays",
    "WeightsDisplay": "pipeline.report.displays",
    "Options": "pipeline.job",
    "Recipe": "pipeline.recipe",
    "Run": "pipeline.run",
    "extract": "pipeline.job",
    "load_image": "pipeline.load_image",
    "TRUSTED_TYPES": "pipeline.trusted",
}

if TYPE_CHECKING:
    from .classifiers import LinearSVM, Softmax
    from .features import (
        HOG,
        BagOfVisualWords,
        HueHistogram,
        VisualVocabulary,
        hog,
        hue_histogram,
    )
    from .pipeline.job import Options, extract
    from .pipeline.load_image import load_image
    from .pipeline.recipe import Recipe
    from .pipeline.report.displays import (
        EvidenceDisplay,
        HOGDisplay,
        LandscapeDisplay,
        VocabularyDisplay,
        WeightsDisplay,
    )
    from .pipeline.run import Run
    from .pipeline.trusted import TRUSTED_TYPES

__all__ = [
    "HOG",
    "TRUSTED_TYPES",
    "BagOfVisualWords",
    "EvidenceDisplay",
    "HOGDisplay",
    "HueHistogram",
    "LandscapeDisplay",
    "LinearSVM",
    "Options",
    "Recipe",
    "Run",
    "Softmax",
    "VisualVocabulary",
    "VocabularyDisplay",
    "WeightsDisplay",
    "__version__",
    "extract",
    "hog",
    "hue_histogram",
    "load_image",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its package on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
