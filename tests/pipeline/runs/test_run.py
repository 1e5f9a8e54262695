"""A run: images in; matrices, classifiers and scores out."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, classification_report

from visualwords.classifiers import expected_calibration_error
from visualwords.pipeline.job import Options
from visualwords.pipeline.persist import load_estimator
from visualwords.pipeline.progress import Progress
from visualwords.pipeline.run import Run
from visualwords.pipeline.sources import SourceError
from visualwords.tests.pipeline.runs.helpers import (
    models_of,
    open_run,
    recipe,
    rows_of,
    scores_of,
    write_manifest,
)


def test_metrics(original):
    metrics = json.loads((original / "metrics.json").read_bytes())
    images = metrics["images"]
    assert (images["found"], images["ok"], images["failed"]) == (51, 51, 0)
    assert images["decoded"] >= 51
    assert set(metrics["classifiers"]) == {"LinearSVM", "Softmax"}
    for scores in metrics["classifiers"].values():
        assert scores["test_accuracy"] == scores["by_features"]["hue+hog+words"]
        assert scores["test_accuracy"] > 0.5
        assert np.sum(scores["confusion"]) == 15
        assert scores["test_accuracy"] == pytest.approx(np.trace(scores["confusion"]) / 15)
        assert np.mean(list(scores["recall"].values())) == pytest.approx(scores["test_accuracy"])
    assert {"scan", "learn", "extract", "train", "evaluate"} <= set(metrics["seconds"])
    assert 50 < metrics["peak_rss_mb"] < 50_000


def test_what_python_sees_of_a_run(original):
    run = Run.open(original)
    assert run.features == ["hue", "hog", "words"]
    X, y = run.matrix(["hue", "hog"], split="train"), run.labels("train")
    assert X.shape == (36, 3 + 36)
    assert sorted(set(y)) == ["brick", "coffee", "rocket"]
    assert [path.split("/")[0] for path in run.paths("train")] == y.tolist()
    assert run.matrix("words", split="test").shape == (15, 3)
    with pytest.raises(ValueError, match=r"no split 'tests' \(there are train, test\)"):
        run.labels("tests")
    with pytest.raises(ValueError, match="top must be a whole number of at least 1, got 0"):
        list(run.predict([str(original / "no.jpg")], top=0))
    with pytest.raises(ValueError, match="min_probability: expected 0 to 1, got 90"):
        list(run.predict([str(original / "no.jpg")], min_probability=90))
    assert run.images.num_rows == 51
    written = json.loads((original / "metrics.json").read_text())
    assert run.metrics["classifiers"] == written["classifiers"]


def test_a_notebook_shows_the_scores_of_a_run(original):
    shown = Run.open(original)._repr_html_()
    for name, scores in json.loads((original / "metrics.json").read_text())["classifiers"].items():
        assert f"<th>{name}</th>" in shown
        for features, accuracy in scores["by_features"].items():
            assert f"<td>{features}</td>" in shown
            assert f"<td>{accuracy:.4f}</td>" in shown


def test_predictions_agree_with_the_table_and_the_scores(original, test_crops):
    table = {row["path"]: row for row in rows_of(original / "predictions.csv")}
    for name, confusion in scores_of(original).items():
        assert sum(row["label"] == row[name] for row in table.values()) == np.trace(confusion)
    images = [str(test_crops / path) for path in table]
    assert "LinearSVM_probability" not in next(iter(table.values()))
    for prediction, row in zip(Run(original).predict(images, top=3), table.values(), strict=True):
        assert prediction.labels[0] == row["Softmax"]
        sure = float(row["Softmax_probability"])
        assert sure == pytest.approx(prediction.probabilities[0], abs=5.1e-5)
        assert sum(prediction.probabilities) == pytest.approx(1)
        assert list(prediction.probabilities) == sorted(prediction.probabilities, reverse=True)


def test_scores_of_classes_are_those_of_scikit_learn(original):
    rows = rows_of(original / "predictions.csv")
    labels, predicted = ([row[name] for row in rows] for name in ("label", "Softmax"))
    expected = classification_report(labels, predicted, output_dict=True, zero_division=np.nan)
    metrics = json.loads((original / "metrics.json").read_bytes())["classifiers"]["Softmax"]
    for ours, theirs in (("precision", "precision"), ("recall", "recall"), ("f1", "f1-score")):
        for name, value in metrics[ours].items():
            found = np.nan if value is None else value
            assert expected[name][theirs] == pytest.approx(found, nan_ok=True)
    assert metrics["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(labels, predicted))
    assert metrics["macro_f1"] == pytest.approx(expected["macro avg"]["f1-score"])


def test_a_second_run_decodes_nothing_and_trains_nothing(crops, test_crops, folder):
    before = models_of(folder), scores_of(folder)
    (folder / "report.html").write_text("a report of before")
    run = open_run(folder)
    metrics = run.run(crops, test_crops, recipe())
    assert run.has_report
    assert metrics["images"]["decoded"] == 0
    assert not {"train", "evaluate"} & set(run.options.progress.seconds)
    assert (models_of(folder), scores_of(folder)) == before


def test_predictions_that_are_damaged_are_made_again(crops, test_crops, folder):
    file = folder / "predictions.csv"
    before = file.read_bytes()
    file.write_bytes(before.replace(b"brick", b"stone"))
    (folder / "report.html").write_text("a report of before")
    run = open_run(folder)
    run.run(crops, test_crops, recipe())
    assert file.read_bytes() == before
    assert not run.has_report


def test_stages_alone_do_what_run_does(crops, test_crops, original, tmp_path):
    open_run(tmp_path / "run").extract(crops, test_crops, recipe())
    Run.open(tmp_path / "run", Options(n_jobs=1)).train()
    Run.open(tmp_path / "run", Options(n_jobs=1)).evaluate()
    assert models_of(tmp_path / "run") == models_of(original)
    assert scores_of(tmp_path / "run") == scores_of(original)


def test_training_and_evaluation_need_no_images_and_the_folder_may_move(crops, tmp_path):
    images = shutil.copytree(crops, tmp_path / "images")
    open_run(tmp_path / "run").extract(images, None, recipe("test_size=0.25"))
    images.rename(tmp_path / "gone")
    (tmp_path / "run").rename(tmp_path / "moved")
    run = open_run(tmp_path / "moved")
    run.train(recipe("LinearSVM.alpha=0.25"))
    metrics = run.evaluate()
    assert metrics["classifiers"]["LinearSVM"]["alpha"] == 0.25
    n_test = len(run.labels("test"))
    assert np.sum(metrics["classifiers"]["Softmax"]["confusion"]) == n_test > 0


def test_columns_of_train_and_test_manifests_are_named_once(crops, test_crops, tmp_path):
    for name, images in (("a", crops), ("b", test_crops)):
        files = sorted(images.rglob("*.*"))
        rows = [f"{file},{file.parent.name}" for file in files]
        (tmp_path / f"{name}.csv").write_text("\n".join(["file,species", *rows]))
    columns = {"path_column": "file", "label_column": "species"}
    for train, test in (("a.csv", "b.csv"), (crops, "b.csv"), ("a.csv", test_crops)):
        places = [p if isinstance(p, Path) else tmp_path / p for p in (train, test)]
        run = open_run(tmp_path / "run")
        run.extract(*places, recipe().with_features(["hue"]), **columns)
        assert (len(run.labels("train")), len(run.labels("test"))) == (36, 15)


def test_added_images_never_change_the_split_of_others(crops, test_crops, tmp_path):
    images = shutil.copytree(crops, tmp_path / "images")
    run = open_run(tmp_path / "run")
    run.extract(images, None, recipe("test_size=0.4"))
    before = dict(zip(run.images["path"].to_pylist(), run.images["split"].to_pylist(), strict=True))
    for file in (test_crops / "rocket").iterdir():
        shutil.copy(file, images / "rocket" / f"new-{file.name}")
    run = open_run(tmp_path / "run")
    run.extract(images, None, recipe("test_size=0.4"))
    after = dict(zip(run.images["path"].to_pylist(), run.images["split"].to_pylist(), strict=True))
    assert before.items() <= after.items()
    assert len(after) == len(before) + 5
    assert set(before.values()) == {"train", "test"}


def test_other_test_images_are_described_by_the_features_of_the_run(test_crops, folder, tmp_path):
    expected = scores_of(folder)
    images = shutil.copytree(test_crops, tmp_path / "other")
    run = open_run(folder)
    metrics = run.evaluate(images)
    (other,) = metrics["other_tests"].values()
    assert {name: scores["confusion"] for name, scores in other.items()} == expected
    assert "learn" not in run.options.progress.seconds


def test_other_test_images_are_scored_beside_those_of_the_run(crops, test_crops, folder):
    before = scores_of(folder)
    metrics = open_run(folder).evaluate(crops)
    (other,) = metrics["other_tests"].values()
    assert np.sum(other["Softmax"]["confusion"]) == 36
    trained = metrics["classifiers"]["Softmax"]["train_accuracy"]
    assert other["Softmax"]["test_accuracy"] == trained
    assert scores_of(folder) == before
    assert len(rows_of(folder / "predictions.csv")) == 15
    assert (
        open_run(folder).run(crops, test_crops, recipe())["other_tests"] == metrics["other_tests"]
    )
    run = open_run(folder)
    run.train(recipe("Softmax.alpha=0.5"))
    assert "other_tests" not in run.evaluate()  # they were scores of other models


def test_other_images_of_an_unknown_class_are_refused(crops, folder, tmp_path):
    images = shutil.copytree(crops, tmp_path / "images")
    (images / "brick").rename(images / "stone")
    with pytest.raises(SourceError, match="class 'stone' is not among the training classes"):
        open_run(folder).evaluate(images)


def test_other_settings_leave_no_models_and_no_scores(crops, test_crops, folder):
    open_run(folder).extract(crops, test_crops, recipe("hue.n_bins=4"))
    assert scores_of(folder) == {}
    assert not (folder / "predictions.csv").exists()
    image = str(test_crops / "rocket/00.jpg")
    for command in (open_run(folder).evaluate, lambda: list(Run(folder).predict([image]))):
        with pytest.raises(ValueError, match=r"models\.json: no such file; `visualwords train`"):
            command()


def test_training_with_another_penalty_leaves_no_old_scores(folder):
    run = open_run(folder)
    run.train(recipe("Softmax.alpha=0.5"))
    assert scores_of(folder) == {}
    assert not (folder / "predictions.csv").exists()
    assert run.evaluate()["classifiers"]["Softmax"]["alpha"] == 0.5


def test_only_a_classifier_that_changed_is_trained(folder):
    before, models = scores_of(folder), models_of(folder)
    seconds = Run.open(folder).metrics["classifiers"]["LinearSVM"]["fit_seconds"]
    run = open_run(folder)
    run.train(recipe("Softmax.alpha=0.5"))
    changed = {name for name, data in models_of(folder).items() if data != models[name]}
    assert changed == {name for name in models if name.startswith("Softmax-")}
    metrics = run.evaluate()["classifiers"]
    assert metrics["LinearSVM"]["fit_seconds"] == seconds
    assert metrics["LinearSVM"]["confusion"] == before["LinearSVM"]
    assert metrics["Softmax"]["alpha"] == 0.5


def test_it_is_told_what_was_trained_and_what_was_kept(folder, crops, test_crops, tmp_path):
    both, log = ["LinearSVM", "Softmax"], tmp_path / "log"
    told = []
    for settings in ((), ("Softmax.alpha=0.5",), ("Softmax.alpha=0.5",)):
        run = Run(folder, options=Options(n_jobs=1, progress=Progress(log=log)))
        metrics = run.run(crops, test_crops, recipe(*settings))
        assert Run.open(folder).metrics["kept"] == metrics["kept"]
        told.append((metrics["trained"], metrics["kept"]))
    assert told == [([], both), (["Softmax"], ["LinearSVM"]), ([], both)]
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    said = [
        (x["stage"], x["summary"]) for x in lines if x["stage"] in ("train", "kept") and x["ended"]
    ]
    n_train = len(run.labels("train"))
    assert said == [
        ("train", "nothing new"),
        ("train", f"4 models on {n_train} images"),
        ("kept", "LinearSVM (same rows, labels, options)"),
        ("train", "nothing new"),
    ]


def test_other_test_images_leave_the_models(folder, crops, test_crops, tmp_path):
    fewer = shutil.copytree(test_crops, tmp_path / "fewer")
    (fewer / "rocket/00.jpg").unlink()
    models = models_of(folder)
    run = open_run(folder)
    metrics = run.run(crops, fewer, recipe())
    assert "train" not in run.options.progress.seconds
    assert (metrics["trained"], metrics["kept"]) == ([], ["LinearSVM", "Softmax"])
    assert models_of(folder) == models
    fresh = open_run(tmp_path / "fresh", store=folder / "store")
    fresh.run(crops, fewer, recipe())
    assert models_of(fresh.folder) == models
    assert scores_of(folder) == scores_of(fresh.folder)
    assert (folder / "predictions.csv").read_bytes() == (
        fresh.folder / "predictions.csv"
    ).read_bytes()
    assert len(list(Run.open(folder).predict(fewer))) == 14


@pytest.mark.parametrize("change", ["label", "image", "seed", "feature"])
def test_what_a_model_learns_from_trains_it_anew(crops, test_crops, tmp_path, change):
    images = shutil.copytree(crops, tmp_path / "images")
    table, settings = tmp_path / "table.csv", ["hue.n_bins=4"]
    run = open_run(tmp_path / "run")
    write_manifest(table, images, lambda image: "train" if image.stem > "03" else "test")
    run.run(table, None, recipe(*settings))
    if change == "label":
        table.write_text(table.read_text().replace("05.png,brick", "05.png,coffee"))
    elif change == "image":
        shutil.copy(test_crops / "brick/01.png", images / "brick/05.png")
    elif change == "feature":
        settings = ["hue.n_bins=5"]
    else:
        settings = [*settings, "seed=1"]  # the vocabulary begins with other words
    metrics = run.run(table, None, recipe(*settings))
    assert (metrics["trained"], metrics["kept"]) == (["LinearSVM", "Softmax"], [])
    fresh = open_run(tmp_path / "fresh", store=tmp_path / "run/store")
    fresh.run(table, None, recipe(*settings))
    assert models_of(fresh.folder) == models_of(run.folder)
    assert scores_of(fresh.folder) == scores_of(run.folder)


def test_a_classifier_that_is_left_out_leaves_the_models_of_the_others(folder):
    run, models = open_run(folder), models_of(folder)
    one = replace(recipe(), classifiers={"LinearSVM": recipe().classifiers["LinearSVM"]})
    run.train(one)
    assert list(run.evaluate()["classifiers"]) == ["LinearSVM"]
    others = {name for name in models if name.startswith("Softmax-")}
    assert models_of(folder) == {n: data for n, data in models.items() if n not in others}


def test_another_order_of_the_classifiers_trains_none_and_is_kept(folder, crops, test_crops):
    models, parts = models_of(folder), recipe().classifiers
    other = replace(recipe(), classifiers=dict(reversed(parts.items())))
    run = open_run(folder)
    run.run(crops, test_crops, other)
    assert models_of(folder) == models
    assert "train" not in run.options.progress.seconds
    assert list(run.metrics["classifiers"]) == list(Run.open(folder).train()["classifiers"])
    assert list(run.metrics["classifiers"]) == ["Softmax", "LinearSVM"]


def test_training_leaves_the_limits_of_the_images_as_they_are(folder, test_crops):
    image = next(test_crops.rglob("*.*"))
    (before,) = open_run(folder).predict([image])
    open_run(folder).train(replace(recipe("LinearSVM.alpha=0.7"), max_side=20))
    assert list(open_run(folder).predict([image])) == [before]


def test_a_damaged_model_leaves_those_of_other_classifiers(folder, tmp_path):
    sound, log = models_of(folder), tmp_path / "log"
    (folder / "models/LinearSVM-hue.npz").unlink()
    Run.open(folder, Options(n_jobs=1, progress=Progress(log=log))).train()
    assert models_of(folder) == sound
    lines = map(json.loads, log.read_text().splitlines())
    ended, kept = (line for line in lines if line["ended"])
    assert (ended["stage"], kept["stage"]) == ("train", "kept")
    assert ended["done"] == len([name for name in sound if name.startswith("LinearSVM-")])


def test_a_damaged_model_is_trained_again_beside_one_that_changed(folder):
    sound = models_of(folder)
    file = folder / "models/LinearSVM-hue.npz"
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    open_run(folder).train(recipe("Softmax.alpha=0.5"))
    assert file.read_bytes() == sound[file.name]


def test_a_penalty_for_each_feature_serves_all_sets_of_features(folder):
    run, alphas = open_run(folder), dict.fromkeys(Run.open(folder).features, 0.1)
    one = run.train(recipe("Softmax.alpha=0.1")) and run.evaluate()["classifiers"]["Softmax"]
    run.train(recipe(f"Softmax.alpha={json.dumps(alphas)}"))
    same = run.evaluate()["classifiers"]["Softmax"]
    assert same["alpha"] == alphas
    assert same["by_features"] == one["by_features"]
    assert same["confusion"] == one["confusion"]


def test_a_command_that_fails_leaves_all_as_it_was(folder):
    before = models_of(folder), scores_of(folder)
    with pytest.raises(ValueError, match="alpha"):
        open_run(folder).train(recipe("Softmax.alpha=-1"))
    assert (models_of(folder), scores_of(folder)) == before


def test_a_run_that_lacks_no_row_writes_nothing_to_its_store(crops, test_crops, tmp_path):
    store = tmp_path / "store"  # which may be one that others look after
    first = open_run(tmp_path / "first", store=store)
    first.run(crops, test_crops, recipe())
    before = {path: path.stat().st_mtime_ns for path in [store, *store.rglob("*")]}
    second = open_run(tmp_path / "second", store=store)
    second.run(crops, test_crops, recipe())
    assert {path: path.stat().st_mtime_ns for path in [store, *store.rglob("*")]} == before
    assert scores_of(second.folder) == scores_of(first.folder)


def test_a_manifest_with_splits_keeps_all_of_them(crops, tmp_path):
    names = {"09": "val", "10": "test", "11": "test"}
    manifest = write_manifest(tmp_path / "a.csv", crops, lambda f: names.get(f.stem, "train"))
    run = open_run(tmp_path / "run")
    metrics = run.run(manifest, None, recipe())
    assert np.sum(metrics["classifiers"]["Softmax"]["confusion"]) == 6
    assert run.matrix("hue", split="val").shape == (3, 3)
    assert len(run.labels("train")) == 27


def test_calibrated_classifiers_report_the_error_of_their_probabilities(folder):
    run = open_run(folder)
    run.train(recipe("LinearSVM.kind=LinearSVMCV", "LinearSVM.calibrate=true", "LinearSVM.cv=2"))
    scores = run.evaluate()["classifiers"]
    predicted = rows_of(folder / "predictions.csv")
    labels = [row["label"] for row in predicted]
    for name in ("LinearSVM", "Softmax"):
        model = load_estimator(folder / f"models/{name}-hue+hog+words.npz")
        probabilities = model.predict_proba(run.matrix(split="test"))
        expected = expected_calibration_error(labels, probabilities, model.classes_)
        assert scores[name]["calibration_error"] == pytest.approx(expected)
    assert expected > 0
