"""Tables carry a checksum of their values and are read by pandas, polars and DuckDB."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from visualwords.pipeline.store import tables
from visualwords.pipeline.store.files import DamagedError, open_folder
from visualwords.pipeline.store.index import FOUND, ImageIndex, image_keys
from visualwords.pipeline.store.tables import read_table, write_table

TABLE = pa.table(
    {
        "text": pa.array(["a", None, "", "ü" * 40]),
        "raw": pa.array([b"\0", None, b"", b"xyz"], pa.binary()),
        "number": pa.array([1, None, 0, -5], pa.int32()),
    }
)


@pytest.mark.parametrize(
    "table", [TABLE, TABLE.slice(1, 2), TABLE.slice(0, 0), pa.concat_tables([TABLE, TABLE])]
)
def test_what_is_written_is_read(tmp_path, table):
    folder = open_folder(tmp_path)
    write_table(folder, "t.parquet", table)
    assert read_table(folder, "t.parquet", TABLE.schema).equals(table)


def test_no_flipped_bit_gives_other_values(tmp_path):
    folder = open_folder(tmp_path)
    write_table(folder, "t.parquet", TABLE)
    whole = folder.read("t.parquet")
    n_refused = 0
    for bit in np.random.default_rng(0).choice(8 * len(whole), 400, replace=False).tolist():
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        folder.write("t.parquet", bytes(damaged))
        try:
            assert read_table(folder, "t.parquet", TABLE.schema).equals(TABLE)
        except DamagedError:
            n_refused += 1
    assert n_refused > 100


def test_tables_of_others_are_refused(tmp_path):
    folder = open_folder(tmp_path)
    buffer = io.BytesIO()
    pq.write_table(TABLE, buffer)
    for data in (buffer.getvalue(), b"", b"PAR1PAR1", bytes(1000)):
        folder.write("t.parquet", data)
        with pytest.raises(DamagedError, match=r"t\.parquet"):
            read_table(folder, "t.parquet", TABLE.schema)


def keep(folder, locations, signatures=None, digests=None):
    n = len(locations)
    keys = image_keys(pa.array(locations), pa.array(signatures or ["1"] * n))
    found = {"digest": digests or [b"d" * 16] * n, "rows": [1] * n, "columns": [1] * n}
    columns = [pa.array(found.get(f.name, [None] * n), f.type) for f in FOUND]
    ImageIndex(folder, "r").append(keys, pa.table(columns, FOUND))


def find(folder, locations, signatures, reader="r"):
    keys = image_keys(pa.array(locations), pa.array(signatures))
    table, known = ImageIndex(folder, reader).find(keys)
    digests = table["digest"].to_pylist()
    return [d if k else None for d, k in zip(digests, known.tolist(), strict=True)]


def test_the_index_knows_files_while_their_signature_is_the_same(tmp_path):
    folder = open_folder(tmp_path)
    assert find(folder, ["a"], ["1"]) == [None]
    keep(folder, ["a", "b"], digests=[b"A" * 16, b"B" * 16])
    assert find(folder, ["b", "c", "a", "a"], ["1", "1", "1", "2"]) == [
        b"B" * 16, None, b"A" * 16, None,
    ]  # fmt: skip
    assert find(folder, ["a"], ["1"], "other") == [None]


def test_the_index_forgets_what_has_no_signature_or_could_not_be_read(tmp_path):
    folder = open_folder(tmp_path)
    keep(folder, ["a", "b"], ["", "1"], [b"A" * 16, None])
    assert find(folder, ["a", "b"], ["", "1"]) == [None, None]


def test_of_two_entries_the_later_one_counts_and_parts_are_merged(tmp_path):
    folder = open_folder(tmp_path)
    for n in range(40):
        keep(folder, ["a", f"f{n}"], digests=[bytes([n]) * 16] * 2)
    assert find(folder, ["a", "f0", "f39"], ["1"] * 3) == [
        bytes([39]) * 16, bytes(16), bytes([39]) * 16,
    ]  # fmt: skip
    assert len(folder.names("index/r")) < 20


def test_a_damaged_part_of_the_index_is_passed_over(tmp_path):
    folder = open_folder(tmp_path)
    keep(folder, ["a"])
    keep(folder, ["b"])
    first = folder.names("index/r")[0]
    folder.write(f"index/r/{first}", folder.read(f"index/r/{first}")[:-9])
    assert find(folder, ["a", "b"], ["1", "1"]) == [None, b"d" * 16]


def test_a_table_under_another_name_or_another_table_is_refused(tmp_path):
    folder = open_folder(tmp_path)
    seal = write_table(folder, "a.parquet", TABLE)
    assert read_table(folder, "a.parquet", seal=seal).equals(TABLE)
    folder.write("b.parquet", folder.read("a.parquet"))
    with pytest.raises(DamagedError, match="checksum"):
        read_table(folder, "b.parquet")
    write_table(folder, "a.parquet", TABLE.slice(1))
    with pytest.raises(DamagedError, match="checksum"):
        read_table(folder, "a.parquet", seal=seal)


def test_a_table_that_unpacks_to_far_more_is_refused_by_its_footer(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "SMALL", 1000)
    folder = open_folder(tmp_path)
    write_table(folder, "t.parquet", pa.table({"text": pa.nulls(100_000, pa.string())}))
    with pytest.raises(DamagedError, match="not a table"):
        read_table(folder, "t.parquet")
