"""Damaged and hostile files: read, or refused by name; never another error."""

import gzip
import io
import pickle
import tarfile
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from visualwords.pipeline.reader import ImageError
from visualwords.pipeline.sources import SourceError, open_source

RNG = np.random.default_rng(0)


def tar(format):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=format) as archive:
        for k in range(4):
            for end, data in (("png", RNG.bytes(300)), ("json", b'{"label": 3}')):
                info = tarfile.TarInfo(f"{'d' * 60}/{'e' * (150 * (k % 2) + 1)}/{k}.{end}")
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def zip_file():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for k in range(5):
            archive.writestr(f"class{k % 2}/{k}.png", bytes(400) + RNG.bytes(30))
    return file.getvalue()


def parquet():
    file = io.BytesIO()
    pq.write_table(pa.table({"path": ["a.png", "b.png"], "label": ["cat", "dog"]}), file)
    return file.getvalue()


BATCH = {"labels": [1, 2], "data": np.zeros((2, 3072), np.uint8)}
IDX = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2]) + bytes(8)

# By a name: the files of a source. The first one is damaged.
SOURCES = {
    "gnu": {"a.tar": tar(tarfile.GNU_FORMAT)},
    "pax": {"a.tar": tar(tarfile.PAX_FORMAT)},
    "zip": {"a.zip": zip_file()},
    "parquet": {"m.parquet": parquet()},
    "csv": {"m.csv": b'path,label\n"a, b.png",cat\nb.png,dog\n'},
    "list": {"l.txt": b"a.png\nb.png\n"},
    "cifar": {
        "data_batch_1": pickle.dumps(BATCH, 4),
        "batches.meta": pickle.dumps({"label_names": ["a", "b", "c"]}),
    },
    "cifar meta": {
        "batches.meta": pickle.dumps({"label_names": ["a", "b", "c"]}),
        "data_batch_1": pickle.dumps(BATCH, 4),
    },
    "idx": {"train-images-idx3-ubyte": IDX},
    "idx.gz": {"train-images-idx3-ubyte.gz": gzip.compress(IDX)},
}


def damaged(data, rng):
    """Change, take out, put in or overwrite some bytes."""
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 8])):
        at = rng.integers(max(len(data), 1))
        how = rng.integers(6)
        if how < 2:
            data[at : at + 1] = bytes([rng.integers(256)])
        elif how == 2:
            del data[at : at + rng.choice([1, 5, 512])]
        elif how == 3:
            data[at:at] = rng.bytes(rng.choice([1, 4, 512]))
        elif how == 4:
            data[at : at + 4] = b"\xff\xff\xff\xff"
        else:
            data[at : at + 512] = bytes(512)
    return bytes(data)


@pytest.mark.parametrize("name", SOURCES)
def test_damage_is_read_or_refused_by_name(tmp_path, listed, name):
    rng = np.random.default_rng(1)
    files = SOURCES[name]
    for file, data in files.items():
        (tmp_path / file).write_bytes(data)
    (file, whole), *_ = files.items()
    opened = (
        tmp_path / file if name in ("gnu", "pax", "zip", "parquet", "csv", "list") else tmp_path
    )
    messages, n_failed = [], 0
    for _ in range(150):
        (tmp_path / file).write_bytes(damaged(whole, rng))
        try:
            source = open_source(opened)
            locations = listed(source)["location"]
        except SourceError as error:
            messages.append(str(error))
            continue
        for location in locations:
            try:
                source.read(location)
            except ImageError:
                n_failed += 1
    assert all(str(tmp_path) in message for message in messages)
    assert messages or n_failed
