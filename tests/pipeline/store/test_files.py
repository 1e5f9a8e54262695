"""Files are whole or absent, records are sealed, locks end with their process."""

import contextlib
import subprocess
import sys

import pytest

from visualwords.pipeline.store.files import DamagedError, open_folder


@pytest.fixture(params=["local", "memory"])
def folder(request, tmp_path):
    return open_folder(tmp_path / "a" if request.param == "local" else f"memory://{tmp_path.name}")


def test_a_folder_that_is_not_there_is_empty(folder):
    assert folder.names() == []
    assert folder.names("further/down") == []
    assert not folder.exists("a.txt")
    with pytest.raises(FileNotFoundError):
        folder.read("a.txt")
    folder.remove("a.txt")


def test_files_are_written_read_listed_and_removed(folder):
    folder.write("x/a.txt", b"first")
    folder.write("x/a.txt", b"second")
    folder.write("x/b.txt", b"")
    assert folder.names("x") == ["a.txt", "b.txt"]
    assert folder.read("x/a.txt") == b"second"
    assert folder.bytes_of("x/a.txt").tobytes() == b"second"
    assert folder.bytes_of("x/b.txt").size == 0
    assert folder.size("x/a.txt") == 6
    assert folder.within("x").read("a.txt") == b"second"
    folder.remove("x/a.txt")
    assert folder.names("x") == ["b.txt"]


def test_every_flipped_bit_of_a_record_is_noticed(folder):
    record = {"a": [1, 2.5, None], "text": "é"}
    folder.write_record("r.json", record)
    assert folder.read_record("r.json", {}) == record
    whole = folder.read("r.json")
    for bit in range(8 * len(whole)):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        folder.write("r.json", bytes(damaged))
        with contextlib.suppress(DamagedError):
            assert folder.read_record("r.json", {}) == record  # white space


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{}", b"[" * 100_000, b'"x"', b"\xff", b'{"crc32": 1}']
)
def test_what_is_no_record_is_refused_by_name(folder, text):
    folder.write("r.json", text)
    with pytest.raises(DamagedError, match=r"r\.json"):
        folder.read_record("r.json", {})


def test_a_record_under_another_name_is_refused(folder):
    folder.write_record("a.json", {"x": 1})
    folder.write("b.json", folder.read("a.json"))
    with pytest.raises(DamagedError, match="checksum"):
        folder.read_record("b.json", {})


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    folder = open_folder(tmp_path)
    folder.write("a.txt", b"old")
    (tmp_path / "b").write_bytes(b"")
    with pytest.raises(OSError, match=r"b/c") as caught:
        folder.write("b/c", b"new")
    assert caught.value.filename.endswith("b/c")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "b"]


def test_a_lock_is_held_by_one_process_and_ends_with_it(tmp_path):
    folder = open_folder(tmp_path)
    code = (
        "import sys; from visualwords.pipeline.store.files import open_folder\n"
        "with open_folder(sys.argv[1]).lock('x') as held: print(held, flush=True); input()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert other.stdout.readline() == "True\n"
    with folder.lock("x", wait=False) as held:
        assert not held
    other.kill()
    other.wait()
    other.stdin.close()
    other.stdout.close()
    with folder.lock("x", wait=False) as held:
        assert held


def test_a_pipe_is_not_read(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe")
    folder = open_folder(tmp_path)
    with pytest.raises(DamagedError, match="not a regular file"):
        folder.read("pipe")
    with pytest.raises(DamagedError, match="not a regular file"):
        folder.bytes_of("pipe")
