"""Damaged images, bombs and files that are no images: each is read or refused, and none crashes."""

import io
import struct
import tempfile
import time
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import tifffile
from PIL import Image

from visualwords.pipeline.job import extract
from visualwords.pipeline.reader import ImageError, Reader

from .bed import Hang, alarm
from .common import FEATURES

BOMB_SECONDS, BOMB_BYTES = 0.2, 100 * 2**20
READ_SECONDS = 5.0
GOOD = ("read", "refused")
ODD_NAMES = [
    *("a b.png", "ä.png", "雪.png", "[x]{y}*.png", "-rf.png", "new\nline.png", "tab\t.png"),
    *("%41.png", "'quote\".png", "back\\slash.png", "UPPER.PNG", "none", "x" * 250, "a#b?c=d.png"),
]


def picture(rows: int = 60, columns: int = 80) -> np.ndarray:
    rng = np.random.default_rng(0)
    ramp = np.add.outer(np.arange(rows) * 2, np.arange(columns))[:, :, None] + [0, 60, 120]
    return ((ramp + rng.integers(0, 40, ramp.shape)) % 256).astype(np.uint8)


def encoded() -> dict[str, bytes]:
    """Return an image in each format and many of its layouts."""
    rgb = picture()
    image = Image.fromarray(rgb)
    grey16 = rgb[:, :, 0].astype(np.uint16) * 257

    def pillow(image: Image.Image, format: str, **options: Any) -> bytes:
        file = io.BytesIO()
        image.save(file, format, **options)
        return file.getvalue()

    def tiff(pixels: np.ndarray, **options: Any) -> bytes:
        file = io.BytesIO()
        tifffile.imwrite(file, pixels, metadata=None, **options)
        return file.getvalue()

    planes = {"photometric": "rgb", "planarconfig": "separate"}
    return {
        "JPEG": pillow(image, "JPEG"),
        "JPEG progressive": pillow(image, "JPEG", progressive=True),
        "JPEG grey": pillow(image.convert("L"), "JPEG"),
        "JPEG CMYK": pillow(image.convert("CMYK"), "JPEG"),
        "PNG": pillow(image, "PNG"),
        "PNG palette": pillow(image.quantize(16), "PNG"),
        "PNG 16 bits": pillow(Image.fromarray(grey16), "PNG"),
        "GIF": pillow(image.quantize(64), "GIF"),
        "BMP": pillow(image, "BMP"),
        "WebP": pillow(image, "WEBP"),
        "WebP lossless": pillow(image, "WEBP", lossless=True),
        "AVIF": pillow(image, "AVIF"),
        "JPEG 2000": pillow(image, "JPEG2000"),
        "PPM": b"P6\n80 60\n255\n" + rgb.tobytes(),
        "TIFF": tiff(rgb, photometric="rgb"),
        "TIFF deflate": tiff(rgb, photometric="rgb", compression="zlib", rowsperstrip=8),
        "TIFF LZW": tiff(rgb, photometric="rgb", compression="lzw"),
        "TIFF planes": tiff(np.moveaxis(rgb, 2, 0), compression="zlib", **planes),
        "TIFF tiles": tiff(grey16, tile=(32, 32), compression="zlib", bigtiff=True),
        "TIFF JPEG": tiff(rgb, photometric="rgb", compression="jpeg"),
    }


def outcome(data: bytes) -> str:
    """Return "read", "refused", "hang", or the error that no reader should raise."""
    try:
        with alarm(READ_SECONDS):
            pixels = Reader().decode(data)
    except ImageError as error:
        return "refused" if str(error) else "refused without a reason"
    except Hang:
        return "hang"
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    return "read" if pixels.dtype == np.uint8 and pixels.size else "nothing"


def truncations(n: int) -> Counter[tuple[str, str]]:
    """Cut files off anywhere behind their first bytes."""
    rng = np.random.default_rng(1)
    counts: Counter[tuple[str, str]] = Counter()
    for name, data in encoded().items():
        for _ in range(n):
            counts[name, outcome(data[: int(rng.integers(1, len(data)))])] += 1
    return counts


def mutations(n: int) -> Counter[tuple[str, str]]:
    """Overwrite, remove and insert bytes anywhere, most often in the first 200."""
    rng = np.random.default_rng(2)
    counts: Counter[tuple[str, str]] = Counter()
    for name, data in encoded().items():
        for _ in range(n):
            changed = bytearray(data)
            for _ in range(int(rng.integers(1, 5))):
                reach = len(changed) if rng.random() < 0.5 else min(200, len(changed))
                at = int(rng.integers(reach))
                some = rng.bytes(int(rng.integers(1, 9)))
                kind = rng.integers(3)
                changed[at : at + (0 if kind == 0 else len(some))] = b"" if kind == 1 else some
            counts[name, outcome(bytes(changed))] += 1
    return counts


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(columns: int, rows: int, bits: int, kind: int, n_bytes: int, more: bytes = b"") -> bytes:
    """Write a PNG of zeros, of which so many bytes are there."""
    head = struct.pack(">IIBBBBB", columns, rows, bits, kind, 0, 0, 0)
    parts = [chunk(b"IHDR", head), more, chunk(b"IDAT", zeros(n_bytes)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def zeros(n_bytes: int) -> bytes:
    """Return what ``zlib.compress`` makes of zeros, or nearly so, at once: a MiB is repeated."""
    packer = zlib.compressobj(9, wbits=-15)
    mebibyte = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    rest = packer.compress(bytes(n_bytes & 0xFFFFF)) + packer.flush()
    checksum = (n_bytes % 65521 << 16) + 1  # Adler-32
    return b"\x78\xda" + (n_bytes >> 20) * mebibyte + rest + checksum.to_bytes(4, "big")


def bombs() -> dict[str, bytes]:
    """Return small files that claim or unpack to far more than they are."""
    files = encoded()
    profile = zeros(1 << 28)
    jpeg, progressive = files["JPEG"], files["JPEG progressive"]
    frame, last = jpeg.index(b"\xff\xc0"), progressive.rindex(b"\xff\xda")
    tiff = bytearray(files["TIFF deflate"])
    gif = bytearray(files["GIF"])
    gif[6:10] = b"\xff\xff\xff\xff"
    return {
        "PNG 60000 x 60000": png(60000, 60000, 8, 2, 100),
        "PNG 5700 x 5700, under the limit": png(5700, 5700, 8, 0, 5701 * 5700),
        "PNG 2800 x 2800, RGBA": png(2800, 2800, 8, 6, 11201 * 2800),
        "PNG with a profile of 256 MiB": png(8, 8, 8, 0, 72, chunk(b"iCCP", b"x\0\0" + profile)),
        "PNG with a text of 256 MiB": png(
            8, 8, 8, 0, 72, chunk(b"zTXt", b"Raw profile type exif\0\0" + profile)
        ),
        "PNG with 64 MiB behind its pixels": png(8, 8, 8, 0, 1 << 26),
        "JPEG of 65500 x 65500": jpeg[: frame + 5] + b"\xff\xdc\xff\xdc" + jpeg[frame + 9 :],
        "JPEG with 20,000 scans": progressive[:last] + progressive[last:-2] * 20000 + b"\xff\xd9",
        "JPEG with 100,000 segments": jpeg[:2] + b"\xff\xe1\x00\x02" * 100_000 + jpeg[2:],
        "GIF of 65535 x 65535": bytes(gif),
        "TIFF with 2**30 strips": _with_count(tiff, 273, 1 << 30),
        "TIFF with 2**30 lengths": _with_count(tiff, 279, 1 << 30),
        "TIFF whose directory is itself": _looped(tiff),
        "BMP of 2**31 x 2**31": _bmp(),
        "PPM of 10**6 x 10**6": b"P6\n1000000 1000000\n255\n" + bytes(100),
        "PPM with a comment of 16 MiB": b"P6\n#" + bytes(1 << 24) + b"\n8 8\n255\n" + bytes(192),
    }


def large_bombs() -> dict[str, bytes]:
    """Return bombs that take some seconds to write."""
    large = io.BytesIO()
    tifffile.imwrite(
        large, np.zeros((8192, 8192, 3), np.uint16), photometric="rgb", compression="zlib",
        metadata=None,
    )  # fmt: skip
    return {
        "PNG 67108864 x 1": png(1 << 26, 1, 8, 0, (1 << 26) + 1),
        "PNG 1 x 67108864": png(1, 1 << 26, 8, 0, 1 << 27),
        "PNG 8192 x 8192, 16-bit RGBA": png(8192, 8192, 16, 6, 8 << 26),
        "TIFF of 8192 x 8192, 16-bit RGB": large.getvalue(),
        "WebP of 16383 x 16383": _saved("WEBP", (16383, 4000), lossless=True),
        "JPEG 2000 of 8000 x 8000": _saved("JPEG2000", (8000, 8000)),
        "AVIF of 8000 x 8000": _saved("AVIF", (8000, 8000), speed=10),
    }


def _with_count(tiff: bytearray, tag: int, count: int) -> bytes:
    at = _entry(tiff, tag)
    return bytes(tiff[: at + 4]) + struct.pack("<I", count) + bytes(tiff[at + 8 :])


def _looped(tiff: bytearray) -> bytes:
    (start,) = struct.unpack_from("<I", tiff, 4)
    (n,) = struct.unpack_from("<H", tiff, start)
    end = start + 2 + 12 * n
    return bytes(tiff[:end]) + struct.pack("<I", start) + bytes(tiff[end + 4 :])


def _entry(tiff: bytearray, tag: int) -> int:
    """Return where the directory of a TIFF has a tag."""
    (start,) = struct.unpack_from("<I", tiff, 4)
    (n,) = struct.unpack_from("<H", tiff, start)
    places = (start + 2 + 12 * k for k in range(n))
    return next(at for at in places if struct.unpack_from("<H", tiff, at)[0] == tag)


def _bmp() -> bytes:
    head = struct.pack("<IiiHHIIiiII", 40, 2**31 - 1, 2**31 - 1, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 0, 0, 0, 54) + head + bytes(100)


def _saved(format: str, size: tuple[int, int], **options: Any) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size).save(file, format, **options)
    return file.getvalue()


def measured(data: bytes) -> tuple[str, float, int]:
    """Return the outcome, its CPU time, and by how much the peak of the memory grows (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    before, start = psutil.Process().memory_info().rss, time.process_time()
    found = outcome(data)
    seconds = time.process_time() - start
    status = Path("/proc/self/status").read_text().split()
    return found, seconds, int(status[status.index("VmHWM:") + 1]) * 1024 - before


def report_bombs() -> None:
    n_good = 0
    files = bombs() | large_bombs()
    outcome(png(600, 600, 8, 0, 601 * 600))  # so that what reduces images is compiled
    for name, data in files.items():
        found, seconds, n_bytes = measured(data)
        is_good = seconds < BOMB_SECONDS and n_bytes < BOMB_BYTES and found in GOOD
        n_good += is_good
        mark = "" if is_good else "   <-- too much"
        print(f"{name:<36} {len(data):>9} B {found:<8} {seconds:.3f} s {n_bytes >> 20} MB{mark}")
    print(f"bombs: {n_good} of {len(files)} under {BOMB_SECONDS} s and {BOMB_BYTES >> 20} MB")


def folder_of_all(folder: Path, n: int) -> int:
    """Write good, damaged and odd files into a folder; return how many."""
    folder.mkdir()
    rng = np.random.default_rng(3)
    files = encoded()
    whole = files["PNG"]
    count = 0
    for name in ODD_NAMES:
        (folder / name).write_bytes(whole)
        count += 1
    for name, data in files.items():
        for k in range(n):
            stem = f"{name} {k}"
            (folder / f"{stem} cut.jpg").write_bytes(data[: int(rng.integers(len(data)))])
            (folder / f"{stem} noise.png").write_bytes(rng.bytes(int(rng.integers(1, 2000))))
            count += 2
    for k, data in enumerate((b"", b"\0", b"GIF89a", b"\xff\xd8\xff", b"text", b"II*\0")):
        (folder / f"stub {k}.jpg").write_bytes(data)
        count += 1
    return count


def job(folder: Path, n: int) -> str:
    n_files = folder_of_all(folder / "images", n)
    result = extract(folder / "images", folder / "store", FEATURES, n_jobs=1)
    status = Counter(result.images["status"].to_pylist())
    kinds = Counter(result.images["kind"].drop_null().to_pylist())
    is_right = len(result.images) == n_files == status["ok"] + status["failed"]
    named = status["failed"] == sum(kinds.values()) and status["ok"] >= len(ODD_NAMES)
    return (
        f"{n_files} files, {status['ok']} ok + {status['failed']} failed: "
        f"{'right' if is_right and named else 'WRONG'} ({dict(kinds)})"
    )


def report(n: int = 50) -> None:
    for kind, count in (("truncations", truncations), ("mutations", mutations)):
        counts = count(n)
        totals: Counter[str] = Counter()
        for (name, found), number in counts.items():
            totals[found] += number
            if found not in GOOD or (kind == "truncations" and found == "read"):
                print(f"  {kind} of {name}: {number} {found}")
        print(f"{kind:<12} {totals.total()}: {dict(totals)}")
    report_bombs()
    with tempfile.TemporaryDirectory() as folder:
        print(f"a job        {job(Path(folder), n // 4)}")
