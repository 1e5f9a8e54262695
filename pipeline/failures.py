"""Kinds of failures: whether an image or the circumstances are to blame."""

__all__ = [
    "CHANGED",
    "CRASHED",
    "DAMAGED",
    "KINDS",
    "NEEDS_LIBRARY",
    "NOT_AN_IMAGE",
    "PASSING",
    "REFUSED",
    "TIMEOUT",
    "TOO_LARGE",
    "UNREADABLE",
    "UNSUPPORTED",
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
