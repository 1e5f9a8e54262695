import os
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from visualwords.pipeline.sources import ManifestSource, SourceError, open_source


def test_csv_gives_the_rows_of_the_folder(crops, crop_files, check_rows, tmp_path):
    lines = [f"{crops / name},{name.split('/')[0]}" for name in reversed(crop_files)]
    (tmp_path / "m.csv").write_text("path,label\n" + "\n".join(lines))
    check_rows(tmp_path / "m.csv")


def test_parquet_gives_the_rows_of_the_folder(crops, crop_files, check_rows, tmp_path):
    names = list(crop_files)
    columns = {
        "path": names,
        "label": pa.array([name.split("/")[0] for name in names]).dictionary_encode(),
        "size": np.arange(len(names)),
    }
    shutil.copytree(crops, tmp_path / "images")
    pq.write_table(pa.table(columns), tmp_path / "images" / "m.parquet", row_group_size=5)
    check_rows(tmp_path / "images" / "m.parquet")


def test_relative_paths_are_relative_to_the_table(crops, listed, tmp_path, monkeypatch):
    shutil.copytree(crops, tmp_path / "a" / "images")
    (tmp_path / "a" / "m.csv").write_text("path\nimages/brick/00.jpg\n")
    whole = (crops / "brick" / "00.jpg").read_bytes()
    source = open_source(tmp_path / "a" / "m.csv")
    assert source.read(listed(source)["location"][0]) == whole
    monkeypatch.chdir(tmp_path / "a")
    source = open_source("m.csv")
    assert source.read(listed(source)["location"][0]) == whole


def test_any_split_and_column_names_are_kept(listed, tmp_path):
    (tmp_path / "m.csv").write_text(
        "file,class,fold,animal\na.png,cat,val,1\nb.png,dog, fold 7 , Rex \nc.png,,,\n"
    )
    names = {"path_column": "file", "label_column": "class", "split_column": "fold"}
    names["group_column"] = "animal"
    found = listed(open_source(tmp_path / "m.csv", **names))
    assert found["path"] == ["a.png", "b.png", "c.png"]
    assert found["label"] == ["cat", "dog", None]
    assert found["split"] == ["val", "fold 7", None]
    assert found["group"] == ["1", "Rex", None]


def test_only_a_manifest_has_columns_to_name(tmp_path):
    with pytest.raises(SourceError, match="not a manifest, so it has no columns"):
        open_source(tmp_path, path_column="file")


def test_a_manifest_as_spreadsheets_and_people_write_it(listed, tmp_path):
    text = 'path, label ,split\r\n"a, b.png", 01 ,train\r\n\r\n c d.png,1,test,,\r\né.png,"1",train'
    (tmp_path / "m.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    found = listed(ManifestSource(tmp_path / "m.csv"))
    assert found["path"] == ["a, b.png", "c d.png", "é.png"]
    assert found["label"] == ["01", "1", "1"]
    assert found["split"] == ["train", "test", "train"]


def test_a_manifest_may_have_semicolons_as_excel_writes_it_in_many_countries(listed, tmp_path):
    text = '\ufeffpath;label;split\r\n"a; b.png";cat, tom;train\r\nc,d.png;dog;\r\n'
    (tmp_path / "m.csv").write_bytes(text.encode())
    found = listed(ManifestSource(tmp_path / "m.csv"))
    assert found["path"] == ["a; b.png", "c,d.png"]
    assert found["label"] == ["cat, tom", "dog"]
    assert found["split"] == ["train", None]


@pytest.mark.parametrize("where", ["", "file://"])
def test_a_pattern_stands_for_one_table_after_another(listed, tmp_path, where):
    for k, text in enumerate(("path,label\na.png,cat\nb.png,dog\n", "label;path\nowl;c.png\n")):
        (tmp_path / f"m-{k}.csv").write_text(text)
    for pattern in ("m-{0..1}.csv", "m-*.csv", "m-[01].csv"):
        source = open_source(f"{where}{tmp_path}/{pattern}")
        found = listed(source)
        assert found["path"] == ["a.png", "b.png", "c.png"]
        assert found["label"] == ["cat", "dog", "owl"]
    (tmp_path / "a.png").write_bytes(b"a")
    assert source.read(found["location"][0]) == b"a"
    with pytest.raises(SourceError, match=r"m-2\.csv: cannot be read: no such file"):
        listed(open_source(f"{where}{tmp_path}/m-{{0..2}}.csv"))
    (tmp_path / "m-1.csv").write_text("path,label\na.png,owl\n")
    with pytest.raises(SourceError, match=r"m-1\.csv, line 2: a.png is owl here and cat before"):
        listed(open_source(f"{where}{tmp_path}/m-*.csv"))
    with pytest.raises(SourceError, match=r"n-\*\.csv: no file matches"):
        listed(open_source(f"{where}{tmp_path}/n-*.csv"))
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "m.csv").write_text("path\na.png\n")
    with pytest.raises(SourceError, match=r"\*/m\.csv: the tables of a pattern must lie in one"):
        listed(open_source(f"{where}{tmp_path}/*/m.csv"))


def test_a_manifest_may_name_an_image_twice(listed, tmp_path):
    (tmp_path / "m.csv").write_text("path,label\na.png,cat\na.png,cat\n")
    assert listed(ManifestSource(tmp_path / "m.csv"))["path"] == ["a.png", "a.png"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,class\na,b\n", r"m\.csv: no column 'path', got file,class; expected .* commas"),
        ("path\tlabel\na\tb\n", r"no column 'path', got path\tlabel; expected .* CSV with commas"),
        ("path;label\na;b;c\n", "line 2: 3 values .* or semicolon in it belongs in quotes"),
        ("", "no column 'path', got an empty file"),
        ("path,label,path\n", "two columns are called 'path'"),
        ("path,label\n", "no rows"),
        ("path,label\n\na.png,cat\n ,cat\n", "line 4: the path is missing"),
        ("path,label\nb, c.png,cat\n", r"line 2: 3 values .* belongs in quotes"),
        ("path,label\na.png,cat\nb.png\n", r"line 3: 1 value for the columns path,label"),
        ('path,label\nb.png,cat\na.png,"cat\nc.png,dog\n', "the row of line 3: unexpected end"),
        ('path,label\n"b\nc.png",cat\na.png,cat,x\n', "line 4: 3 values"),
        ("path,label\na.png,cat\nb.png,cat\na.png,dog", "line 4: a.png is dog here and cat before"),
        ("path,label\na\0.png,cat\n", "line 2: the path has a null byte"),
        (b"path,label\na.png,cat\n\xe9.png,cat\n", "line 3: not in UTF-8; save it in UTF-8"),
        ("path,label\na.png,cat\n".encode("utf-16"), "not in UTF-8"),
        ("path,label\na.png,cat\n".encode("utf-16-le"), "not in UTF-8"),
    ],
)
def test_errors_name_file_and_line(tmp_path, text, message, listed):
    (tmp_path / "m.csv").write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(SourceError, match=message):
        listed(ManifestSource(tmp_path / "m.csv"))


def test_the_first_contradiction_of_labels_is_named_whatever_the_rows_are(tmp_path, listed):
    rng = np.random.default_rng(0)
    for number in range(40):
        rows = [f"{p}.png,{'cat' if y else ''}" for p, y in rng.integers(0, (9, 2), (12, 2))]
        known: dict[str, str] = {}
        wrong = [line for line, row in enumerate(rows, 2) if not _agrees(row, known)]
        manifest = tmp_path / f"{number}.csv"
        manifest.write_text("path,label\n" + "\n".join(rows))
        if not wrong:
            assert len(listed(ManifestSource(manifest))["path"]) == 12
            continue
        path, label = rows[wrong[0] - 2].split(",")
        here, before = label or "without label", known[path] or "without label"
        with pytest.raises(SourceError, match=f"line {wrong[0]}: {path} is {here} .* {before} b"):
            listed(ManifestSource(manifest))


def _agrees(row, known):
    path, label = row.split(",")
    return known.setdefault(path, label) == label


def test_a_column_that_was_asked_for_must_be_there(tmp_path, listed):
    (tmp_path / "m.csv").write_text("path,label\na.png,cat\n")
    with pytest.raises(SourceError, match="no column 'class', got path,label"):
        listed(open_source(tmp_path / "m.csv", label_column="class"))


def test_a_damaged_parquet_file_is_named(tmp_path, listed):
    pq.write_table(pa.table({"path": ["a.png"] * 1000}), tmp_path / "m.parquet")
    whole = (tmp_path / "m.parquet").read_bytes()
    (tmp_path / "m.parquet").write_bytes(whole[:-20])
    with pytest.raises(SourceError, match=r"m\.parquet: not a sound parquet file"):
        listed(open_source(tmp_path / "m.parquet"))
    pq.write_table(pa.table({"path": ["a.png", None]}), tmp_path / "m.parquet")
    with pytest.raises(SourceError, match="row 2: the path is missing"):
        listed(open_source(tmp_path / "m.parquet"))


@pytest.mark.parametrize("name", ["missing.csv", "missing.parquet", "pipe.csv"])
def test_a_manifest_that_cannot_be_read_is_named(tmp_path, listed, name):
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(SourceError, match=rf"{name}: (cannot be read: no such|not a regular) file"):
        listed(open_source(tmp_path / name))
