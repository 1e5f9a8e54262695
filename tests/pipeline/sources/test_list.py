import shutil
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from visualwords.features import HueHistogram
from visualwords.pipeline.job import extract
from visualwords.pipeline.sources import SourceError, open_source


@pytest.mark.parametrize("end", [".txt", ".lst"])
def test_a_list_gives_the_rows_of_the_folder(crops, crop_files, check_rows, tmp_path, end):
    lines = "\r\n\n".join(str(crops / name) for name in crop_files)
    (tmp_path / f"all{end}").write_bytes(b"\xef\xbb\xbf" + lines.encode())
    check_rows(tmp_path / f"all{end}", labelled=False)


def test_paths_in_python_give_the_rows_of_the_folder(crops, crop_files, check_rows, monkeypatch):
    check_rows([crops / name for name in crop_files], labelled=False)
    monkeypatch.chdir(crops)
    check_rows(list(crop_files), labelled=False)


def test_paths_have_the_labels_that_are_given(crops, crop_files, tmp_path):
    names = [crops / name for name in list(crop_files)[:3]]
    found = extract(names, tmp_path, [HueHistogram()], labels=["a", 2, "c"])
    assert found.paths().tolist() == [str(name) for name in names]
    assert found.labels().tolist() == ["a", "2", "c"]
    assert extract(names, tmp_path, [HueHistogram()]).work.decoded == 0
    with pytest.raises(SourceError, match="3 files but 1 label"):
        extract(names, tmp_path, [HueHistogram()], labels=["a"])
    with pytest.raises(TypeError, match="labels are for a list of arrays or paths"):
        extract(crops, tmp_path, [HueHistogram()], labels=["a"])


@pytest.mark.parametrize(
    ("images", "got"),
    [
        (3, "int$"),
        (b"data", "bytes$"),
        (Path().glob("*.jpg"), r"generator; give list\(...\) of it$"),
    ],
)
def test_what_is_no_place_of_images_is_refused(images, got):
    with pytest.raises(TypeError, match=f"expected the path or URL of images, a list.* got {got}"):
        open_source(images)


@pytest.mark.parametrize("kind", [dict, pd.DataFrame, pa.table], ids=["dict", "pandas", "arrow"])
def test_the_columns_of_a_table_are_no_paths(crops, crop_files, tmp_path, kind):
    columns = {"path": [str(crops / name) for name in crop_files]}
    with pytest.raises(TypeError, match=r"got .*; give its values as lists, such as list\(table"):
        extract(kind(columns), tmp_path, [HueHistogram()])
    assert len(extract(pd.Series(columns["path"]), tmp_path, [HueHistogram()]).paths()) == 36


def test_a_file_of_a_folder_and_of_a_list_is_the_same_file_to_the_index(
    crops, crop_files, tmp_path
):
    shutil.copytree(crops, tmp_path / "images")
    (tmp_path / "images" / "l.txt").write_text("".join(f"{name}\n" for name in crop_files))
    assert extract(tmp_path / "images", tmp_path / "store", [HueHistogram()]).work.decoded == 36
    again = extract(tmp_path / "images" / "l.txt", tmp_path / "store", [HueHistogram()])
    keys = []
    for name in ("images", "images/l.txt"):
        source = open_source(tmp_path / name)
        keys.append(
            [
                k
                for t in source.images()
                for k in source.index_keys(t["location"].combine_chunks()).to_pylist()
            ]
        )
    assert keys[0] == keys[1]
    assert again.work.decoded == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"a.png\n\xff.png\n", r"l\.txt, line 2: not in UTF-8"),
        ("a.png\n".encode("utf-16"), "not in UTF-8"),
        (b"a.png\nb\0.png\n", "line 2: the path has a null byte"),
        (b"\n \n", "no paths; expected one a line"),
        (b"", "no paths; expected one a line"),
    ],
)
def test_errors_name_file_and_line(tmp_path, text, message, listed):
    (tmp_path / "l.txt").write_bytes(text)
    with pytest.raises(SourceError, match=message):
        listed(open_source(tmp_path / "l.txt"))


def test_what_cannot_be_read_is_unreadable_and_not_damaged(tmp_path):
    (tmp_path / "l.txt").write_text("gone.png\n.\n")
    result = extract(tmp_path / "l.txt", tmp_path / "store", [HueHistogram()])
    assert result.images["kind"].to_pylist() == ["unreadable", "unreadable"]
    assert "No such file" in result.images["reason"][0].as_py()
