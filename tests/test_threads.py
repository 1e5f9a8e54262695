import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from visualwords.classifiers import LinearSVM, Softmax
from visualwords.features import HOG, HueHistogram
from visualwords.threads import even_blocks, row_blocks, worker_threads


@pytest.fixture(autouse=True)
def two_blas_threads():
    """Let BLAS have two threads, so that a limit of one shows."""
    np.ones((4, 4)) @ np.ones((4, 4))
    with threadpool_limits(2):
        yield


def blas_threads() -> list[int]:
    np.ones((4, 4)) @ np.ones((4, 4))
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


@pytest.mark.parametrize("n_jobs", [None, 1, 2, -1])
def test_map_keeps_the_order(n_jobs):
    with worker_threads(n_jobs) as map_:
        assert list(map_(lambda i: i * i, range(100))) == [i * i for i in range(100)]


@pytest.mark.parametrize("n_jobs", [1, 2, 3])
def test_an_error_comes_in_its_turn_and_ends_the_rest(n_jobs):
    begun = []

    def fail_at_3_and_4(i):
        begun.append(i)
        if i in (3, 4):
            raise ValueError(f"item {i}")
        return i

    with worker_threads(n_jobs) as map_:
        results = map_(fail_at_3_and_4, range(1000))
        assert [next(results) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(ValueError, match="item 3"):
            next(results)
    assert len(begun) < 1000


def test_all_threads_work_the_caller_among_them():
    together = threading.Barrier(3, timeout=10)

    def meet(_):
        together.wait()
        return threading.current_thread()

    with worker_threads(3) as map_:
        assert threading.current_thread() in set(map_(meet, range(3)))


def test_a_map_may_be_left_unfinished_and_be_called_within_another():
    with worker_threads(2) as map_:
        results = map_(lambda i: sum(map_(abs, range(-i, 0))), range(100))
        assert next(results) == 0
        assert next(results) == 1


def test_libraries_have_one_thread_inside_and_their_own_number_after():
    before = blas_threads()
    with worker_threads(2):
        assert set(blas_threads()) == {1}
        with worker_threads(1):
            pass
        assert set(blas_threads()) == {1}, "an inner exit must not lift the outer limit"
    assert blas_threads() == before


def test_overlapping_computations_restore_the_limits():
    before = blas_threads()
    first_entered, second_entered = threading.Event(), threading.Event()

    def first():
        with worker_threads(1):
            first_entered.set()
            second_entered.wait(5)

    thread = threading.Thread(target=first)
    thread.start()
    first_entered.wait(5)
    with worker_threads(1):
        second_entered.set()
        thread.join()
    assert blas_threads() == before


def test_opencv_is_limited_once_it_is_in_use():
    import cv2

    before = cv2.getNumThreads()
    with worker_threads(2):
        assert cv2.getNumThreads() == 1
    assert cv2.getNumThreads() == before


@pytest.mark.parametrize(("n_rows", "block"), [(0, 3), (1, 3), (3, 3), (10, 3)])
def test_row_blocks_cover_every_row_once(n_rows, block):
    blocks = row_blocks(n_rows, block)
    assert [i for rows in blocks for i in range(n_rows)[rows]] == list(range(n_rows))
    assert all(rows.stop - rows.start <= block for rows in blocks)


@pytest.mark.parametrize(
    ("n_rows", "most", "blocks"), [(0, 5, 0), (3, 5, 3), (12, 5, 4), (50, 5, 10)]
)
def test_even_blocks_give_every_thread_two(n_rows, most, blocks):
    cut = even_blocks(n_rows, most, 2)
    assert len(cut) == blocks
    assert [i for rows in cut for i in range(n_rows)[rows]] == list(range(n_rows))


@pytest.mark.parametrize("n_jobs", ["2", 2.5, 0, True, [1]])
def test_what_is_no_number_of_threads_is_refused(n_jobs):
    refused = "n_jobs must be a number of workers, -1 for all cores .*, got"
    for feature in (HueHistogram(n_jobs=n_jobs), HOG(n_jobs=n_jobs)):
        with pytest.raises(ValueError, match=refused):
            feature.transform(np.zeros((4, 16, 16, 3), np.uint8))
    for classifier in (Softmax(n_jobs=n_jobs), LinearSVM(n_jobs=n_jobs)):
        with pytest.raises(ValueError, match=refused):
            classifier.fit(np.eye(4), [0, 0, 1, 1])
