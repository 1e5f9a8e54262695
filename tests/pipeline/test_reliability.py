"""A few of the trials of ``python -m benchmarks reliability``."""

from visualwords.benchmarks.reliability import damage


def test_damaged_files_are_named_or_mended_and_no_number_changes(tmp_path):
    counts, wrong = damage.trials(tmp_path, 30)
    assert not wrong
    assert counts.total() == 30
    assert {"right", "refused"} <= {found for _, found in counts}
