"""Labels by folders, where a set of names is known but no folder can be looked into."""

from collections.abc import Iterable

__all__ = ["class_folder", "is_hidden", "is_hidden_member", "shared_folders"]

LEFT_BEHIND = frozenset({"Thumbs.db", "thumbs.db", "desktop.ini", "Desktop.ini", "__MACOSX"})


def shared_folders(names: Iterable[str]) -> int:
    """Return how many folders lead to all of some names, as where a folder was packed as a whole.

    Examples
    --------
    >>> shared_folders(["photos/cat/a.png", "photos/dog/b.png"])
    1
    >>> shared_folders(["cat/a.png", "cat/b.png"])
    0
    """
    folders = {tuple(name.split("/")[:-1]) for name in names}
    n_shared = 0
    for level in zip(*folders, strict=False):
        if len(set(level)) > 1:
            break
        n_shared += 1
    if len(folders) == 1:  # the last one is a class
        n_shared -= 1
    return max(n_shared, 0)


def class_folder(name: str, n_shared: int) -> str | None:
    """Return the folder of a name behind those that all share; None where there is none."""
    folders = name.split("/")[:-1]
    return folders[n_shared] if len(folders) > n_shared else None


def is_hidden(base: str) -> bool:
    """Return whether a file or folder is hidden, or left there by Windows or macOS.

    Examples
    --------
    >>> [is_hidden(base) for base in (".DS_Store", "Thumbs.db", "cat.jpg")]
    [True, True, False]
    """
    return base.startswith(".") or base in LEFT_BEHIND


def is_hidden_member(name: str) -> bool:
    """Return whether a file in an archive or a folder above it is hidden."""
    return any(map(is_hidden, name.split("/")))
