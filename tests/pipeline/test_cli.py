import csv
import json
import os
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest
from PIL import Image

from visualwords.pipeline.cli import main


def call(*arguments) -> int:
    """Exit code of a command, as the shell would see it."""
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as stop:
        return int(stop.code or 0)


@pytest.fixture(scope="module")
def run_folder(crops, test_crops, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli") / "run"
    options = ("--words", 8, "--jobs", 2)
    assert call("run", crops, "--test", test_crops, "--out", folder, *options) == 0
    return folder


def test_run_prints_a_table_and_where_the_files_lie(run_folder, crops, test_crops, capsys):
    call("run", crops, "--test", test_crops, "--out", run_folder, "--words", 8)
    output = capsys.readouterr().out
    for word in ("LinearSVM", "Softmax", "hue", "hog", "words", "hue+hog+words"):
        assert word in output
    assert "51 found, 51 ok, 0 failed" in output
    assert str(run_folder / "metrics.json") in output
    metrics = json.loads((run_folder / "metrics.json").read_bytes())
    assert f"{metrics['classifiers']['Softmax']['test_accuracy']:.4f}" in output


def test_stages_are_commands(run_folder, crops, test_crops, tmp_path, capsys):
    options = ("--words", 8, "--cache", run_folder / "cache")
    assert call("extract", crops, "--test", test_crops, "--out", tmp_path, *options) == 0
    assert call("train", tmp_path, "--alpha", 0.2) == 0
    assert call("evaluate", tmp_path) == 0
    assert "Softmax" in capsys.readouterr().out
    metrics = json.loads((tmp_path / "metrics.json").read_bytes())
    assert metrics["images"]["decoded"] == 0, "the store was shared"
    assert metrics["classifiers"]["LinearSVM"]["alpha"] == 0.2


def test_predict_prints_class_and_probability_for_each(run_folder, test_crops, capsys):
    with (run_folder / "predictions.csv").open() as file:
        expected = {row["path"]: row["Softmax"] for row in csv.DictReader(file)}
    images = [test_crops / name for name in expected]
    assert call("predict", run_folder, *images) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in lines] == [str(image) for image in images]
    assert [line[1] for line in lines] == list(expected.values())
    assert all(1 / 3 < float(line[2]) <= 1 for line in lines)


def test_images_that_are_in_both_splits_are_told(crops, tmp_path, capsys):
    assert call("extract", crops, "--test", crops, "--out", tmp_path, "--words", 8) == 0
    assert "36 images are both in the training and in the test set" in capsys.readouterr().out
    metrics = json.loads((tmp_path / "metrics.json").read_bytes())
    assert metrics["images"]["in_train_and_test"] == 36


def test_other_test_images_are_counted_and_told_of(run_folder, crops, tmp_path, capsys):
    folder = shutil.copytree(run_folder, tmp_path / "run")
    assert call("evaluate", folder, "--test", crops) == 0
    output = capsys.readouterr().out
    assert "72 found, 72 ok, 0 failed" in output
    assert "36 images are both in the training and in the test set" in output


def test_evaluation_names_no_store_but_that_of_other_test_images(run_folder, tmp_path, capsys):
    folder = shutil.copytree(run_folder, tmp_path / "run")
    assert call("evaluate", folder) == 0
    output = capsys.readouterr().out
    assert str(folder / "models") in output
    assert str(folder / "cache") not in output
    assert call("evaluate", folder, "--cache", tmp_path / "store") == 2
    assert "is for the matrices of --test" in capsys.readouterr().err


def test_extraction_tells_which_results_it_removes(run_folder, crops, test_crops, tmp_path, capsys):
    folder = shutil.copytree(run_folder, tmp_path / "run")
    arguments = ("extract", crops, "--test", test_crops, "--out", folder, "--words", 8)
    assert call(*arguments) == 0
    assert "removed" not in capsys.readouterr().out
    assert call(*arguments, "--seed", 1) == 0
    (line,) = [x for x in capsys.readouterr().out.splitlines() if x.startswith("removed")]
    assert "Softmax-hue+hog+words.npz" in line
    assert "predictions.csv" in line


def test_predict_names_what_it_cannot_read_and_does_the_rest(run_folder, test_crops, capsys):
    good = test_crops / "rocket" / "00.jpg"
    assert call("predict", run_folder, "nowhere.png", good) == 1
    captured = capsys.readouterr()
    assert captured.out.startswith(str(good))
    assert "error: nowhere.png: cannot be read: No such file" in captured.err


def test_a_decoder_has_no_say_of_its_own_on_the_screen(run_folder, tmp_path):
    Image.fromarray(np.zeros((40, 40), np.uint8)).save(tmp_path / "cut.tif")
    data = (tmp_path / "cut.tif").read_bytes()
    (tmp_path / "cut.tif").write_bytes(data[:-10])
    cv2.imwrite(str(tmp_path / "bad.tif"), np.zeros((40, 40, 3), np.uint16))  # OpenCV decodes it
    data = (tmp_path / "bad.tif").read_bytes()
    (tmp_path / "bad.tif").write_bytes(data[:8] + bytes([255] * 20) + data[28:])
    command = [sys.executable, "-m", "visualwords.pipeline", "predict", str(run_folder)]
    result = subprocess.run(
        [*command, "cut.tif", "bad.tif"], capture_output=True, text=True, cwd=tmp_path
    )
    assert result.returncode == 1
    first, second = result.stderr.splitlines()
    assert first.startswith("error: cut.tif: damaged")
    assert second.startswith("error: bad.tif: damaged")


def test_a_warning_is_a_line_that_names_the_model(run_folder, tmp_path):
    folder = shutil.copytree(run_folder, tmp_path / "run")
    command = [sys.executable, "-m", "visualwords.pipeline", "train", str(folder)]
    result = subprocess.run([*command, "--alpha", "1e-7"], capture_output=True, text=True)
    assert result.returncode == 0
    first, *others = result.stderr.splitlines()
    assert first.startswith("warning: Softmax-hog: PrimalDual stopped after max_iter=1000")
    for line in others:
        assert line.startswith("warning: Softmax-hue+hog+words: PrimalDual stopped after")


def test_names_that_are_not_utf_8_are_printed_byte_by_byte(run_folder, test_crops, tmp_path):
    name = os.fsdecode(b"caf\xe9.jpg")
    shutil.copy(test_crops / "rocket" / "00.jpg", tmp_path / name)
    result = subprocess.run(
        [sys.executable, "-m", "visualwords.pipeline", "predict", str(run_folder), name],
        capture_output=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONIOENCODING": "utf-8:strict"},
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(b"caf\xe9.jpg\trocket\t")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "nowhere", "--out", "OUT"), "expected a folder with one folder per class"),
        (("train", "OUT"), "no such file"),
        (("predict", "OUT", "x.png"), "is OUT the folder of a finished run?"),
        (("run", "CROPS", "--test-size", "0.001", "--out", "OUT"), "cannot hold out 0.001"),
    ],
)
def test_errors_are_one_line_and_the_exit_code_is_1(
    crops, tmp_path, capsys, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    arguments = [str(crops) if argument == "CROPS" else argument for argument in arguments]
    assert call(*arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1


def test_names_are_printed_as_they_are(crops, test_crops, tmp_path, capsys):
    folder = tmp_path / "[red] [/b] :cat: {x}"
    arguments = ("--test", test_crops, "--out", folder, "--words", 8, "--jobs", 1)
    assert call("run", crops, *arguments) == 0
    assert f"models     {folder}/models" in capsys.readouterr().out
    assert call("predict", folder, folder / "none.jpg") == 1
    assert f"error: {folder}/none.jpg: cannot be read" in capsys.readouterr().err


def test_an_error_of_the_system_names_the_file(crops, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert call("run", crops, "--out", tmp_path / "file") == 1
    assert capsys.readouterr().err == f"error: {tmp_path / 'file'}: File exists\n"


def test_wrong_usage_is_told_apart(capsys):
    assert call("run") == 2
    assert call("nonsense") == 2
    assert call("train", "OUT", "--jobs", 0) == 2
    assert "--jobs" in capsys.readouterr().err
    assert call("run", "TRAIN", "--out", "OUT", "--seed", 2**32) == 2
    assert "Usage" in capsys.readouterr().err
    for option, value in (("--hue-bins", 4097), ("--image-size", 100_000)):
        assert call("run", "TRAIN", "--out", "OUT", option, value) == 2
        assert option in capsys.readouterr().err


def test_version(capsys):
    import visualwords

    assert call("--version") == 0
    assert capsys.readouterr().out.strip() == visualwords.__version__


def test_python_dash_m_is_the_command():
    command = [sys.executable, "-m", "visualwords.pipeline", "--help"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for name in ("demo", "run", "extract", "train", "evaluate", "predict"):
        assert name in output
