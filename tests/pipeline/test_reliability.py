"""A few of the trials of ``python -m benchmarks reliability``."""

import time

import pytest

from visualwords.benchmarks.reliability import damage, faults, hostile, images, kills
from visualwords.benchmarks.reliability.bed import make_bed


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return make_bed(tmp_path_factory.mktemp("bed"))


def test_damaged_files_are_named_or_mended_and_no_number_changes(whole, tmp_path):
    counts, wrong = damage.trials(whole, tmp_path, 12)
    assert not wrong
    assert counts.total() == 12
    assert {"right", "refused"} <= {found for _, found in counts}


def test_hostile_files_are_refused_by_name_or_computed_again(whole, tmp_path):
    names = ["NaN weights", "permuted classes", "a method replaced", "a compressed archive"]
    names += ["nested JSON", "an own classifier", "a loop for run.json", "a pipe for a model"]
    names += ["rows without end", "NaN in rows", "a pipe", "nested tables"]
    counts, wrong = hostile.trials(whole, tmp_path, names)
    assert not wrong
    assert counts == {"refused": 10, "right": 2}


def test_a_call_that_fails_is_told_in_one_sentence_and_mended(tmp_path):
    counts, wrong = faults.trials(tmp_path, lambda n: range(3, n, n // 2))
    assert not wrong
    assert counts["one sentence, mended"] > 2


def test_a_killed_job_goes_on_where_it_was(tmp_path):
    counts, _ = kills.trials(tmp_path, 1)
    assert set(counts) <= set(kills.GOOD)


def test_truncated_images_are_refused_and_damaged_ones_read_or_refused_in_silence(capfd):
    assert {found for _, found in images.truncations(3)} == {"refused"}
    assert {found for _, found in images.mutations(5)} == {"read", "refused"}
    assert capfd.readouterr() == ("", "")


def test_bombs_are_read_or_refused_in_no_time_and_silence(capfd):
    bombs = images.bombs()
    for name, data in bombs.items():
        started = time.process_time()
        assert images.outcome(data) in images.GOOD, name
        assert time.process_time() - started < 5, name  # of the minutes that a bomb would take
    assert capfd.readouterr() == ("", "")


def test_every_file_of_a_folder_is_read_or_has_a_reason(tmp_path):
    assert "right" in images.job(tmp_path, 1)
