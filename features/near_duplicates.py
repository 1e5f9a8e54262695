"""Pairs of perceptual hashes that differ by few bits, found without comparing all pairs.

This is multi-index hashing [1]_. The images are sorted by each of the first words of their hashes.
Two images are compared only if one of these words is the same, or differs by one bit.

.. [1] M. Norouzi, A. Punjani and D. J. Fleet, "Fast search in Hamming space with multi-index
   hashing", CVPR 2012.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from visualwords.checks import check_integer
from visualwords.compiling import inlined, kernel
from visualwords.threads import even_blocks, worker_threads

__all__ = ["near_duplicates"]

# Photographs that are stored again, 10 % smaller and 30 % brighter, differ by at most 42 bits, and
# different photographs by at least 80; see benchmarks/near_duplicates.py.
MOST_BITS = 48
INDEXED_WORDS = 8
WORD_VALUES = 1 << 16
MOST_PAIRS = 20  # of an image with earlier ones, so that a thousand alike are not a million pairs
MOST_FIRST_BITS = 24  # of the first 64; a pair with more is not looked at further
IMAGES_PER_BLOCK = 1 << 16

IndexArray = npt.NDArray[np.int32]
Codes = npt.NDArray[np.uint64]


def near_duplicates(
    hashes: Any, most_bits: int = MOST_BITS, n_jobs: int | None = None
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the pairs of images whose perceptual hashes differ by few bits.

    A pair is found if it differs by at most ``most_bits`` bits, by at most 24 of the first 64, and
    by at most one bit of one of the first 8 words. The last holds for each pair that differs by at
    most 15 bits of these words. Of an image at most 20 pairs with earlier images are found. Images
    whose hash is 0 show nothing and have no pairs.

    Parameters
    ----------
    hashes : array-like of shape (n, words)
        Words of 16 bits, as :class:`.PerceptualHash` gives them.
    most_bits : int
    n_jobs : int or None
        Threads; None is one unless a ``joblib.parallel_config`` says otherwise.

    Returns
    -------
    pairs : ndarray of shape (m, 2)
        Numbers of two images, the later one first; sorted.
    bits : ndarray of shape (m,)
        How many bits differ.

    Raises
    ------
    ValueError
        If the hashes are not rows of whole numbers of 16 bits.

    Examples
    --------
    >>> hashes = np.array([[9, 9, 9, 9], [500, 7, 77, 1], [9, 9, 8, 9]])
    >>> near_duplicates(hashes, most_bits=4)
    (array([[2, 0]]), array([1]))
    """
    words, most_bits = _checked(hashes), check_integer("most_bits", most_bits, least=0)
    numbers = np.flatnonzero(words.any(axis=1))
    words = words[numbers]
    codes = np.pad(words, ((0, 0), (0, -words.shape[1] % 4))).view(np.uint64)
    n_found = np.zeros(len(words), np.int32)
    found = [np.empty((0, 3), np.int32)]
    with worker_threads(n_jobs) as map_:
        for word in range(min(INDEXED_WORDS, words.shape[1])):
            index = _index(words[:, word], codes)

            def search(block: slice, word: int = word, index: _Index = index) -> IndexArray:
                room = np.empty((MOST_PAIRS * (block.stop - block.start), 3), np.int32)
                block_ends = (block.start, block.stop)
                n_pairs = _search(words, codes, word, index, block_ends, most_bits, n_found, room)
                return room[:n_pairs].copy()

            found += map_(search, even_blocks(len(words), IMAGES_PER_BLOCK, n_jobs))
    pairs = np.concatenate(found).astype(np.intp)
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    return numbers[pairs[:, :2]], pairs[:, 2]


def _checked(hashes: npt.ArrayLike) -> npt.NDArray[np.uint16]:
    """Return hashes as words of 16 bits; other values than those of 16 bits are refused."""
    given = np.asarray(hashes)
    if given.ndim != 2 or given.dtype.kind not in "uif":
        raise ValueError(
            "expected hashes of shape (n, words), as PerceptualHash().transform(images) gives "
            f"them, got shape {given.shape} and dtype {given.dtype}"
        )
    with np.errstate(invalid="ignore"):
        words = np.ascontiguousarray(given, np.uint16)
    if not np.array_equal(words, given):
        raise ValueError("expected hashes of whole numbers from 0 to 65535, got other values")
    return words


class _Index(NamedTuple):
    """The images sorted by a word of their hashes, then by number.

    Attributes
    ----------
    order : ndarray of shape (n,), int32
    starts : ndarray of shape (65537,), int32
        Where in ``order`` the images with each value of the word begin.
    firsts : ndarray of shape (n,), uint64
        First 64 bits of the images, in that order.
    """

    order: IndexArray
    starts: IndexArray
    firsts: npt.NDArray[np.uint64]


def _index(values: npt.NDArray[np.uint16], codes: Codes) -> _Index:
    order = np.argsort(values, kind="stable").astype(np.int32)
    starts = np.searchsorted(values[order], np.arange(WORD_VALUES + 1)).astype(np.int32)
    return _Index(order, starts, codes[order, 0])


@inlined
def _count(code: np.uint64) -> np.int64:
    """Return how many bits are set (Warren, Hacker's Delight, 5-1)."""
    code = code - ((code >> np.uint64(1)) & np.uint64(0x5555555555555555))
    twos = np.uint64(0x3333333333333333)
    code = (code & twos) + ((code >> np.uint64(2)) & twos)
    code = (code + (code >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((code * np.uint64(0x0101010101010101)) >> np.uint64(56))


@kernel
def _search(
    words: npt.NDArray[np.uint16],
    codes: Codes,
    word: int,
    index: _Index,
    block: tuple[int, int],
    most_bits: int,
    n_found: IndexArray,
    out: IndexArray,
) -> int:
    """Write the pairs whose ``word`` differs by at most one bit, and none of the words before.

    Parameters
    ----------
    words : ndarray of shape (n, words), uint16
    codes : ndarray of shape (n, words / 4), uint64
        The same bits.
    word : int
    index : _Index
        By that word.
    block : (int, int)
        Which images of the index are the later ones of the pairs: from, and up to but without.
    most_bits : int
    n_found : ndarray of shape (n,)
        Pairs of each image with earlier ones; counted up.
    out : ndarray of shape (MOST_PAIRS * images of the block, 3)
        Later image, earlier image, bits.

    Returns
    -------
    int
        The number of pairs.
    """
    n_pairs = 0
    for place in range(block[0], block[1]):
        image = index.order[place]
        for flip in range(-1, 16):
            value = words[image, word]
            if flip >= 0:
                value ^= np.uint16(1 << flip)
            for other_place in range(index.starts[value], index.starts[value + 1]):
                other = index.order[other_place]
                if other >= image or n_found[image] >= MOST_PAIRS:
                    break
                bits = _count(index.firsts[place] ^ index.firsts[other_place])
                if bits > min(MOST_FIRST_BITS, most_bits):
                    continue
                for k in range(1, codes.shape[1]):
                    bits += _count(codes[image, k] ^ codes[other, k])
                is_new = bits <= most_bits
                for before in range(word):
                    is_new &= _count(np.uint64(words[image, before] ^ words[other, before])) > 1
                if is_new:
                    out[n_pairs, 0] = image
                    out[n_pairs, 1] = other
                    out[n_pairs, 2] = bits
                    n_pairs += 1
                    n_found[image] += 1
    return n_pairs
