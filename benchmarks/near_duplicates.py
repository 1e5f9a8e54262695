"""Near-duplicates: photographs that are stored again are found, and different ones are not.

``VISUALWORDS_DATA`` names the folder with ``scenes15/CLASS/IMAGE`` and ``cifar10/{train,test}``.
200 scenes are changed in each of the ways below and lie among the 1,500 originals in one job. Barz
and Denzler ("Do we train on test data?", J. Imaging 2020) found by eye that 3.25 % of the test
images of CIFAR-10 have a near-duplicate among the training images; among theirs are photographs of
one scene that were taken one after the other.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path
from time import process_time

import numpy as np
from PIL import Image

from visualwords.features import HueHistogram, PerceptualHash, near_duplicates
from visualwords.pipeline.duplicates import NEAR, SAME_BYTES
from visualwords.pipeline.job import extract
from visualwords.pipeline.memory import peak_bytes
from visualwords.pipeline.reader import Reader

N_CHANGED = 200
# Of a picture and its copy, pixels differ by less on average, in grey levels.
SAME_PICTURE = 6.0
Picture = Image.Image


def encoded(quality):
    return lambda picture: (picture, quality)


def resized(scale):
    def change(picture):
        shape = (round(picture.width * scale), round(picture.height * scale))
        return picture.resize(shape, Image.Resampling.BICUBIC), 95

    return change


def brightened(factor):
    return lambda picture: (picture.point(lambda v: min(255, round(v * factor))), 95)


def all_of_these(picture):
    smaller, _ = resized(0.9)(picture)
    brighter, _ = brightened(1.2)(smaller)
    return brighter, 75


CHANGES = {
    "re-encoded, quality 75": encoded(75),
    "re-encoded, quality 40": encoded(40),
    "10 % smaller": resized(0.9),
    "10 % larger": resized(1.1),
    "10 % brighter": brightened(1.1),
    "20 % brighter": brightened(1.2),
    "30 % brighter": brightened(1.3),
    "50 % brighter": brightened(1.5),
    "quality 75, 10 % smaller, 20 % brighter": all_of_these,
}


def report():
    data = Path(os.environ.get("VISUALWORDS_DATA", ""))
    if not (data / "scenes15").is_dir():
        sys.exit("set VISUALWORDS_DATA to the folder that holds scenes15 and cifar10")
    million()
    scenes(data / "scenes15")
    cifar(data / "cifar10")


def scenes(folder):
    """Print how many of the changed scenes are found, and which pairs of scenes are false."""
    with tempfile.TemporaryDirectory() as name:
        images = Path(name, "images")
        shutil.copytree(folder, images / "scenes")
        files = sorted(path.relative_to(folder) for path in folder.rglob("*.jpg"))
        chosen = np.random.default_rng(0).choice(len(files), N_CHANGED, replace=False)
        for kind, change in CHANGES.items():
            (images / kind).mkdir()
            for number in chosen:
                picture, quality = change(Image.open(folder / files[number]))
                picture.save(images / kind / f"{number}.jpg", quality=quality)
        found = extract(images, Path(name, "store"), [HueHistogram()]).duplicates()
    rows = found.to_pylist()
    # A picture that is encoded again as it was has the same bytes: it stands for the other one.
    first = {row["path"]: row["same_as"] for row in rows if row["kind"] == SAME_BYTES}
    pairs = {frozenset((row["path"], row["same_as"])) for row in rows if row["kind"] == NEAR}
    for kind in CHANGES:
        copies = [(f"{kind}/{n}.jpg", f"scenes/{files[n].as_posix()}") for n in chosen]
        pair_of = [frozenset(first.get(path, path) for path in copy) for copy in copies]
        n_found = sum(len(pair) == 1 or pair in pairs for pair in pair_of)
        print(f"{kind:<58} {n_found} of {N_CHANGED} found")
    originals = [pair for pair in pairs if all(path.startswith("scenes/") for path in pair)]
    n_false = sum(not is_same_picture(folder.parent, pair) for pair in originals)
    print(f"{f'false pairs among {len(files)} scenes':<58} {n_false}")
    print(f"{'other pairs: the same picture in other bytes':<58} {len(originals) - n_false}")


def is_same_picture(folder, pair):
    pictures = [Image.open(folder / path.replace("scenes/", "scenes15/")) for path in pair]
    first, second = (np.asarray(p.convert("L").resize((64, 64)), float) for p in pictures)
    return np.abs(first - second).mean() < SAME_PICTURE


def cifar(folder):
    """Print how many images of CIFAR-10 have a near-duplicate, and the seconds of the search."""
    files = [sorted((folder / split).rglob("*.png")) for split in ("train", "test")]
    reader = Reader()
    images = [reader.decode(path.read_bytes()) for path in (*files[0], *files[1])]
    hashes = PerceptualHash(n_jobs=-1).transform(images)
    near_duplicates(hashes[:100])
    start = process_time()
    pairs, _ = near_duplicates(hashes)
    seconds = process_time() - start
    later, earlier = pairs.T
    leaks = np.unique(later[(later >= len(files[0])) & (earlier < len(files[0]))])
    print(f"{'pairs among the images of CIFAR-10':<58} {len(pairs)}")
    print(f"{'test images with a near-duplicate in train (3.25 % by eye)':<58} {len(leaks)}")
    print(f"{f'search among {len(images)}, one core':<58} {seconds:.2f} s")


def million():
    """Print time and memory of the search among a million random hashes."""
    hashes = np.random.default_rng(0).integers(0, 1 << 16, (1_000_000, 16), np.uint16)
    near_duplicates(hashes[:100])
    before, start = peak_bytes(), process_time()
    pairs, _ = near_duplicates(hashes)
    seconds, more = process_time() - start, (peak_bytes() - before) / 2**20
    print(f"{'search among 1,000,000 random hashes, one core':<58} {seconds:.1f} s, {more:.0f} MB")
    print(f"{'pairs among them':<58} {len(pairs)}")
