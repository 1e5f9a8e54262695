"""Stages are shown as a bar while they run, and as one line at their end."""

import io
import json
import time

import pytest
from numba import config
from rich.console import Console

from visualwords.compiling import kernel
from visualwords.pipeline import progress as progress_module
from visualwords.pipeline.progress import Progress


def test_a_stage_ends_in_one_line_with_its_summary_and_time():
    output = io.StringIO()
    progress = Progress(Console(file=output, width=100))
    for _ in range(2):
        with progress.stage("scan", total=3) as stage:
            stage.advance(3)
            stage.summary = "3 images"
    lines = output.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("scan       3 images ")
    assert lines[0].endswith(" s")
    assert set(progress.seconds) == {"scan"}
    assert progress.seconds["scan"] > 0


def test_nothing_is_printed_without_a_console(capsys):
    with Progress().stage("scan", total=1):
        pass
    assert capsys.readouterr() == ("", "")


def test_a_terminal_shows_a_bar_while_the_stage_runs():
    output = io.StringIO()
    with Progress(Console(file=output, force_terminal=True)).stage("scan", total=2) as stage:
        stage.advance(1)
    assert "1/2" in output.getvalue()


@pytest.fixture
def new_kernel(tmp_path, monkeypatch):
    """Give a function that makes a kernel which no cache has."""
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))
    return make_kernel


def make_kernel():
    @kernel
    def double(x):
        return 2 * x

    return double


def test_kernels_that_a_stage_compiles_are_announced_once_and_counted(new_kernel):
    output = io.StringIO()
    progress = Progress(Console(file=output, width=100))
    double = new_kernel()
    for arguments in ((1, 2.0), (3j,), ()):
        with progress.stage("learn", total=1):
            for x in arguments:
                assert double(x) == 2 * x
                double(x)
    text = output.getvalue()
    assert text.count("kernels are compiled on first use, once per machine") == 1
    assert text.index("kernels are compiled") < text.index("learn")
    assert text.count("of which compiling 2 kernels, once") == 1
    assert text.count("of which compiling 1 kernel, once") == 1
    assert text.count("of which") == 2


def test_the_bar_of_a_terminal_counts_kernels(new_kernel):
    output = io.StringIO()
    with Progress(Console(file=output, force_terminal=True, width=100)).stage("scan", total=2):
        new_kernel()(1)
    assert "compiling kernel 1" in output.getvalue()


def test_a_stage_without_work_is_a_line():
    output = io.StringIO()
    Progress(Console(file=output, width=100)).note("train", "nothing new")
    assert output.getvalue().split() == ["train", "nothing", "new", "0.00", "s"]


def run_two_stages(progress):
    with progress.stage("scan", 10) as stage:
        stage.advance(4)
        stage.advance(6, failed=1)
        stage.summary = "10 images"
    with progress.stage("scan", None) as stage:
        stage.summary = "nothing"


def test_a_long_summary_stays_on_its_line():
    output = io.StringIO()
    with Progress(Console(file=output, width=40)).stage("learn", 1) as stage:
        stage.summary = "words " * 30
    assert output.getvalue().count("\n") == 1


def test_a_log_has_a_line_at_the_start_and_at_the_end_of_each_stage(tmp_path):
    log = tmp_path / "log.jsonl"
    run_two_stages(Progress(log=log))
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    ended = [line for line in lines if line["ended"]]
    assert [(x["stage"], x["done"], x["total"], x["failed"]) for x in ended] == [
        ("scan", 10, 10, 1),
        ("scan", 0, None, 0),
    ]
    assert [line["ended"] for line in lines] == [False, True] * 2, "the stages take no second"
    assert [line["remaining_seconds"] for line in ended] == [0, None]
    assert all(line["seconds"] >= 0 and line["rate"] >= 0 for line in lines)
    assert [line["summary"] for line in ended] == ["10 images", "nothing"]


def test_a_log_has_what_is_printed_between_the_stages(tmp_path):
    progress = Progress(log=tmp_path / "log.jsonl")
    progress.note("train", "nothing new")
    progress.say("replaces", "metrics.json")
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [(x["stage"], x["summary"], x["ended"]) for x in lines] == [
        ("train", "nothing new", True),
        ("replaces", "metrics.json", True),
    ]


def test_a_log_is_continued(tmp_path):
    log = tmp_path / "new/log.jsonl"
    for _ in range(2):
        with Progress(log=log).stage("scan", 1):
            pass
    assert len(log.read_text().splitlines()) == 4


def test_a_log_goes_on_while_a_stage_waits_for_its_only_shard(tmp_path, monkeypatch):
    monkeypatch.setattr(progress_module, "LOG_SECONDS", 0.01)
    log = tmp_path / "log.jsonl"
    with Progress(log=log).stage("extract", 1024) as stage:
        while not log.exists() or log.read_text().count("\n") < 4:
            time.sleep(0.01)
        stage.advance(1024)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["done"] for line in lines[:4]] == [0] * 4
    assert (lines[-1]["done"], lines[-1]["ended"]) == (1024, True)


def test_a_terminal_shows_rate_failures_and_a_bar_while_a_stage_runs():
    output = io.StringIO()
    console = Console(file=output, width=120, force_terminal=True)
    with Progress(console).stage("extract", 10) as stage:
        stage.advance(5, failed=2)
    shown = output.getvalue()
    assert "5/10" in shown
    assert "2 failed" in shown
    assert "/s" in shown
