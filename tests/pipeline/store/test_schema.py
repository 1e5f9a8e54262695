"""A JSON value has the shape that is asked for, or the message says what is wrong with it."""

import pytest

from visualwords.pipeline.store.schema import is_count, is_digests, mismatch

SHAPE = {
    "rows": is_count,
    "share": (int, float),
    "pair": [str, int],
    "names": [str],
    "files": {str: is_count},
    "note?": str,
}
RIGHT = {"rows": 3, "share": 0.5, "pair": ["a", 1], "names": [], "files": {"x": 0}, "more": None}


@pytest.mark.parametrize("changes", [{}, {"note": "n"}, {"share": 1}, {"names": ["a", "b"]}])
def test_what_has_the_shape_passes(changes):
    assert mismatch(RIGHT | changes, SHAPE) == ""


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": -1}, "rows is -1"),
        ({"rows": True}, "rows is True"),
        ({"share": False}, "share is False"),
        ({"share": None}, "share is None"),
        ({"pair": ["a"]}, "pair has 1 item"),
        ({"pair": ["a", "b"]}, "pair is 'b'"),
        ({"names": "ab"}, "names is 'ab'"),
        ({"names": ["a", 1]}, "names is 1"),
        ({"files": [1]}, "files is a list"),
        ({"files": {"x": "y" * 99}}, f"x is '{'y' * 36}..."),
        ({"note": 1}, "note is 1"),
    ],
)
def test_what_has_another_shape_is_named(changes, message):
    assert mismatch(RIGHT | changes, SHAPE) == message


def test_what_is_missing_is_named():
    assert mismatch({**RIGHT, "rows": 1} | {}, {"columns": is_count}) == "the record has no columns"
    assert mismatch([], SHAPE) == "the record is a list"


def test_digests_are_lower_case_and_whole():
    assert is_digests("")
    assert is_digests("0123456789abcdef" * 4)
    assert not any(map(is_digests, ["0" * 31, "G" * 32, "A" * 32, b"0" * 32, None]))
