"""The memory of a job."""

import sys

import psutil
import pytest

from visualwords.pipeline.memory import give_back, peak_bytes


def test_the_peak_is_at_least_what_is_held_now():
    assert peak_bytes() >= psutil.Process().memory_info().rss / 2


@pytest.mark.skipif(sys.platform != "linux", reason="other systems give memory back themselves")
def test_freed_memory_is_given_back():
    blocks = [bytearray(60_000) for _ in range(2_000)]  # too small for pages of their own
    last = bytearray(60_000)  # keeps what lies below it from being given back by itself
    before = psutil.Process().memory_info().rss
    del blocks
    give_back()
    assert psutil.Process().memory_info().rss < before - 90_000_000
    assert len(last) == 60_000
