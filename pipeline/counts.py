"""Numbers of things as text."""

__all__ = ["counted"]


def counted(n: int, one: str, many: str = "") -> str:
    """Return a number and what it counts, in the singular or in the plural.

    Parameters
    ----------
    n : int
    one : str
        What follows 1.
    many : str, optional
        What follows other numbers; ``one`` with an "s" where it is left out.

    Examples
    --------
    >>> counted(1, "image"), counted(0, "image")
    ('1 image', '0 images')
    >>> counted(1, "image lacks rows", "images lack rows")
    '1 image lacks rows'
    """
    return f"{n} {one if n == 1 else many or f'{one}s'}"
