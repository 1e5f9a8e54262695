"""Nearest of 1000 words for a million descriptors beside faiss and scikit-learn, two threads."""

import faiss
import numpy as np
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from visualwords.features import VisualVocabulary

from .harness import race, row
from .vocabulary_data import descriptors

N = 1_000_000
THREADS = 2


def report() -> None:
    X = descriptors(N)
    vocabulary = VisualVocabulary(1000, n_jobs=THREADS).fit(X[::8])
    index = faiss.IndexFlatL2(X.shape[1])
    index.add(vocabulary.words_)
    faiss.omp_set_num_threads(THREADS)
    kmeans = KMeans(1000, init=vocabulary.words_, n_init=1, max_iter=1).fit(vocabulary.words_)
    ids = {
        "ours": vocabulary.predict(X),
        "faiss": index.search(X, 1)[1][:, 0],
        "scikit-learn": kmeans.predict(X),
    }
    for name in ("faiss", "scikit-learn"):
        print(disagreement(X, vocabulary.words_, ids["ours"], name, ids[name]))
    with threadpool_limits(THREADS):
        seconds = race(
            {
                "ours": lambda: vocabulary.predict(X),
                "faiss": lambda: index.search(X, 1),
                "scikit-learn": lambda: kmeans.predict(X),
            },
            repeats=5,
            warm_up=False,
        )
    what = f"nearest of 1000 words, {len(X):,} x {X.shape[1]}, {THREADS} threads"
    print(row(what, seconds["ours"], "faiss IndexFlatL2", seconds["faiss"], 1))
    print(row(what, seconds["ours"], "scikit-learn KMeans.predict", seconds["scikit-learn"], 1.5))


def disagreement(
    X: np.ndarray, words: np.ndarray, ours: np.ndarray, name: str, theirs: np.ndarray
) -> str:
    """Say how many answers differ and whose word is nearer in float64."""
    rows = np.flatnonzero(ours != theirs)
    x, words = X[rows].astype(np.float64), words.astype(np.float64)
    our_squares = ((x - words[ours[rows]]) ** 2).sum(axis=1)
    their_squares = ((x - words[theirs[rows]]) ** 2).sum(axis=1)
    return (
        f"{name} finds another word for {len(rows)} of {len(X)} descriptors: it is nearer for "
        f"{np.sum(their_squares < our_squares)}, farther for {np.sum(their_squares > our_squares)}"
    )
