import numpy as np
import pytest

from visualwords.pipeline.dataset import Dataset, DatasetError


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


@pytest.fixture
def folder(tmp_path):
    for name in ("dog/b.png", "dog/a.jpg", "cat/deep/er/c.jpg", "cat/notes.txt", "cat/.DS_Store"):
        touch(tmp_path / name)
    return tmp_path


def test_folder_gives_sorted_stable_ids_and_labels_from_folder_names(folder):
    dataset = Dataset.from_folder(folder)
    assert dataset.names == ("cat/deep/er/c.jpg", "cat/notes.txt", "dog/a.jpg", "dog/b.png")
    assert dataset.classes == ("cat", "dog")
    assert dataset.labels.tolist() == [0, 0, 1, 1]
    assert dataset.sources[2] == folder / "dog" / "a.jpg"


def test_image_beside_the_class_folders_is_kept_as_unlabelled(folder):
    touch(folder / "stray.JPG")
    touch(folder / "labels.txt")
    dataset = Dataset.from_folder(folder)
    assert dataset.unlabelled == ("stray.JPG",)
    assert len(dataset) == 4


def test_a_class_folder_without_files_is_no_class_but_is_named(folder):
    touch(folder / "owl" / ".DS_Store")
    (folder / "yak" / "young").mkdir(parents=True)
    dataset = Dataset.from_folder(folder)
    assert dataset.empty == ("owl", "yak")
    assert not set(dataset.empty) & set(dataset.classes)
    assert len(dataset) == 4


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing", r"missing: no such folder; expected .* manifest"),
        ("file.txt", r"file\.txt: not a folder; expected .* manifest"),
        ("empty", r"no files in class folders; expected .*empty/CLASS/IMAGE"),
    ],
)
def test_folder_without_classes_is_an_error_that_says_what_was_expected(tmp_path, name, message):
    touch(tmp_path / "file.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match=message):
        Dataset.open(tmp_path / name)


def test_manifest(folder):
    (folder / "all.csv").write_text(
        "path,label,split\ndog/a.jpg,dog,train\ndog/b.png,dog,test\ncat/deep/er/c.jpg,cat,train\n"
    )
    splits = Dataset.from_csv(folder / "all.csv")
    assert sorted(splits) == ["test", "train"]
    assert splits["train"].names == ("dog/a.jpg", "cat/deep/er/c.jpg")
    assert splits["train"].labels.tolist() == [1, 0]
    assert splits["test"].classes == ("cat", "dog")
    assert splits["test"].sources == (folder / "dog" / "b.png",)


def test_open_takes_a_folder_or_a_manifest_without_split(folder):
    (folder / "plain.csv").write_text("path,label\ndog/a.jpg,dog\n")
    (folder / "split.csv").write_text("path,label,split\ndog/a.jpg,dog,test\n")
    assert Dataset.open(folder / "plain.csv").names == ("dog/a.jpg",)
    assert len(Dataset.open(folder)) == 4
    with pytest.raises(DatasetError, match="without the column split"):
        Dataset.open(folder / "split.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,class\na,b\n", "expected the columns path,label"),
        ("", "got an empty file"),
        ("path,label\n", "no rows"),
        ("path,label\na.png,\n", "line 2: path or label is missing"),
        ("path,label\n\na.png,cat\n  \n", "line 4: path or label is missing"),
        ("path,label\nb, c.png,cat\n", r"line 2: 3 values .* belongs in quotes"),
        ('path,label\nb.png,cat\na.png,"cat\nc.png,dog\n', "the row of line 3: unexpected end"),
        ("path,label\na.png,cat\nb.png,cat\na.png,dog", "line 4: a.png is dog here and cat in"),
        ("path,label\na\0.png,cat\n", "line 2: the path has a null byte"),
    ],
)
def test_manifest_errors_name_file_and_line(tmp_path, text, message):
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(DatasetError, match=message):
        Dataset.from_csv(tmp_path / "m.csv")


def test_a_manifest_as_spreadsheets_and_people_write_it(tmp_path):
    text = 'path, label ,split\r\n"a, b.png", 01 ,train\r\n\r\n c d.png,1,test\r\né.png,"1",train'
    (tmp_path / "m.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    splits = Dataset.from_csv(tmp_path / "m.csv")
    assert splits["train"].names == ("a, b.png", "é.png")
    assert splits["train"].classes == ("01", "1")
    assert splits["train"].labels.tolist() == [0, 1]
    assert splits["test"].names == ("c d.png",)


def test_a_manifest_may_name_an_image_twice(tmp_path):
    (tmp_path / "m.csv").write_text("path,label\na.png,cat\na.png,cat\n")
    assert Dataset.open(tmp_path / "m.csv").names == ("a.png", "a.png")


def test_arrays():
    images = [np.zeros((4, 5), np.uint8), np.ones((3, 3, 3), np.uint8)]
    dataset = Dataset.from_arrays(images, [7, 3])
    assert dataset.names == ("array[0]", "array[1]")
    assert dataset.classes == ("3", "7")
    assert dataset.labels.tolist() == [1, 0]
    with pytest.raises(DatasetError, match="2 images but 1 labels"):
        Dataset.from_arrays(images, [1])


def test_split_is_stratified_disjoint_and_the_same_for_a_seed():
    images = [np.zeros((2, 2), np.uint8)] * 100
    dataset = Dataset.from_arrays(images, ["a"] * 80 + ["b"] * 20)
    train, test = dataset.split(0.25, seed=3)
    assert set(train.names) | set(test.names) == set(dataset.names)
    assert not set(train.names) & set(test.names)
    assert np.bincount(test.labels).tolist() == [20, 5]
    assert dataset.split(0.25, seed=3)[1].names == test.names
    assert dataset.split(0.25, seed=4)[1].names != test.names


@pytest.mark.parametrize(
    ("labels", "share", "message"),
    [
        ("aab", 0.3, "cannot hold out 0.3 of the images: class 'b' has a single one"),
        ("aabb", 0.0, "cannot hold out 0 of .* above 0 and below 1"),
        ("aabb", 1.0, "cannot hold out 1 of .* above 0 and below 1"),
        ("aabb", 0.1, "cannot hold out 0.1 of the images: .* classes = 2"),
    ],
)
def test_a_split_that_cannot_be_says_why(labels, share, message):
    dataset = Dataset.from_arrays([np.zeros((2, 2), np.uint8)] * len(labels), list(labels))
    with pytest.raises(DatasetError, match=message):
        dataset.split(share, seed=0)


def test_labels_are_renumbered_by_the_training_classes():
    dataset = Dataset.from_arrays([np.zeros((2, 2), np.uint8)] * 2, ["b", "c"])
    assert dataset.with_classes(["a", "b", "c"]).labels.tolist() == [1, 2]
    with pytest.raises(DatasetError, match="class 'c' is not among the training classes"):
        dataset.with_classes(["a", "b"])


def test_opened_with_classes_the_error_names_the_folder(folder):
    assert Dataset.open(folder, ["ape", "cat", "dog"]).labels.tolist() == [1, 1, 2, 2]
    with pytest.raises(DatasetError, match=f"{folder}: class 'dog' is not among the training"):
        Dataset.open(folder, ["cat"])
