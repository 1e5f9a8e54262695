"""What a job would compute, and why; how cached versions of a feature differ."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from visualwords.features import BagOfVisualWords, DensePatches
from visualwords.pipeline.job import Options, extract, extract_to_store
from visualwords.pipeline.planning import differences, plan_job
from visualwords.pipeline.recipe import Recipe
from visualwords.pipeline.run import Run

OPTIONS = Options(n_jobs=1)


def recipe(*settings):
    made = Recipe()
    for setting in ("words.n_words=3", "hog.image_size=[16,16]", *settings):
        made = made.with_setting(setting)
    return made


def planned(images, store, *settings):
    return {line.feature: line for line in plan_job(images, store, recipe(*settings), OPTIONS)}


@pytest.fixture(scope="module")
def original(crops, tmp_path_factory):
    """Images of two classes, one file that is none, and a store of them; read-only."""
    folder = tmp_path_factory.mktemp("planning")
    for name in ("brick", "rocket"):
        shutil.copytree(crops / name, folder / "images" / name)
    (folder / "images" / "brick" / "bad.jpg").write_bytes(b"no image")
    extract_to_store(folder / "images", folder / "store", recipe(), OPTIONS)
    return folder


@pytest.fixture
def folder(original, tmp_path):
    return shutil.copytree(original, tmp_path / "copy")


def test_an_empty_store_lacks_everything(original, tmp_path):
    plan = planned(original / "images", tmp_path / "store")
    for name in ("hue", "hog", "words"):
        assert (plan[name].missing, plan[name].cached, plan[name].failed) == (24, 0, 1)
        assert plan[name].why
    assert plan["words"].learns
    assert not plan["hue"].learns
    assert plan["hue"].text == "compute 24, 0 cached, 1 failed (no hue in the store)"
    assert not list((tmp_path / "store").glob("*-*/*.npy"))


def test_after_extraction_nothing_is_missing(original):
    for line in planned(original / "images", original / "store").values():
        assert (line.missing, line.cached, line.failed) == (0, 24, 1)
        assert line.text == "compute 0, 24 cached, 1 failed"


def test_one_parameter_changes_one_feature(original):
    plan = planned(original / "images", original / "store", "hue.n_bins=20")
    assert plan["hue"].missing == 24
    assert plan["hue"].why == "n_bins: 10 before, 20 now"
    assert plan["hog"].missing == plan["words"].missing == 0


def test_a_plan_is_what_extraction_does(folder, crops):
    for file in (crops / "coffee").iterdir():
        shutil.copy(file, folder / "images" / "brick" / f"more-{file.name}")
    plan = planned(folder / "images", folder / "store", "hue.n_bins=20")
    shutil.copy(crops / "coffee" / "00.jpg", folder / "images" / "rocket" / "the same.jpg")
    again = planned(folder / "images", folder / "store", "hue.n_bins=20")
    assert [line.missing for line in again.values()] == [36, 12, 12, 12]  # the same bytes, one row
    assert [line.missing for line in plan.values()] == [36, 12, 12, 12]
    assert plan["hog"].why == "new images"
    done = extract_to_store(
        folder / "images", folder / "store", recipe("hue.n_bins=20"), OPTIONS
    ).work
    assert plan.pop("perceptual-hash").missing == 12
    assert done.computed == {name: line.missing for name, line in plan.items()}


@pytest.mark.parametrize("has_test", [False, True])
def test_a_plan_of_a_run_is_what_the_run_does(crops, test_crops, tmp_path, has_test):
    test = test_crops if has_test else None
    asked, run = recipe("words.n_words=4"), Run(tmp_path / "run", options=OPTIONS)
    expected = plan_job(crops, run.store, asked, OPTIONS, test=test, is_run=True)
    done = run.extract(crops, test, asked)
    lines = {line.feature: line for line in expected}
    assert lines.pop("perceptual-hash").missing == len(done.images) == (51 if has_test else 36)
    assert done.work.computed == {name: line.missing for name, line in lines.items()}
    # Whatever else is planned, the vocabulary of the run was learned from its training images.
    again = plan_job(crops, run.store, asked, OPTIONS, test=test, is_run=True)
    assert [(line.missing, line.learns) for line in again] == [(0, False)] * 4
    relearned = plan_job(
        crops, run.store, asked, replace(OPTIONS, relearn=True), test=test, is_run=True
    )
    assert {line.feature for line in relearned if line.learns} == {"words"}


def test_the_plan_of_a_part_is_of_its_images(crops, tmp_path):
    options = replace(OPTIONS, part=(2, 3))
    for line in plan_job(crops, tmp_path, recipe(), options):
        assert (line.images, line.missing) == (12, 12)


def test_a_vocabulary_whose_images_are_gone_is_learned_anew(folder):
    shutil.rmtree(folder / "images" / "rocket")
    (folder / "images" / "rocket").mkdir()
    line = planned(folder / "images", folder / "store")["words"]
    assert line.learns
    assert line.why == "12 of the 24 images that it was learned from no longer train"


class Contrast(TransformerMixin, BaseEstimator):
    """A user's own feature that does not say that it learns nothing."""

    def fit(self, images, y=None):
        return self

    def transform(self, images):
        return np.array([[image.std()] for image in images])


def test_a_feature_of_the_user_that_learns_is_planned_as_such(original, tmp_path):
    own = Recipe(features={"contrast": Contrast()})
    extract_to_store(original / "images", tmp_path, own, OPTIONS)
    line, *_ = plan_job(original / "images", tmp_path, own, OPTIONS)
    assert line.learns
    assert line.why == "code of your own learns in every job"


def test_a_damaged_shard_is_named(folder):
    (shard,) = (folder / "store").glob("hog-*/*.npy")
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(data)
    line = planned(folder / "images", folder / "store")["hog"]
    assert line.missing == 24
    assert shard.stem in line.why


def test_differences_name_what_changed(folder):
    extract_to_store(folder / "images", folder / "store", recipe("hue.n_bins=20"), OPTIONS)
    newest, before = differences(folder / "store", "hue")
    assert newest.endswith(": the newest")
    assert before.endswith(": n_bins: 10 before, 20 now")
    with pytest.raises(ValueError, match="no feature 'hugo'; there are hog, hue, perceptual-hash"):
        differences(folder / "store", "hugo")


def test_differences_name_estimators_among_the_parameters(crops, tmp_path):
    images = sorted((crops / "brick").iterdir())[:4]
    for size in (16, 24):
        bag = BagOfVisualWords(2, patches=DensePatches(size))
        extract(images, tmp_path, {"mine": make_pipeline(bag, StandardScaler())})
    before, now = differences(tmp_path, "mine")[1].split(" before, ")
    for size, side in ((16, before), (24, now)):
        assert f" patches=DensePatches(patch_size={size}, stride=" in side
        assert "(standardscaler, StandardScaler(copy=True, with_mean=True, with_std=True))]" in side


def test_a_default_written_out_changes_nothing(original):
    plan = planned(original / "images", original / "store", "hue.n_bins=10")
    assert [line.missing for line in plan.values()] == [0] * 4


def test_a_feature_whose_name_begins_like_another_one_is_apart(crops, tmp_path):
    fine = {"words-fine": BagOfVisualWords(n_words=3)}
    extract(crops, tmp_path, fine, n_jobs=1)
    with pytest.raises(ValueError, match=r"no feature 'words'; there are .*words-fine"):
        differences(tmp_path, "words")
    wanted = Recipe(features={"words": BagOfVisualWords(n_words=3)})
    words, _ = plan_job(crops, tmp_path, wanted, OPTIONS)
    assert words.why == "nothing was learned with these parameters yet"
