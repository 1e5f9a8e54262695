"""The pictures of a report: read from where the run's images lie, and kept as thumbnails."""

import base64
import io
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from ..reader import ImageError, Reader
from ..sources import Source, SourceError
from ..workers import decode

__all__ = ["Album", "PictureReader", "data_url", "fitted_into", "webp"]

THUMBNAIL = 64  # pixels of the longer side
SHEET_SIDE = 10  # thumbnails along a side of a sheet of them
QUALITY = 62
GREY = 128  # of pictures that are gone, and around those that are no squares

Pixels = npt.NDArray[np.uint8]


class PictureReader:
    """Reads images of a run again, from the places that the run was told of.

    Parameters
    ----------
    images : pyarrow.Table
        Of the run, with the columns path, split and digest.
    sources : mapping of str or None to Source
        The source of each split; None stands for the splits that are not named.
    reader : Reader
    """

    def __init__(
        self, images: pa.Table, sources: Mapping[str | None, Source], reader: Reader
    ) -> None:
        self._images = images
        self._sources = sources
        self._reader = reader
        self._listings: dict[Source, pa.Table] = {}
        self._lost: set[int] = set()

    @property
    def missing(self) -> int:
        """How many images were asked for and are gone, or are other images by now."""
        return len(self._lost)

    @property
    def has_arrays(self) -> bool:
        """Whether some of the images were given as arrays."""
        return bool(
            pc.any(pc.match_substring_regex(self._images["path"], r"^array\[\d+\]$")).as_py()
        )

    def read(self, numbers: Iterable[int]) -> dict[int, Pixels]:
        """Return the pixels of images, as features saw them, by their numbers.

        Those that are gone or changed are left out.
        """
        numbers = sorted(set(map(int, numbers)))
        chosen = self._images.take(numbers)
        of_split: dict[str | None, list[int]] = {}
        for number, split in zip(numbers, chosen["split"].to_pylist(), strict=True):
            of_split.setdefault(split if split in self._sources else None, []).append(number)
        found: dict[int, Pixels] = {}
        for split, members in of_split.items():
            if split in self._sources:
                found |= self._read_from(self._sources[split], members)
        self._lost |= set(numbers) - set(found)
        return found

    def _read_from(self, source: Source, numbers: list[int]) -> dict[int, Pixels]:
        chosen = self._images.select(["path", "digest"]).take(numbers).to_pylist()
        paths = pa.array([image["path"] for image in chosen])
        try:
            if source not in self._listings:
                self._listings[source] = _listing(source)
        except (OSError, SourceError):
            return {}
        listing = self._listings[source]
        found = listing.filter(pc.is_in(listing["path"], paths)).to_pydict()
        locations = dict(zip(found["path"], found["location"], strict=True))

        def read_one(image: Mapping[str, Any]) -> Pixels | None:
            try:
                location = locations[image["path"]]
                return decode(source, location, image["digest"], self._reader)
            except (ImageError, KeyError):
                return None

        with ThreadPoolExecutor() as pool:
            pixels = list(pool.map(read_one, chosen))
        return {n: p for n, p in zip(numbers, pixels, strict=True) if p is not None}


def _listing(source: Source) -> pa.Table:
    """Return the path and the location of each image of a source."""
    return pa.concat_tables(t.select(["path", "location"]) for t in source.images())


class Album:
    """Thumbnails of the pictures that a page shows, on a few sheets.

    Parameters
    ----------
    limit : int
        So many pictures at most; the first that are asked for.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.places: dict[int, int] = {}

    def add(self, numbers: Iterable[int]) -> list[int]:
        """Ask for images by their numbers; return the places of those that there is room for."""
        places = []
        for number in map(int, numbers):
            if number not in self.places and len(self.places) < self._limit:
                self.places[number] = len(self.places)
            if number in self.places:
                places.append(self.places[number])
        return places

    def sheets(self, pictures: PictureReader) -> list[str]:
        """Read the pictures and return sheets of thumbnails, as data URLs of WebP images."""
        pixels = pictures.read(self.places)
        n_each = SHEET_SIDE**2
        sheets = []
        for first in range(0, len(self.places), n_each):
            side = SHEET_SIDE * THUMBNAIL
            sheet = np.full((side, side, 3), GREY, np.uint8)
            for number, place in self.places.items():
                if first <= place < first + n_each and number in pixels:
                    row, column = divmod(place - first, SHEET_SIDE)
                    corner = row * THUMBNAIL, column * THUMBNAIL
                    picture = fitted_into(pixels[number], THUMBNAIL)
                    sheet[corner[0] :, corner[1] :][:THUMBNAIL, :THUMBNAIL] = picture
            sheets.append(data_url(webp(sheet), "image/webp"))
        return sheets


def fitted_into(pixels: Pixels, side: int) -> Pixels:
    """Return a picture in the middle of a grey square, as large as fits."""
    image = Image.fromarray(pixels).convert("RGB")
    scale = side / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    kind = Image.Resampling.NEAREST if scale >= 1.5 else Image.Resampling.LANCZOS
    square = Image.new("RGB", (side, side), (GREY, GREY, GREY))
    square.paste(image.resize(size, kind), ((side - size[0]) // 2, (side - size[1]) // 2))
    return np.asarray(square)


def webp(pixels: Any, quality: int = QUALITY) -> bytes:
    """Encode a picture."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "WEBP", quality=quality, method=4)
    return stream.getvalue()


def data_url(data: bytes, kind: str) -> str:
    """Return bytes as a URL that holds them."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
