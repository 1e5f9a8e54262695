"""A few of the trials of ``python -m benchmarks reliability``."""

import time

from visualwords.benchmarks.reliability import damage, images


def test_damaged_files_are_named_or_mended_and_no_number_changes(tmp_path):
    counts, wrong = damage.trials(tmp_path, 12)
    assert not wrong
    assert counts.total() == 12
    assert {"right", "refused"} <= {found for _, found in counts}


def test_truncated_images_are_refused_and_damaged_ones_read_or_refused():
    assert {found for _, found in images.truncations(3)} == {"refused"}
    assert {found for _, found in images.mutations(5)} == {"read", "refused"}


def test_bombs_are_read_or_refused_in_no_time_and_silence(capfd):
    bombs = images.bombs()
    for name, data in bombs.items():
        started = time.process_time()
        assert images.outcome(data) in images.GOOD, name
        assert time.process_time() - started < 5, name  # of the minutes that a bomb would take
    assert capfd.readouterr() == ("", "")


def test_every_file_of_a_folder_is_read_or_has_a_reason(tmp_path):
    assert "right" in images.job(tmp_path, 1)
