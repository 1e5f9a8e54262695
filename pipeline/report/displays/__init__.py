"""Pictures of features, weights and losses, as scikit-learn's displays: drawn with matplotlib."""

from .evidence import EvidenceDisplay
from .hog import HOGDisplay
from .landscape import LandscapeDisplay
from .vocabulary import VocabularyDisplay
from .weights import WeightsDisplay

__all__ = [
    "EvidenceDisplay",
    "HOGDisplay",
    "LandscapeDisplay",
    "VocabularyDisplay",
    "WeightsDisplay",
]
