"""``load_image``: the pixels of one image, as a job reads them."""

from os import PathLike, fspath

from .reader import ByteImage, ImageError, Reader
from .sources.files import plain_name, read_file

__all__ = ["load_image"]


def load_image(
    image: str | PathLike[str] | bytes,
    *,
    max_pixels: int = Reader.max_pixels,
    max_side: int = Reader.max_side,
) -> ByteImage:
    """Return the RGB pixels of an image file, as a job reads them.

    ``cv2.imread`` gives BGR: red and blue are swapped, so hues and colour patches of its arrays are
    those of another picture. ``cv2.cvtColor(array, cv2.COLOR_BGR2RGB)`` turns them into RGB.

    Parameters
    ----------
    image : str, path or bytes
        Path or URL of a file, or what is in the file. ``docs/images.md`` lists the formats.
    max_pixels : int
        An image with more pixels is refused before it is decoded.
    max_side : int
        A larger image is reduced, so that its longer side has so many pixels.

    Returns
    -------
    ndarray of shape (rows, columns, 3) or (rows, columns), uint8
        RGB in sRGB, or the grey values of a grey image, turned as EXIF says.

    Raises
    ------
    ImageError
        If the file cannot be read or is no sound image. It is a ``ValueError``.

    Examples
    --------
    >>> import io
    >>> from PIL import Image
    >>> file = io.BytesIO()
    >>> Image.new("RGB", (3, 2), (0, 0, 255)).save(file, "PNG")
    >>> load_image(file.getvalue())[0, 0].tolist()
    [0, 0, 255]
    """
    reader = Reader(max_pixels, max_side)
    if isinstance(image, bytes):
        return reader.decode(image)
    name = plain_name(fspath(image))
    try:
        return reader.decode(read_file(name))
    except ImageError as error:
        raise ImageError(f"{name}: {error}", error.kind) from error
