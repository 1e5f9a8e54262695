import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from visualwords.threads import row_blocks, worker_threads


def blas_threads() -> list[int]:
    np.ones((4, 4)) @ np.ones((4, 4))
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


@pytest.mark.parametrize("n_jobs", [None, 1, 2, -1])
def test_map_keeps_the_order(n_jobs):
    with worker_threads(n_jobs) as map_:
        assert list(map_(lambda i: i * i, range(100))) == [i * i for i in range(100)]


def test_an_error_in_a_block_reaches_the_caller():
    with pytest.raises(ZeroDivisionError), worker_threads(2) as map_:
        list(map_(lambda i: 1 // i, [1, 0, 2]))


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
