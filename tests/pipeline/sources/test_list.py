import shutil

import pytest

from visualwords.features import HueHistogram
from visualwords.pipeline.job import extract
from visualwords.pipeline.sources import SourceError, open_source


@pytest.mark.parametrize("end", [".txt", ".lst"])
def test_a_list_gives_the_rows_of_the_folder(crops, crop_files, check_rows, tmp_path, end):
    lines = "\r\n\n".join(str(crops / name) for name in crop_files)
    (tmp_path / f"all{end}").write_bytes(b"\xef\xbb\xbf" + lines.encode())
    check_rows(tmp_path / f"all{end}", labelled=False)


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
