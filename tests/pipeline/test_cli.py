"""The commands as a user types them: exit codes, standard output, standard error."""

import csv
import json
import os
import shutil
import subprocess
import sys
import tomllib

import cv2
import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from PIL import Image
from scipy.stats import binomtest

from visualwords.classifiers import LinearSVM, Softmax
from visualwords.pipeline.cli import main

WORDS = ("--set", "words.n_words=8")


def call(*arguments) -> int:
    """Exit code of a command, as the shell would see it."""
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as stop:
        return int(stop.code or 0)


@pytest.fixture(scope="module")
def run_folder(crops, test_crops, tmp_path_factory):
    """A whole run; read-only."""
    folder = tmp_path_factory.mktemp("cli") / "run"
    assert (
        call(
            "run", crops, "--no-report", "--test", test_crops, "--out", folder, *WORDS, "--jobs", 2
        )
        == 0
    )
    return folder


@pytest.fixture
def folder(run_folder, tmp_path):
    """A copy of a run that a test may change."""
    return shutil.copytree(run_folder, tmp_path / "run")


def test_run_prints_a_table_and_where_the_files_lie(folder, crops, test_crops, capsys):
    assert call("run", crops, "--no-report", "--test", test_crops, "--out", folder, *WORDS) == 0
    output = capsys.readouterr().out
    for word in ("LinearSVM", "Softmax", "hue", "hog", "words", "hue+hog+words"):
        assert word in output
    assert "51 found, 51 ok, 0 failed" in output
    assert "nothing new: 0 images decoded" in output
    assert str(folder / "metrics.json") in output
    metrics = json.loads((folder / "metrics.json").read_bytes())
    assert f"{metrics['classifiers']['Softmax']['test_accuracy']:.4f}" in output
    right = np.trace(metrics["classifiers"]["Softmax"]["confusion"])
    interval = binomtest(right, 15).proportion_ci(0.95, method="wilson")
    assert "95 % interval on 15 test images: LinearSVM " in output
    assert f"Softmax {interval.low:.4f} to {interval.high:.4f}\n" in output
    assert "no test image" not in output


def test_scores_are_whole_on_a_screen_of_40_columns(folder, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "40")
    assert call("evaluate", folder) == 0
    lines = capsys.readouterr().out.split("metrics    ")[0].splitlines()
    metrics = json.loads((folder / "metrics.json").read_bytes())
    table = "\n".join(line for line in lines if line.startswith(("┏", "┃", "┡", "│", "└")))
    assert max(map(len, table.splitlines())) <= 40
    for scores in metrics["classifiers"].values():
        for accuracy in scores["by_features"].values():
            assert f" {accuracy:.4f} " in table


def test_help_names_the_penalty_and_its_default(capsys):
    assert call("run", "--help") == 0
    printed = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "penalty" in printed
    for model in (LinearSVM(), Softmax()):
        assert f"{type(model).__name__}.alpha={model.alpha}" in printed


def test_the_stages_share_a_store_and_make_the_same_run(
    run_folder, crops, test_crops, tmp_path, capsys
):
    options = (*WORDS, "--store", run_folder / "store", "--test", test_crops)
    assert call("extract", crops, "--out", tmp_path, *options, "--json") == 0
    counts = json.loads(capsys.readouterr().out)["images"]
    assert (counts["found"], counts["ok"], counts["decoded"]) == (51, 51, 0)
    assert call("train", tmp_path) == 0
    assert call("evaluate", tmp_path) == 0
    assert "Softmax" in capsys.readouterr().out
    expected, found = (f / "predictions.csv" for f in (run_folder, tmp_path))
    assert found.read_bytes() == expected.read_bytes()


def test_train_takes_other_parameters_of_classifiers(folder):
    assert call("train", folder, "--set", "LinearSVM.alpha=0.2") == 0
    metrics = json.loads((folder / "metrics.json").read_bytes())
    assert metrics["classifiers"]["LinearSVM"]["alpha"] == 0.2


def test_extract_without_labels_prints_the_object_that_scripts_read(crops, tmp_path, capsys):
    command = ("extract", crops / "brick", "--store", tmp_path, "--features", "hue,hog", "--json")
    assert call(*command) == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert captured.out.count("\n") == 1
    counts = {key: found["images"][key] for key in ("found", "ok", "failed", "decoded")}
    assert counts == {"found": 12, "ok": 12, "failed": 0, "decoded": 12}
    assert found["computed"] == {"hue": 12, "hog": 12}
    assert call(*command) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["images"]["decoded"] == 0
    assert found["computed"] == {"hue": 0, "hog": 0}


def test_run_and_evaluate_print_their_metrics_as_json(folder, crops, test_crops, capsys):
    command = ("run", crops, "--no-report", "--test", test_crops, "--out", folder, *WORDS, "--json")
    assert call(*command) == 0
    metrics = json.loads((folder / "metrics.json").read_bytes())
    assert json.loads(capsys.readouterr().out)["classifiers"] == metrics["classifiers"]
    assert call("evaluate", folder, "--json") == 0
    assert json.loads(capsys.readouterr().out)["classifiers"] == metrics["classifiers"]


def test_predict_prints_class_and_probability_for_each(run_folder, test_crops, capsys):
    with (run_folder / "predictions.csv").open() as file:
        expected = {row["path"]: row["Softmax"] for row in csv.DictReader(file)}
    images = [test_crops / name for name in expected]
    assert call("predict", run_folder, *images) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in lines] == [str(image) for image in images]
    assert [line[1] for line in lines] == list(expected.values())
    assert all(1 / 3 < float(line[2]) <= 1 for line in lines)


def test_predict_gives_the_best_classes_as_lines_json_and_files(
    run_folder, test_crops, tmp_path, capsys
):
    image = test_crops / "rocket" / "00.jpg"
    assert call("predict", run_folder, image, "--top", 2) == 0
    name, first, p_first, second, p_second = capsys.readouterr().out.rstrip("\n").split("\t")
    assert name == str(image)
    assert first != second
    assert 1 >= float(p_first) >= float(p_second)
    assert call("predict", run_folder, image, "--top", 2, "--json") == 0
    line = json.loads(capsys.readouterr().out)
    assert line["image"] == str(image)
    assert list(line["classes"]) == [first, second]
    for file in (tmp_path / "out.csv", tmp_path / "out.parquet"):
        assert call("predict", run_folder, image, "--top", 2, "--out", file) == 0
    with (tmp_path / "out.csv").open() as text:
        (row,) = csv.DictReader(text)
    assert (row["image"], row["class1"], row["class2"]) == (str(image), first, second)
    (row,) = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert (row["class1"], row["failure"]) == (first, None)
    assert row["probability1"] == pytest.approx(float(p_first), abs=1e-4)


def test_predict_says_where_it_is_not_sure(run_folder, test_crops, capsys):
    assert call("predict", run_folder, test_crops) == 0
    all_lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    least = sorted(float(line[2]) for line in all_lines)[7] + 1e-4
    assert call("predict", run_folder, test_crops, "--min-probability", least) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [len(line) for line in lines].count(2) == 8
    for line, known in zip(lines, all_lines, strict=True):
        assert line == (known if float(known[2]) >= least else [known[0], "not sure"])
    options = ("--classifier", "LinearSVM", "--min-probability", 0.5)
    assert call("predict", run_folder, test_crops, *options) == 1
    assert "LinearSVM gives no probabilities; choose" in capsys.readouterr().err


def test_predict_takes_folders_and_another_classifier(run_folder, test_crops, capsys):
    with (run_folder / "predictions.csv").open() as file:
        expected = {row["path"]: row["LinearSVM"] for row in csv.DictReader(file)}
    assert call("predict", run_folder, test_crops, "--classifier", "LinearSVM") == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert lines == [[str(test_crops / name), label] for name, label in expected.items()]


def test_predictions_do_not_depend_on_what_is_predicted_beside(
    run_folder, test_crops, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("visualwords.pipeline.predict.IMAGES_AT_A_TIME", 4)
    images = sorted(test_crops.rglob("*.*"))
    (tmp_path / "bad.jpg").write_bytes(b"no image")
    images[6:6] = [tmp_path / "bad.jpg"]
    assert call("predict", run_folder, *images, "--json", "--jobs", 2) == 1
    together = capsys.readouterr().out.splitlines()
    for image, line in zip(images[:6] + images[7:], together, strict=True):
        assert json.loads(line)["image"] == str(image)
    assert call("predict", run_folder, images[9], "--json") == 0
    assert capsys.readouterr().out.splitlines() == [together[8]]


def test_predict_names_what_it_cannot_read_and_does_the_rest(run_folder, test_crops, capsys):
    good = test_crops / "rocket" / "00.jpg"
    assert call("predict", run_folder, "nowhere.png", good) == 1
    captured = capsys.readouterr()
    assert captured.out.startswith(str(good))
    assert "error: nowhere.png: cannot be read: No such file" in captured.err


def test_images_that_are_in_both_splits_are_told(crops, tmp_path, capsys):
    options = ("--features", "hue", "--out", tmp_path)
    assert call("extract", crops, "--test", crops, *options) == 0
    assert "36 images are both in the training and in the test set" in capsys.readouterr().out
    metrics = json.loads((tmp_path / "metrics.json").read_bytes())
    assert metrics["images"]["in_train_and_test"] == 36


def test_other_test_images_are_scored_beside_those_of_the_run(folder, crops, capsys):
    before = json.loads((folder / "metrics.json").read_bytes())
    assert call("evaluate", folder, "--test", crops) == 0
    assert "Softmax" in capsys.readouterr().out
    after = json.loads((folder / "metrics.json").read_bytes())
    assert after["classifiers"] == before["classifiers"]
    confusion = after["other_tests"][str(crops)]["Softmax"]["confusion"]
    assert np.sum(confusion) == 36


def test_a_decoder_does_not_write_on_the_screen(run_folder, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.zeros((40, 40), np.uint8)).save(tmp_path / "cut.tif")
    data = (tmp_path / "cut.tif").read_bytes()
    (tmp_path / "cut.tif").write_bytes(data[:-10])
    cv2.imwrite(str(tmp_path / "bad.tif"), np.zeros((40, 40, 3), np.uint16))
    data = (tmp_path / "bad.tif").read_bytes()
    (tmp_path / "bad.tif").write_bytes(data[:8] + bytes([255] * 20) + data[28:])
    assert call("predict", run_folder, "cut.tif", "bad.tif") == 1
    first, second = capfd.readouterr().err.splitlines()
    assert first.startswith("error: cut.tif: truncated TIFF")
    assert second.startswith("error: bad.tif: damaged")


@pytest.mark.filterwarnings("default")
def test_a_warning_is_a_line_that_names_the_model(crops, test_crops, tmp_path, capsys):
    job = ("run", crops, "--no-report", "--test", test_crops, "--out", tmp_path / "run")
    assert call(*job, "--features", "hue", "--jobs", 1, "--set", "LinearSVM.alpha=1e-14") == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: LinearSVM-hue: the default solver stopped at a duality gap of")


def test_names_that_are_not_utf_8_are_printed_byte_by_byte(
    run_folder, test_crops, tmp_path, monkeypatch, capfdbinary
):
    monkeypatch.chdir(tmp_path)
    name = os.fsdecode(b"caf\xe9.jpg")
    shutil.copy(test_crops / "rocket" / "00.jpg", tmp_path / name)
    assert call("predict", run_folder, name) == 0
    assert capfdbinary.readouterr().out.startswith(b"caf\xe9.jpg\trocket\t")


def test_names_are_printed_as_they_are(crops, test_crops, tmp_path, capsys):
    folder = tmp_path / "[red] [/b] :cat: {x}"
    arguments = ("--test", test_crops, "--out", folder, "--features", "hue", "--jobs", 1)
    assert call("run", crops, "--no-report", *arguments) == 0
    printed = capsys.readouterr().out
    assert f"models     {folder}/models" in printed
    error = json.loads((folder / "metrics.json").read_bytes())["classifiers"]["Softmax"]
    assert f"error of the probabilities: Softmax {error['calibration_error']:.4f}\n" in printed
    assert call("predict", folder, folder / "none.jpg") == 1
    assert f"error: {folder}/none.jpg: cannot be read" in capsys.readouterr().err


def test_init_writes_a_recipe_that_run_follows(crops, test_crops, tmp_path, capsys):
    file = tmp_path / "recipe.toml"
    assert call("init", file) == 0
    assert call("init", file) == 1, "a file is not replaced"
    file.write_text(file.read_text().replace("n_bins = 10", "n_bins = 12"))
    command = (
        "run",
        crops,
        "--no-report",
        "--test",
        test_crops,
        "--recipe",
        file,
        "--features",
        "hue",
    )
    assert call(*command, "--out", tmp_path / "run", "--set", "Softmax.kind=SoftmaxCV") == 0
    written = tomllib.loads((tmp_path / "run" / "recipe.toml").read_text())
    assert list(written["features"]) == ["hue"]
    assert written["features"]["hue"]["n_bins"] == 12
    assert written["classifiers"]["Softmax"]["kind"] == "SoftmaxCV"
    capsys.readouterr()
    command = (
        "run",
        crops,
        "--no-report",
        "--test",
        test_crops,
        "--recipe",
        tmp_path / "run" / "recipe.toml",
    )
    assert call(*command, "--out", tmp_path / "run") == 0
    out = capsys.readouterr().out
    assert [s for s in ("extract", "train", "evaluate") if f"{s:<10} nothing new" not in out] == []


def test_classes_of_the_user_take_part_in_a_run_and_are_started_by_no_file(
    crops, test_crops, tmp_path, capsys
):
    own = (
        *("--set", "fine.kind=visualwords.features:HueHistogram", "--set", "fine.n_bins=5"),
        *("--set", "ridge.kind=sklearn.linear_model:RidgeClassifier", "--features", "hue,fine"),
    )
    assert call("run", crops, "--no-report", "--test", test_crops, "--out", tmp_path, *own) == 0
    metrics = json.loads((tmp_path / "metrics.json").read_bytes())
    assert set(metrics["classifiers"]["ridge"]["by_features"]) == {"hue", "fine", "hue+fine"}
    capsys.readouterr()
    for command in ("train", "evaluate"):
        assert call(command, tmp_path) == 1
        assert "of your own" in capsys.readouterr().err


def test_store_commands(folder, tmp_path, capsys):
    store = folder / "store"
    assert call("store", "ls", store, "--json") == 0
    rows = {
        entry["folder"].rpartition("-")[0]: entry["rows"]
        for entry in json.loads(capsys.readouterr().out)
    }
    assert rows == {"hue": 51, "hog": 51, "words": 51, "perceptual-hash": 51}
    assert call("store", "verify", store) == 0
    assert call("store", "export", store, "hue", "--to", tmp_path / "hue.parquet") == 0
    assert pq.read_table(tmp_path / "hue.parquet").num_rows == 51
    shard = next(store.glob("hue-*/*.npy"))
    shard.write_bytes(shard.read_bytes()[:-1])
    capsys.readouterr()
    assert call("store", "verify", store) == 1
    assert shard.stem in capsys.readouterr().out
    assert call("store", "repair", store) == 0
    assert call("store", "repair", store) == 0
    assert "nothing is damaged" in capsys.readouterr().out
    assert call("store", "verify", store) == 0
    rows = sorted(store.glob("*-*/*.npy"))
    capsys.readouterr()
    assert call("store", "gc", store, "--max-size", "1", "--dry-run") == 0
    told = capsys.readouterr().out
    assert sorted(store.glob("*-*/*.npy")) == rows
    assert call("store", "gc", store, "--max-size", "1") == 0
    assert capsys.readouterr().out == told.replace("would remove", "removed   ")
    assert told.count("would remove") == 4
    assert not list(store.glob("*-*/*.npy"))


def test_a_part_names_its_own_table_of_failures(images, tmp_path, capsys):
    (images / "rocket" / "note.png").write_text("hello")
    shutil.copy(images / "rocket" / "00.jpg", images / "rocket" / "copy.jpg")
    command = ("extract", images, "--store", f"{tmp_path}/store/", "--features", "hue")
    assert call(*command, "--part", "2/2") == 0
    out = capsys.readouterr().out
    table = tmp_path / "store" / "images-2-of-2.parquet"
    assert f"1 failed (1 not an image); see {table}\n" in out
    assert "1 image is a copy of an earlier one\n" in out
    failed = pq.read_table(table).filter(pc.field("status") == "failed")
    assert failed["path"].to_pylist() == ["rocket/note.png"]
    assert call("why", tmp_path / "store", "hog") == 1
    assert "no feature 'hog'; there are hue, perceptual-hash\n" in capsys.readouterr().err
    assert call(*command) == 0
    assert f"see {tmp_path / 'store' / 'failures.csv'}\n" in capsys.readouterr().out


def test_plan_and_why(folder, crops, test_crops, capsys):
    store = folder / "store"
    assert call("plan", crops, "--store", store, "--set", "hue.n_bins=20", *WORDS) == 0
    lines = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines())
    assert lines["hue"] == "compute 36, 0 cached (n_bins: 10 before, 20 now)"
    assert lines["words"] == lines["perceptual-hash"] == "compute 0, 36 cached"
    assert call("plan", crops, "--out", folder, "--test", test_crops, *WORDS) == 0
    lines = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines())
    assert {lines[name] for name in ("hue", "words")} == {"compute 0, 51 cached"}
    options = ("--store", store, "--features", "hue", "--set", "hue.n_bins=20")
    assert call("extract", crops, *options) == 0
    capsys.readouterr()
    assert call("why", store, "hue") == 0
    newest, other = capsys.readouterr().out.splitlines()
    assert newest.endswith(": the newest")
    assert other.endswith(": n_bins: 10 before, 20 now")


def test_an_error_of_the_system_names_the_file(crops, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert call("run", crops, "--no-report", "--out", tmp_path / "file") == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: {tmp_path / 'file'}")
    assert error.count("\n") == 1


def test_wrong_usage_has_an_exit_code_of_its_own(capsys):
    assert call("run") == 2
    assert call("nonsense") == 2
    assert call("train", "OUT", "--jobs", 0) == 2
    assert "--jobs" in capsys.readouterr().err
    assert call("run", "TRAIN", "--out", "OUT", "--seed", 2**32) == 2
    assert "see `visualwords run --help`" in capsys.readouterr().err


def test_version(capsys):
    import visualwords

    assert call("--version") == 0
    assert capsys.readouterr().out.strip() == visualwords.__version__


def test_python_dash_m_is_the_command():
    command = [sys.executable, "-m", "visualwords", "--help"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for name in ("demo", "run", "extract", "plan", "why", "train", "evaluate", "predict", "store"):
        assert name in output
