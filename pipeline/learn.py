"""The stage that fits what learns, such as a vocabulary, on training images and on no others."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sklearn.base import BaseEstimator, clone

from .counts import counted
from .failures import CHANGED, UNREADABLE
from .features import (
    FeatureRef,
    describe_feature,
    find_learned,
    keep_feature,
    learns,
)
from .ledger import digests_of
from .memory import give_back
from .own_code import naming_own_code
from .progress import Progress
from .reader import ImageError, Reader
from .sources import Source, SourceError
from .store.files import Folder
from .store.shards import DIGEST_BYTES, Digests
from .workers import decode

__all__ = ["draws", "learn"]

# A vocabulary is learned from at most so many images, and so many pixels.
SAMPLE_IMAGES = 10_000
SAMPLE_PIXELS = 100_000_000

Image = npt.NDArray[np.uint8]


def draws(digests: Digests, seed: int, purpose: str) -> npt.NDArray[np.float64]:
    """Return a number in [0, 1) for each image that depends on its bytes and on the seed alone.

    So what is drawn of an image stays when others are added, removed, renamed or reordered.

    Parameters
    ----------
    digests : ndarray of shape (n,), V16
    seed : int
    purpose : str
        Draws for different purposes are independent.
    """
    keyed = hashlib.blake2b(key=f"{purpose} {seed}".encode(), digest_size=8)
    drawn = []
    for digest in digests.tolist():
        hashed = keyed.copy()
        hashed.update(digest)
        drawn.append(hashed.digest())
    numbers = np.frombuffer(b"".join(drawn), "<u8")
    return (numbers >> np.uint64(11)) / 2.0**53


def learn(
    features: Mapping[str, BaseEstimator],
    training: pa.Table,
    source: Source,
    store: Folder,
    reader: Reader,
    progress: Progress,
    *,
    seed: int = 0,
    relearn: bool = False,
    n_jobs: int | None = None,
) -> tuple[dict[str, FeatureRef], int]:
    """Fit the features that learn, or find in the store what was learned before.

    What was learned is used again while all the images that it was learned from are still training
    images; ``relearn`` learns anew.

    Parameters
    ----------
    features : mapping of str to estimator
    training : pyarrow.Table
        The training images, with the columns of :data:`.scan.IMAGES`.
    source, store, reader, progress
    seed : int
        Decides which images are learned from.
    relearn : bool
    n_jobs : int or None

    Returns
    -------
    refs : dict of str to FeatureRef
    decoded : int
        Images that were decoded.
    """
    refs: dict[str, FeatureRef] = {}
    reasons: dict[str, str] = {}
    digests, is_sound = digests_of(training)
    sound = digests[is_sound]
    for name, feature in features.items():
        recipe = describe_feature(feature, reader)
        if not learns(feature):
            refs[name] = keep_feature(store, name, feature, reader, recipe, None)
            continue
        found, why = (None, "--relearn asks for it") if relearn else (None, "")
        if not relearn:
            found, why = find_learned(store, name, recipe, sound, reader)
        if found is None:
            reasons[name] = why
        else:
            refs[name] = found
    if not reasons:
        return {name: refs[name] for name in features}, 0
    with store.lock("learn"):  # the first of several jobs learns, the others find what it learned
        for name in [] if relearn else list(reasons):
            recipe = describe_feature(features[name], reader)
            found, _ = find_learned(store, name, recipe, sound, reader)
            if found is not None:
                refs[name] = found
                del reasons[name]
        if not reasons:
            return {name: refs[name] for name in features}, 0
        with progress.stage("learn", len(reasons)) as stage:
            sample = Sample(training, source, reader, seed)
            for name in reasons:
                recipe = describe_feature(features[name], reader)
                feature = clone(features[name])
                if "n_jobs" in feature.get_params():
                    feature.set_params(n_jobs=n_jobs)
                with naming_own_code(name, feature, f"fit on {counted(len(sample), 'image')}"):
                    feature.fit(sample)
                if "n_jobs" in feature.get_params():
                    feature.set_params(n_jobs=None)
                refs[name] = keep_feature(store, name, feature, reader, recipe, sample.digests)
                stage.advance(1)
            decoded = sample.decoded
            whys = "; ".join(f"{name}: {why}" for name, why in reasons.items())
            stage.summary = f"{counted(len(sample), 'image')} ({whys})"
        give_back()
    return {name: refs[name] for name in features}, decoded


class Sample(Sequence[Image]):
    """Training images that features learn from, decoded when they are asked for.

    The place of an image that proves damaged is taken by the next sound one. A file that cannot be
    read, or was changed, ends the job: what is learned without it would be kept as learned from it.
    """

    def __init__(self, training: pa.Table, source: Source, reader: Reader, seed: int) -> None:
        images = _draw_sample(training, source, reader.max_side, seed)
        self.digests = digests_of(training)[0][images]
        self._locations = training["location"].take(images).to_pylist()
        self._source = source
        self._reader = reader
        self._opened: list[int] = []  # append is atomic: features may learn in threads

    def __len__(self) -> int:
        return len(self._locations)

    @overload
    def __getitem__(self, index: int) -> Image: ...
    @overload
    def __getitem__(self, index: slice) -> list[Image]: ...
    def __getitem__(self, index: int | slice) -> Image | list[Image]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        why = ""
        for place in (*range(index, len(self)), *range(index)):
            self._opened.append(place)
            location, digest = self._locations[place], self.digests[place].tobytes()
            try:
                return decode(self._source, location, digest, self._reader)
            except ImageError as error:
                if error.kind in (CHANGED, UNREADABLE):
                    raise SourceError(f"{location}: {error}") from error
                why = str(error)
        raise SourceError(f"none of the training images can be used; {self._locations[0]}: {why}")

    @property
    def decoded(self) -> int:
        """Images decoded so far."""
        return len(self._opened)


def _draw_sample(
    training: pa.Table, source: Source, max_side: int, seed: int
) -> npt.NDArray[np.intp]:
    """Return the images that learning uses: the same of them in whatever order they are listed."""
    digests, is_sound = digests_of(training)
    sound = np.flatnonzero(is_sound)
    if not len(sound):
        why = next((r for r in training["reason"].to_pylist() if r), "there are none")
        raise SourceError(f"{source.name}: none of the training images can be used: {why}")
    _, first = np.unique(digests[sound].view(f"S{DIGEST_BYTES}"), return_index=True)
    sound = sound[first]
    drawn = sound[np.argsort(draws(digests[sound], seed, "learn"), kind="stable")][:SAMPLE_IMAGES]
    sides = [training[name].take(drawn).to_numpy().astype(float) for name in ("rows", "columns")]
    scale = np.minimum(1, max_side / np.maximum(*sides))
    affordable = np.cumsum(sides[0] * sides[1] * scale**2) <= SAMPLE_PIXELS
    affordable[0] = True
    chosen = drawn[affordable]
    return chosen[np.argsort(digests[chosen].view(f"S{DIGEST_BYTES}"))]
