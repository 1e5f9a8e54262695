"""Count the images that are decoded when a folder of 50,000 images changes."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from visualwords.features import HOG, HueHistogram
from visualwords.pipeline.job import extract

N_IMAGES = 50_000
N_CHANGED = 100
N_CLASSES = 10


def write_images(folder: Path, numbers: range) -> None:
    """Write small images of noise, the same for a number each time, into class folders."""
    for label in range(N_CLASSES):
        (folder / f"class{label}").mkdir(parents=True, exist_ok=True)
    for i in numbers:
        pixels = np.random.default_rng(i).integers(0, 256, (16, 16, 3), np.uint8)
        file = folder / f"class{i % N_CLASSES}" / f"{i:06d}.png"
        Image.fromarray(pixels).save(file, compress_level=1)


def add(images: Path) -> Path:
    """Add 100 images."""
    write_images(images, range(N_IMAGES, N_IMAGES + N_CHANGED))
    return images


def remove(images: Path) -> Path:
    """Remove 100 images."""
    for file in sorted(images.glob("*/*.png"))[7 : 7 + 7 * N_CHANGED : 7]:
        file.unlink()
    return images


def rename(images: Path) -> Path:
    """Rename all images, so that their order changes, too."""
    for file in sorted(images.glob("*/*.png")):
        file.rename(file.with_name(f"{hash(file.name) % 2**32:010d}-{file.name}"))
    return images


def reorder(images: Path) -> Path:
    """List all images in another order, in a manifest."""
    files = [str(file) for file in sorted(images.glob("*/*.png"))]
    manifest = images.with_suffix(".csv")
    manifest.write_text("path\n" + "\n".join(np.random.default_rng(0).permutation(files)))
    return manifest


def relabel(images: Path) -> Path:
    """Rename the class folders."""
    for folder in sorted(images.iterdir()):
        folder.rename(folder.with_name(f"other-{folder.name}"))
    return images


def move(images: Path) -> Path:
    """Move the folder."""
    return images.rename(images.with_name("elsewhere"))


CHANGES: tuple[Callable[[Path], Path], ...] = (add, remove, rename, reorder, relabel, move)


def report() -> None:
    with tempfile.TemporaryDirectory() as root:
        images, store = Path(root) / "images", Path(root) / "store"
        features = [HueHistogram(), HOG(image_size=(32, 32))]
        write_images(images, range(N_IMAGES))
        print(f"first                      {extract(images, store, features).work.decoded} decoded")
        for change in CHANGES:
            listed = change(images)
            images = listed if listed.is_dir() else images
            result = extract(listed, store, features)
            if not result.is_ok.all():
                raise AssertionError("every image must have its rows")
            what = str(change.__doc__).rstrip(".")
            print(f"{what:<54} {result.work.decoded} of {len(result.images)} decoded", flush=True)
