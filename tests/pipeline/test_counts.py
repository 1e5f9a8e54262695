"""What is counted is told in the singular and in the plural."""

import re

import cv2
import numpy as np
import pytest

import visualwords as vw
from visualwords.pipeline.cli import main
from visualwords.pipeline.sources import SourceError

WRONG = re.compile(r"(?<![\d.])1 ([a-z]+s|[a-z]+s? (are|have|lack|look))\b")


def write_image(file):
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(len(str(file))).integers(0, 256, (20, 20, 3), np.uint8)
    cv2.imwrite(str(file), pixels)


def test_a_job_on_one_image_speaks_of_one(tmp_path, capsys):
    write_image(tmp_path / "images/a.png")
    asked = [str(tmp_path / "images"), "--store", str(tmp_path / "store"), "--features", "hue"]
    assert main(["extract", *asked]) == 0
    said = capsys.readouterr().out
    assert re.search("scan +1 image, 1 read", said)
    assert re.search("plan +1 image lacks rows", said)
    assert re.search("extract +hue: 1 image decoded", said)
    assert main(["store", "export", asked[2], "hue", "--to", str(tmp_path / "hue.csv")]) == 0
    said += capsys.readouterr().out
    assert said.endswith("hue.csv: 1 row\n")
    (shard,) = (tmp_path / "store").glob("hue-*/*.npy")
    shard.write_bytes(b"")
    assert main(["plan", *asked]) == 0
    said += capsys.readouterr().out
    assert "1 shard is damaged, such as" in said
    assert WRONG.findall(said) == []
    extraction = vw.extract(tmp_path / "images", tmp_path / "store", [vw.HueHistogram()])
    assert repr(extraction) == "Extraction(1 image, 1 ok, hue 10)"


def test_a_run_of_few_images_speaks_of_one(tmp_path, capsys):
    for name in ("a", "bb", "ccc"):
        for split in ("train", "test")[: 2 if name == "a" else 1]:
            write_image(tmp_path / split / name / f"{name}.png")
    (tmp_path / "train/a/copy.png").write_bytes((tmp_path / "test/a/a.png").read_bytes())
    train, test, out = (str(tmp_path / name) for name in ("train", "test", "run"))
    asked = [train, "--test", test, "--out", out, "--features", "hue", "--no-report"]
    assert main(["run", *asked]) == 0
    said = capsys.readouterr().out
    assert "1 image is both in the training and in the test set: its test accuracy" in said
    assert re.search("evaluate +1 image ", said)
    photo = f"{test}/a/a.png"
    assert main(["predict", out, photo, "--out", str(tmp_path / "classes.csv")]) == 0
    said += capsys.readouterr().out
    assert said.endswith("classes.csv: 1 image, 0 failed\n")
    assert WRONG.findall(said) == []


@pytest.mark.parametrize(("n", "message"), [(1, "1 array but 2 labels"), (2, "2 arrays but 1 l")])
def test_lists_of_other_lengths_are_counted(tmp_path, n, message):
    images = [np.zeros((20, 20, 3), np.uint8)] * n
    with pytest.raises(SourceError, match=message):
        vw.extract(images, tmp_path / "store", labels=["a"] * (3 - n))
    names = [tmp_path / f"{i}.png" for i in range(n)]
    with pytest.raises(SourceError, match=message.replace("array", "file")):
        vw.extract(names, tmp_path / "store", labels=["a"] * (3 - n))
