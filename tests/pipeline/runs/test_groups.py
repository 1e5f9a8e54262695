"""Images of one group, such as of one animal, stay on one side of a split and in one fold."""

import json

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from visualwords.classifiers import SoftmaxCV
from visualwords.pipeline.cli import main
from visualwords.pipeline.recipe import Recipe
from visualwords.pipeline.run import Run
from visualwords.tests.pipeline.runs.helpers import open_run, recipe


@pytest.fixture
def manifest(crops, tmp_path):
    """A function that writes a manifest of the crops, with the group that a function gives."""

    def write(group_of, column="group", extra=""):
        files = sorted(crops.rglob("*.*"))
        rows = [f"{f},{f.parent.name},{group_of(n)}" for n, f in enumerate(files)]
        file = tmp_path / "images.csv"
        file.write_text("\n".join([f"path,label,{column}", *rows, extra]))
        return file

    return write


def split_of_each(run):
    table = run.images.select(["path", "group", "split"]).to_pylist()
    return {row["path"]: (row["group"], row["split"]) for row in table}


def test_a_group_is_on_one_side_and_stays_there(manifest, crops, test_crops, tmp_path):
    asked = recipe("test_size=0.5").with_features(["hue"])
    run = open_run(tmp_path / "run")
    run.extract(manifest(lambda n: n % 9), None, asked)
    before = split_of_each(run)
    splits = {split for _, split in before.values()}
    assert splits == {"train", "test"}
    assert len(set(before.values())) == 9  # each group has one split
    assert run.metrics["images"]["groups_in_train_and_test"] == 0
    new = enumerate(sorted((test_crops / "rocket").iterdir()))
    more = [f"{file},rocket,{group}" for group, file in new]
    run = open_run(tmp_path / "run")
    run.extract(manifest(lambda n: n % 9, extra="\n".join([*more, ""])), None, asked)
    after = split_of_each(run)
    assert before.items() <= after.items()
    assert len(after) == len(before) + 5
    assert len(set(after.values())) == 9


def test_an_image_without_a_group_is_held_out_as_if_there_were_none(manifest, tmp_path):
    asked = recipe("test_size=0.5").with_features(["hue"])
    sides = []
    for name, group_of in (("a", lambda n: ""), ("b", lambda n: "x" if n < 9 else "")):
        run = open_run(tmp_path / name)
        run.extract(manifest(group_of), None, asked)
        sides.append(run.images["split"].to_pylist())
    assert sides[0][9:] == sides[1][9:]
    assert len(set(sides[1][:9])) == 1 < len(set(sides[0][:9]))
    numbers = run.groups()
    assert len(set(numbers[:9])) == 1
    assert len(set(numbers)) == len(numbers) - 8
    assert Run.open(tmp_path / "a").groups() is None
    assert "group" not in Run.open(tmp_path / "a").images.column_names


def test_the_search_for_a_penalty_keeps_groups_in_one_fold(manifest, tmp_path):
    asked = Recipe(
        {"hue": recipe().features["hue"]}, {"Softmax": SoftmaxCV([0.01, 10.0], cv=3)}, test_size=0.4
    )
    run = open_run(tmp_path / "run")
    file = manifest(lambda n: f"animal {n % 9}", column="animal")
    run.run(file, None, asked, group_column="animal")
    X, y, groups = run.matrix("hue", split="train")[:], run.labels("train"), run.groups("train")
    found = run._models.load()["Softmax-hue"]
    expected = SoftmaxCV([0.01, 10.0], cv=3).fit(X, y, groups=groups)
    assert_array_equal(found.scores_, expected.scores_)
    assert not np.array_equal(found.scores_, SoftmaxCV([0.01, 10.0], cv=3).fit(X, y).scores_)


def test_other_groups_train_the_classifiers_anew(manifest, crops, test_crops, tmp_path):
    asked = recipe().with_features(["hue"])
    for n_groups, trained in ((6, 2), (6, 0), (7, 2)):
        run = open_run(tmp_path / "run")
        file = manifest(lambda n, n_groups=n_groups: n % n_groups)
        run.run(file, test_crops, asked)
        assert len(run.metrics["trained"]) == trained


def test_groups_on_both_sides_of_a_given_split_are_told(crops, tmp_path, capsys):
    files = sorted(crops.rglob("*.*"))
    lines = ["path,label,split,animal"]
    for number, file in enumerate(files):
        split = "test" if number % 3 else "train"
        lines.append(f"{file},{file.parent.name},{split},{number // 3}")
    (tmp_path / "m.csv").write_text("\n".join(lines))
    command = ["extract", str(tmp_path / "m.csv"), "--out", str(tmp_path / "run")]
    command += ["--features", "hue", "--group-column", "animal"]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "warning    12 groups have images both in the training and in the test set" in printed
    assert "12 train, 24 test (12 groups)" in printed
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["images"]["groups_in_train_and_test"] == 12


def test_too_few_groups_are_told_before_an_image_is_described(manifest, test_crops, tmp_path):
    asked = Recipe({"hue": recipe().features["hue"]}, {"Search": SoftmaxCV(cv=5)})
    run = open_run(tmp_path / "run")
    with pytest.raises(ValueError, match="Search: cv=5: 5 folds need 5 groups, got 4; take fewer"):
        run.run(manifest(lambda n: n % 4), test_crops, asked)
    assert not list((tmp_path / "run" / "store").glob("hue*"))
