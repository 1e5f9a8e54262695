"""Damaged files in a store or a run: each is noticed by name, or mended, and no number changes."""

import io
import json
import re
import shutil
import tempfile
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from .bed import Bed, make_bed

GOOD = ("right", "unharmed", "refused")
COMMANDS = ("run", "extract", "train", "evaluate", "predict", "verify", "export")
LOOKING = ("ls", "plan", "why")  # say what is there, and have no numbers to compare
OF_STORE = ("verify", "export", *LOOKING)
PAGE = 512


def flip_a_bit(file: Path, rng: np.random.Generator) -> None:
    data = bytearray(file.read_bytes())
    bit = int(rng.integers(8 * len(data)))
    data[bit // 8] ^= 1 << bit % 8
    file.write_bytes(data)


def zero_a_page(file: Path, rng: np.random.Generator) -> None:
    data = bytearray(file.read_bytes())
    start = int(rng.integers(-(-len(data) // PAGE))) * PAGE
    data[start : start + PAGE] = bytes(len(data[start : start + PAGE]))
    file.write_bytes(data)


def truncate(file: Path, rng: np.random.Generator) -> None:
    file.write_bytes(file.read_bytes()[: int(rng.integers(file.stat().st_size))])


def swap(file: Path, other: Path) -> None:
    first, second = file.read_bytes(), other.read_bytes()
    file.write_bytes(second)
    other.write_bytes(first)


KINDS = {"flipped bit": flip_a_bit, "zeroed page": zero_a_page, "truncation": truncate}


def damage(bed: Bed, rng: np.random.Generator) -> tuple[str, list[Path]]:
    """Damage a file of a run, or swap two; return what was done and to which files."""
    files = sorted(f for f in bed.run.rglob("*") if f.is_file() and f.stat().st_size)
    file = files[rng.integers(len(files))]
    others = [f for f in files if f.suffix == file.suffix and f.read_bytes() != file.read_bytes()]
    kind = str(rng.choice([*KINDS, *(["swap"] if others else [])]))
    if kind == "swap":
        other = others[rng.integers(len(others))]
        swap(file, other)
        return kind, [file, other]
    KINDS[kind](file, rng)
    return kind, [file]


def content(file: Path) -> Any:
    """Return what a file says, whatever its bytes are."""
    data = file.read_bytes()
    if file.suffix == ".npz":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    if file.suffix == ".json":
        return json.loads(data)
    return pq.read_table(file).to_pylist() if file.suffix == ".parquet" else data


def is_harmless(bed: Bed, whole: Bed) -> bool:
    """Tell whether every file of the store says the same, but lists that no command reads."""
    try:
        return all(
            content(bed.run / f.relative_to(whole.run)) == content(f)
            for f in (whole.run / "store").rglob("*")
            if f.is_file() and f.suffix != ".csv"
        )
    except Exception:
        return False


def judge(bed: Bed, whole: Bed, name: str, expected: Any, files: list[Path]) -> tuple[str, str]:
    """Do a command on a damaged run; return what became of it, and the details."""
    outcome = bed.do(name)
    if outcome.fault:
        return outcome.fault.partition(" ")[0], outcome.fault
    if outcome.code == 0:
        if name == "verify":
            return ("unharmed", "") if is_harmless(bed, whole) else ("silent", outcome.out)
        is_same = name in LOOKING or bed.numbers(name, outcome) == expected
        return ("right", "") if is_same else ("silent", outcome.out)
    said = outcome.out if name == "verify" else outcome.err
    names = [file.relative_to(bed.run) for file in files]
    if not any("/".join(name.parts[-2:]).removeprefix("store/") in said for name in names):
        return "unnamed", said
    return _mended(bed, name, expected, said)


def _mended(bed: Bed, name: str, expected: Any, said: str) -> tuple[str, str]:
    """Do what the messages say until the command works; two files may be damaged."""
    last = said
    for _ in range(4):
        advice = re.findall(r"`visualwords (?:store )?(\w+)", last)
        if not advice:
            return "no advice", f"{said}, then {last}"
        outcome = bed.do(advice[0])
        if outcome.code == 0 and name in OF_STORE:
            outcome = bed.do("run")
        if outcome.code == 0:
            outcome = bed.do(name)
        if outcome.fault:
            return outcome.fault, said
        if not outcome.code:
            is_same = name in ("verify", *LOOKING) or bed.numbers(name, outcome) == expected
            return ("refused" if is_same else "mended to other numbers"), said
        last = outcome.out + outcome.err
    return "not mended", f"{said}, then {last}"


def trial(folder: Path, number: int, whole: Bed, expected: dict[str, Any]) -> tuple[str, str, str]:
    """Damage a copy of a run; return what was done, what became of it, and the details."""
    rng = np.random.default_rng(number)
    bed = whole.copy(folder / str(number))
    kind, files = damage(bed, rng)
    name = str(rng.choice([*COMMANDS, *LOOKING]))
    if name in OF_STORE and not any(bed.run / "store" in file.parents for file in files):
        name = "run"
    found, details = judge(bed, whole, name, expected.get(name), files)
    shutil.rmtree(bed.run)
    names = ", ".join(str(f.relative_to(bed.run)) for f in files)
    return kind, found, f"{number}: {kind} of {names}, then {name}: {found}: {details.strip()}"


def trials(whole: Bed, folder: Path, n: int) -> tuple[Counter[tuple[str, str]], list[str]]:
    """Return how often what became of each kind of damage, and the details of what is wrong."""
    counts: Counter[tuple[str, str]] = Counter()
    wrong = []
    expected = {name: whole.numbers(name, whole.do(name)) for name in COMMANDS}
    for number in range(n):
        kind, found, details = trial(folder, number, whole, expected)
        counts[kind, found] += 1
        wrong += [] if found in GOOD else [details]
    return counts, wrong


def report(n: int = 1000) -> None:
    with tempfile.TemporaryDirectory() as root:
        counts, wrong = trials(make_bed(Path(root)), Path(root), n)
    print(*wrong, sep="\n")
    for kind in (*KINDS, "swap"):
        texts = [f"{count} {found}" for (k, found), count in sorted(counts.items()) if k == kind]
        print(f"{kind:<20} {', '.join(texts)}")
