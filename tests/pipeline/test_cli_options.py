"""Options that several commands share."""

import json

import cv2
import numpy as np
import pytest

from visualwords.pipeline.cli import main
from visualwords.pipeline.cli_options import with_every_kind

SHARED = ("--recipe", "--set", "--jobs", "--retry-failed", "--engine", "--json", "--label-column")
SOURCES = ("folder", ".txt", ".csv", ".parquet", ".tar", ".zip", "CIFAR", "MNIST", "URL")


def help_of(command, monkeypatch, capsys) -> str:
    monkeypatch.setenv("COLUMNS", "300")
    assert main([command, "--help"]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("command", ["run", "extract", "plan"])
def test_jobs_share_their_options_and_name_every_source(command, monkeypatch, capsys):
    text = help_of(command, monkeypatch, capsys)
    assert [name for name in (*SHARED, *SOURCES) if name not in text] == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("extract a --retry-failed", "extract a --retry-failed all"),
        ("extract --retry-failed --jobs 2 a", "extract --retry-failed all --jobs 2 a"),
        ("extract --retry-failed damaged a", "extract --retry-failed damaged a"),
        ("extract a", "extract a"),
    ],
)
def test_retry_failed_without_a_kind_stands_for_all_kinds(given, expected):
    assert with_every_kind(given.split()) == expected.split()


def test_max_pixels_refuses_by_name_and_may_be_raised(crops, tmp_path, capsys):
    command = ["extract", str(crops), "--store", str(tmp_path), "--features", "hue", "--json"]
    assert main([*command, "--max-pixels", "1000"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["failures"] == {"too large": 36}
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out)["images"]["ok"] == 36


def test_another_max_pixels_computes_the_rows_alone_that_it_lets_in(tmp_path, capsys):
    (tmp_path / "images").mkdir()
    for side in (20, 30, 40):
        pixels = np.full((side, side, 3), side, np.uint8)
        cv2.imwrite(str(tmp_path / "images" / f"{side}.png"), pixels)
    command = ["extract", str(tmp_path / "images"), "--store", str(tmp_path / "store")]
    for most, n_ok, n_computed in ((1000, 2, 2), (2000, 3, 1), (500, 1, 0), (3000, 3, 0)):
        assert main([*command, "--features", "hue", "--json", "--max-pixels", str(most)]) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["images"]["ok"], found["computed"]["hue"]) == (n_ok, n_computed)
