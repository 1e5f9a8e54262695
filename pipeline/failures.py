"""Kinds of failures: whether an image or the circumstances are to blame."""

__all__ = [
    "CHANGED",
    "CRASHED",
    "DAMAGED",
    "EVERY_KIND",
    "KINDS",
    "NEEDS_LIBRARY",
    "NOT_AN_IMAGE",
    "PASSING",
    "REFUSED",
    "TIMEOUT",
    "TOO_LARGE",
    "UNREADABLE",
    "UNSUPPORTED",
    "is_kind",
    "refused_by",
]

# Properties of the image: the same bytes fail again.
NOT_AN_IMAGE = "not an image"
DAMAGED = "damaged"
UNSUPPORTED = "unsupported"
TOO_LARGE = "too large"
REFUSED = "refused"  # by a feature

# Properties of the circumstances: the next run tries again what it could not even read. A time-out
# or a crash is tried again when that is asked for.
UNREADABLE = "unreadable"
CHANGED = "changed"
NEEDS_LIBRARY = "needs a library"
TIMEOUT = "time-out"
CRASHED = "crashed"

PASSING = frozenset({UNREADABLE, CHANGED, NEEDS_LIBRARY, TIMEOUT, CRASHED})
KINDS = (
    *(NOT_AN_IMAGE, DAMAGED, UNSUPPORTED, TOO_LARGE, REFUSED),
    *(UNREADABLE, CHANGED, NEEDS_LIBRARY, TIMEOUT, CRASHED),
)
EVERY_KIND = "all"  # what a user says for all of them


def refused_by(feature: str) -> str:
    """Return the kind of a failure as tables tell it, where a feature refuses an image.

    Examples
    --------
    >>> refused_by("hog")
    'refused by hog'
    """
    return f"{REFUSED} by {feature}"


def is_kind(text: str) -> bool:
    """Tell whether a text names a kind of failure, or all of them.

    Examples
    --------
    >>> [is_kind(text) for text in ("damaged", "all", "refused", "refused by hog", "damagd")]
    [True, True, True, True, False]
    """
    return text in (*KINDS, EVERY_KIND) or text.startswith(refused_by(""))
