"""Every kind of source behind a URL: in memory, on a disk, and on a real S3 server."""

import io
import os
import socket
import tarfile
import threading
import zipfile
from typing import ClassVar

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from visualwords.features import HueHistogram
from visualwords.pipeline.job import extract
from visualwords.pipeline.reader import ImageError
from visualwords.pipeline.sources import SourceError, open_source


@pytest.fixture(scope="session")
def s3():
    """A bucket on a server of our own."""
    moto = pytest.importorskip("moto.server")
    s3fs = pytest.importorskip("s3fs")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = moto.ThreadedMotoServer("127.0.0.1", port, verbose=False)
    server.start()
    patch = pytest.MonkeyPatch()
    patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    patch.setenv("AWS_ACCESS_KEY_ID", "test")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    s3fs.S3FileSystem().mkdir("images")
    yield "s3://images"
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()
    patch.undo()


@pytest.fixture(params=["memory", "s3", "file"])
def root(request, tmp_path):
    """The URL of an empty folder."""
    name = tmp_path.name
    if request.param == "s3":
        return f"{request.getfixturevalue('s3')}/{name}"
    return f"memory://{name}" if request.param == "memory" else f"file://{tmp_path}/images"


@pytest.fixture(scope="session")
def few(crop_files):
    """Nine of the crops."""
    return dict(list(crop_files.items())[::4])


def put(url, data):
    fs, path = fsspec.url_to_fs(url)
    fs.makedirs(path.rpartition("/")[0], exist_ok=True)
    fs.pipe_file(path, data)


def test_a_folder(root, few, check_rows):
    for name, data in few.items():
        put(f"{root}/{name}", data)
    put(f"{root}/brick/.hidden", b"1")
    put(f"{root}/brick/Thumbs.db", b"1")
    put(f"{root}/README", b"2")
    check_rows(root, n_images=9)
    put(f"{root}/brick/deep/new.png", next(iter(few.values()))[:100])
    put(f"{root}/brick/deep/empty.png", b"")
    assert len(open_source(root).read("brick/00.jpg")) == len(few["brick/00.jpg"])
    again = open_source(root)
    paths = [path for table in again.images() for path in table["path"].to_pylist()]
    assert paths == sorted([*few, "brick/deep/empty.png", "brick/deep/new.png"])
    with pytest.raises(ImageError, match="the file is empty"):
        again.read("brick/deep/empty.png")


def test_a_manifest_and_a_list(root, few, check_rows):
    for name, data in few.items():
        put(f"{root}/images/{name}", data)
    lines = [f"images/{name},{name.split('/')[0]}\n" for name in few]
    put(f"{root}/all.csv", ("path,label\n" + "".join(lines)).encode())
    put(f"{root}/all.txt", "".join(f"images/{name}\n" for name in few).encode())
    check_rows(f"{root}/all.csv", n_images=9)
    assert extract(f"{root}/all.txt", "memory://of-list", [HueHistogram()]).is_ok.sum() == 9


def test_a_local_manifest_may_name_urls(root, few, check_rows, tmp_path):
    lines = []
    for name, data in few.items():
        put(f"{root}/images/{name}", data)
        lines.append(f"{root}/images/{name},{name.split('/')[0]}\n")
    (tmp_path / "all.csv").write_text("path,label\n" + "".join(lines))
    check_rows(tmp_path / "all.csv", n_images=9)


@pytest.mark.parametrize("name", ["shard-{00..01}.tar", "shard-*.tar", ""])
def test_tar_shards(root, few, check_rows, tmp_path, name, crops):
    names = list(few)
    for k in range(2):
        with tarfile.open(tmp_path / "shard.tar", "w") as tar:
            for member in names[k::2]:
                tar.add(crops / member, member)
        put(f"{root}/shards/shard-{k:02d}.tar", (tmp_path / "shard.tar").read_bytes())
    check_rows(f"{root}/shards/{name}", n_images=9)


def test_a_zip(root, few, check_rows, tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in few.items():
            archive.writestr(name, data)
    put(f"{root}/x/all.zip", (tmp_path / "all.zip").read_bytes())
    check_rows(f"{root}/x/all.zip", n_images=9)


def test_cifar(root, listed):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 3, 32, 32), np.uint8)
    put(f"{root}/c/test_batch.bin", b"".join(b"\1" + image.tobytes() for image in pixels))
    put(f"{root}/c/batches.meta.txt", b"airplane\nautomobile\n")
    source = open_source(f"{root}/c")
    found = listed(source)
    assert found["label"] == ["automobile"] * 4
    read = np.stack([source.read(location) for location in found["location"]])
    np.testing.assert_array_equal(read, pixels.transpose(0, 2, 3, 1))


def test_a_changed_file_is_read_again(root, few):
    first, second, *_ = few.values()
    put(f"{root}/images/a.jpg", first)
    put(f"{root}/images/b.jpg", first[:200] + first)
    store = f"memory://changed-{root.partition(':')[0]}"
    extract(f"{root}/images", store, [HueHistogram()], n_jobs=1)
    put(f"{root}/images/a.jpg", second)
    again = extract(f"{root}/images", store, [HueHistogram()], n_jobs=1)
    assert again.work.decoded == 1


@pytest.mark.parametrize("name", ["nothing", "nothing.csv", "nothing.txt", "no.zip", "no.tar"])
def test_what_is_not_there_is_an_error_that_names_it(root, name):
    with pytest.raises(SourceError, match=name):
        extract(f"{root}/{name}", "memory://missing", [HueHistogram()])


def test_what_vanished_is_unreadable_and_not_damaged(root, few):
    put(f"{root}/images/a.jpg", few["brick/00.jpg"])
    source = open_source(f"{root}/images")
    with pytest.raises(ImageError, match="cannot be read") as caught:
        source.read("gone.jpg")
    assert caught.value.kind == "unreadable"


def test_a_server_that_is_gone_is_unreadable_and_not_damaged(few, monkeypatch):
    put("memory://gone/a.jpg", few["brick/00.jpg"])
    source = open_source("memory://gone")

    def refuse(*arguments, **options):
        raise RuntimeError("connection reset by peer")

    monkeypatch.setattr(fsspec.filesystem("memory"), "cat_file", refuse)
    with pytest.raises(ImageError, match="connection reset by peer") as caught:
        source.read("a.jpg")
    assert caught.value.kind == "unreadable"


def test_an_unknown_protocol_is_an_error():
    with pytest.raises(SourceError, match="nosuch"):
        open_source("nosuch://bucket/images")


@pytest.fixture
def web(crops):
    """The crops on a web server."""
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=os.fspath(crops)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_web_server(web, crop_files, listed):
    pytest.importorskip("aiohttp")
    source = open_source(web)
    found = listed(source)
    assert found["path"] == list(crop_files)
    assert source.read("brick/00.jpg") == crop_files["brick/00.jpg"]
    with pytest.raises(ImageError) as caught:
        source.read("brick/gone.jpg")
    assert caught.value.kind == "unreadable"


class LostFile(io.BytesIO):
    """A file whose server is lost after 100 bytes."""

    def read(self, size=-1):
        if self.tell() >= 100:
            raise RuntimeError("the connection was lost")
        return super().read(min(size, 100))


class LostServer(fsspec.AbstractFileSystem):
    """Files of a server whose errors are of no class that anybody knows."""

    protocol = "lost"
    files: ClassVar[dict[str, bytes]] = {}

    def info(self, path, **_):
        return {"name": path, "size": len(self.files[path]), "type": "file"}

    def ls(self, path, detail=True, **_):
        raise FileNotFoundError(path)

    def open(self, path, mode="rb", **_):
        return LostFile(self.files[path])


@pytest.mark.parametrize("name", ["table.csv", "list.txt", "table.parquet", "all.zip", "all.tar"])
def test_a_server_that_is_lost_in_the_middle_is_named(tmp_path, name):
    lines = "\n".join(["path", *(f"image-{i}.png" for i in range(5000))])
    file = tmp_path / name
    if name == "table.parquet":
        pq.write_table(pa.table({"path": lines.split("\n")}), file)
    elif name == "all.zip":
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("a/b.png", b"1" * 2000)
    elif name == "all.tar":
        (tmp_path / "b.png").write_bytes(b"1" * 2000)
        with tarfile.open(file, "w") as archive:
            archive.add(tmp_path / "b.png", "a/b.png")
    else:
        file.write_text(lines)
    fsspec.register_implementation("lost", LostServer, clobber=True)
    LostServer.files[name] = file.read_bytes()
    with pytest.raises(SourceError, match=f"{name}: cannot be read: the connection was lost"):
        list(open_source(f"lost://{name}").images())
