"""Kinds of failures: whether an image or the circumstances are to blame."""

from collections.abc import Sequence

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
    "check_kinds",
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


def check_kinds(kinds: Sequence[str], name: str) -> None:
    """Check that a list names kinds of failures, or all of them.

    Examples
    --------
    >>> check_kinds(["damaged", "all", "refused", "refused by hog"], "kinds")
    >>> check_kinds("damaged", "kinds")
    Traceback (most recent call last):
    TypeError: kinds: expected a list, such as ['damaged'], got 'damaged'
    """
    if isinstance(kinds, str):
        raise TypeError(f"{name}: expected a list, such as [{kinds!r}], got {kinds!r}")
    for kind in kinds:
        if kind not in (*KINDS, EVERY_KIND) and not kind.startswith(refused_by("")):
            known = ", ".join((EVERY_KIND, *KINDS))
            raise ValueError(f"{name}: no kind of failure {kind!r}; there are {known}")
