"""Outputs lie outside folders of images, where the next job would take them for images."""

from pathlib import Path

from .base import Source, SourceError
from .files import is_url
from .folder import FolderSource
from .joined import JoinedSource

__all__ = ["check_outside"]


def check_outside(source: Source, *outputs: Path | str) -> None:
    """Refuse outputs in a folder of images, unless they are hidden there.

    Parameters
    ----------
    source : Source
    *outputs : Path or str
        Paths or URLs.
    """
    for part in source.sources if isinstance(source, JoinedSource) else [source]:
        for output in outputs:
            if not isinstance(part, FolderSource) or is_url(str(output)):
                continue
            if _is_seen_in(Path(part.name), Path(output)):
                raise SourceError(
                    f"{output} lies in {part.name}, where its files would be taken for images; "
                    "choose a folder outside"
                )


def _is_seen_in(folder: Path, path: Path) -> bool:
    """Tell whether a path lies in a folder of images and is not hidden there."""
    folder, path = folder.resolve(), path.resolve()
    if not path.is_relative_to(folder):
        return False
    return not any(part.startswith(".") for part in path.relative_to(folder).parts)
