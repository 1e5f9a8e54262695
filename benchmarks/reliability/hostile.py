"""Files that somebody made on purpose, with right checksums: refused by name, and no code runs."""

import contextlib
import io
import json
import os
import shutil
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from visualwords.pipeline.run_schema import IMAGES, METRICS, MODELS, RUN
from visualwords.pipeline.store.files import LocalFolder, checksum
from visualwords.pipeline.store.tables import read_table, write_table

from .bed import OPTIONS, Bed, Outcome, command, make_bed

MODEL = "Softmax-hue+hog+words"
DEEP = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
Change = Callable[[Bed], Any]


def arrays_of(file: Path) -> dict[str, np.ndarray]:
    with np.load(file) as archive:
        return {name: archive[name] for name in archive.files}


def change_model(change: Callable[[dict[str, Any], dict[str, np.ndarray]], Any]) -> Change:
    """Change what a model's file says (its JSON and its arrays), and seal it again."""

    def changed(bed: Bed) -> None:
        file = bed.run / f"models/{MODEL}.npz"
        arrays = arrays_of(file)
        said = json.loads(arrays.pop("json").tobytes())
        change(said, arrays)
        buffer = io.BytesIO()
        text = np.frombuffer(json.dumps(said).encode(), np.uint8)
        np.savez(buffer, json=text, **arrays)
        replace_model(buffer.getvalue())(bed)

    return changed


def replace_model(data: bytes) -> Change:
    """Put other bytes in the place of a model, and seal them."""

    def changed(bed: Bed) -> None:
        (bed.run / f"models/{MODEL}.npz").write_bytes(data)
        seal = {MODEL: checksum(MODEL, data)}
        change_record(MODELS, lambda r: r["files"].update(seal))(bed)

    return changed


def learned(name: str, value: Callable[[np.ndarray], np.ndarray]) -> Change:
    """Change an array that a model learned."""

    def change(said: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        key = said["learned"][name]["array"]
        arrays[key] = value(arrays[key])

    return change_model(change)


def change_record(name: str, change: Callable[[dict[str, Any]], Any]) -> Change:
    """Change a record of a run, and seal it again."""

    def changed(bed: Bed) -> None:
        record = json.loads((bed.run / name).read_bytes())
        record.pop("crc32")
        change(record)
        identity = json.loads((bed.run / RUN).read_bytes())["identity"]
        LocalFolder(bed.run).write_record(name, record, "" if name == RUN else identity)

    return changed


def change_shard(change: Callable[[dict[str, Any]], Any], suffix: str = "json") -> Change:
    """Change the record of a shard, or its rows, and seal both again."""

    def changed(bed: Bed) -> None:
        file = sorted(bed.run.glob("store/hue-*/[0-9a-f]*.json"))[0]
        record = json.loads(file.read_bytes())
        record.pop("crc32")
        if suffix == "npy":
            rows = change(np.load(file.with_suffix(".npy")))
            np.save(file.with_suffix(".npy"), rows)
            record["rows_crc32"] = zlib.crc32(file.with_suffix(".npy").read_bytes())
        else:
            change(record)
        store = bed.run / "store"
        LocalFolder(store).write_record(str(file.relative_to(store)), record)

    return changed


def change_images(change: Callable[[pa.Table], pa.Table]) -> Change:
    def changed(bed: Bed) -> None:
        folder = LocalFolder(bed.run)
        seal = write_table(folder, IMAGES, change(read_table(folder, IMAGES)))
        change_record(RUN, lambda record: record.update(images=seal))(bed)

    return changed


def put(pattern: str, data: bytes | str) -> Change:
    """Put bytes, a pipe, a loop of links or a folder in the place of a file."""

    def changed(bed: Bed) -> None:
        file = sorted(bed.run.glob(pattern))[0]
        shutil.rmtree(file) if file.is_dir() else file.unlink()
        if data == "pipe":
            os.mkfifo(file)
        elif data == "loop":
            file.symlink_to(file.name)
        elif data == "folder":
            file.mkdir()
        else:
            file.write_bytes(data)  # type: ignore[arg-type]

    return changed


def compressed(n_bytes: int) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, json=np.zeros(n_bytes, np.uint8))
    return buffer.getvalue()


def pickled() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, json=np.array([{"a": 1}], object))
    return buffer.getvalue()


def learned_of(**changes: Any) -> Change:
    return change_model(lambda said, arrays: said["learned"].update(changes))


def said_of(**changes: Any) -> Change:
    return change_model(lambda said, arrays: said.update(changes))


def set_in(group: str, **changes: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda record: record[group].update(changes)


OWN = {"kind": "evil:Evil", "parameters": {}}
SHARD = "store/hue-*/[0-9a-f]*"
CASES: dict[str, tuple[str, Change]] = {
    "NaN weights": ("predict", learned("coef_", lambda a: a * np.nan)),
    "infinite intercepts": ("predict", learned("intercept_", lambda a: a + np.inf)),
    "int8 weights": ("predict", learned("coef_", lambda a: a.astype(np.int8))),
    "int64 weights": ("evaluate", learned("coef_", lambda a: a.astype(np.int64))),
    "float16 weights": ("predict", learned("coef_", lambda a: a.astype(np.float16))),
    "complex weights": ("predict", learned("coef_", lambda a: a.astype(complex))),
    "weights of fewer columns": ("predict", learned("coef_", lambda a: a[:, 1:].copy())),
    "weights of fewer classes": ("evaluate", learned("coef_", lambda a: a[1:].copy())),
    "flat weights": ("predict", learned("coef_", lambda a: a.ravel().copy())),
    "permuted classes": ("predict", learned("classes_", lambda a: a[::-1].copy())),
    "numbers for classes": ("predict", learned("classes_", lambda a: np.arange(len(a)))),
    "units of zero": ("predict", learned("unit_", lambda a: a * 0)),
    "no intercepts": ("predict", change_model(lambda s, a: s["learned"].pop("intercept_"))),
    "centres without units": ("predict", change_model(lambda s, a: s["learned"].pop("unit_"))),
    "an index out of range": ("predict", learned_of(coef_={"array": "array99"})),
    "a method replaced": ("predict", learned_of(predict_proba="x")),
    "a class replaced": ("predict", learned_of(__class__="x")),
    "another module": ("predict", said_of(**{"class": "os.system"})),
    "a feature for a classifier": ("predict", said_of(**{"class": "features.HueHistogram"})),
    "a parameter of none": ("predict", said_of(parameters={"evil": 1})),
    "a compressed archive": ("predict", lambda bed: replace_model(compressed(1 << 28))(bed)),
    "a pickle": ("predict", replace_model(pickled())),
    "nested JSON in a model": ("predict", replace_model(DEEP)),
    "nested JSON": ("predict", put(MODELS, DEEP)),
    "classes out of order": ("evaluate", change_record(MODELS, lambda r: r["classes"].reverse())),
    "a class too few": ("evaluate", change_record(MODELS, lambda r: r["classes"].pop())),
    "a classifier without file": (
        "evaluate",
        change_record(MODELS, lambda r: r["files"].pop(MODEL)),
    ),
    "a file elsewhere": ("predict", change_record(MODELS, set_in("files", **{"../../x": 1}))),
    "a reader of one limit": ("predict", change_record(MODELS, lambda r: r["reader"].pop())),
    "texts for columns": ("predict", change_record(MODELS, set_in("columns", hue="10"))),
    "other columns": ("predict", change_record(MODELS, set_in("columns", hue=11))),
    "an own classifier": ("train", change_record(RUN, set_in("recipe", classifiers={"e": OWN}))),
    "an own feature": ("predict", change_record(RUN, set_in("recipe", features={"hue": OWN}))),
    "a recipe of fewer features": (
        "predict",
        change_record(RUN, lambda r: r["recipe"]["features"].pop("hog")),
    ),
    "a seed of text": ("train", change_record(RUN, set_in("recipe", seed="0"))),
    "a share above 1": ("train", change_record(RUN, set_in("recipe", test_size=7.5))),
    "no recipe": ("train", change_record(RUN, lambda r: r.pop("recipe"))),
    "a folder elsewhere": ("evaluate", change_record(RUN, set_in("features", hue="../../etc"))),
    "a record of 100 MB": ("evaluate", lambda bed: put(RUN, b" " * 100_000_000)(bed)),
    "a pipe for run.json": ("evaluate", put(RUN, "pipe")),
    "a loop for run.json": ("evaluate", put(RUN, "loop")),
    "a folder for run.json": ("evaluate", put(RUN, "folder")),
    "a pipe for images.parquet": ("evaluate", put(IMAGES, "pipe")),
    "a loop for metrics.json": ("evaluate", put(METRICS, "loop")),
    "a pipe for a model": ("predict", put(f"models/{MODEL}.npz", "pipe")),
    "a loop for models": ("predict", put("models", "loop")),
    "short digests": (
        "evaluate",
        change_images(
            lambda t: t.set_column(3, "digest", pa.array([b"short"] * len(t), pa.binary()))
        ),
    ),
    "a table of a billion rows": (
        "evaluate",
        change_images(lambda t: pa.table({"path": pa.nulls(70_000_000, pa.string())})),
    ),
    "rows below none": ("run", change_shard(lambda r: r.update(rows=-1))),
    "rows without end": ("run", change_shard(lambda r: r.update(rows=2**62, columns=2**62))),
    "failures of two fields": ("run", change_shard(lambda r: r.update(failed=[["00", "x"]]))),
    "digests of no digits": ("run", change_shard(lambda r: r.update(images="zz" * 16))),
    "NaN in rows": ("run", change_shard(lambda a: a * np.nan, "npy")),
    "rows of doubles": ("run", change_shard(lambda a: a.astype(float), "npy")),
    "rows turned over": ("run", change_shard(lambda a: a.T.copy(), "npy")),
    "a pipe for rows": ("run", put(f"{SHARD}.npy", "pipe")),
    "a loop for rows": ("run", put(f"{SHARD}.npy", "loop")),
    "a pipe for a shard": ("extract", put(f"{SHARD}.json", "pipe")),
    "a pipe for a feature": ("extract", put("store/words-*/feature.json", "pipe")),
    "nested JSON for a feature": ("extract", put("store/words-*/feature.json", DEEP)),
    "a compressed vocabulary": (
        "extract",
        lambda bed: put("store/words-*/learned.npz", compressed(1 << 28))(bed),
    ),
    "a pipe for the index": ("extract", put("store/index/*/*.parquet", "pipe")),
}
RECIPES: dict[str, bytes | str] = {
    "a pipe": "pipe",
    "a folder": "folder",
    "a loop": "loop",
    "no text": b"\xff\xfe\x00\x01",
    "nested tables": b"a=" + b"[" * 100_000 + b"]" * 100_000,
    "a system call": b'[features.hue]\nkind = "os:system"\n',
    "a module of dots": b'[features.hue]\nkind = "...:x"\n',
    "a number for a table": b"features = 3\n",
    "an endless vocabulary": b'[features.w]\nkind = "BagOfVisualWords"\nn_words = 1e18\n',
    "no bins": b'[features.h]\nkind = "HueHistogram"\nn_bins = -3\n',
    "a seed that is no number": b"seed = nan\n",
    "an image for an image": b'[features.h]\nkind = "HOG"\nimage_size = [1000000000, 1000000000]\n',
}


def judge(bed: Bed, name: str, outcome: Outcome, expected: Any) -> str:
    """Return "refused" or "right", or what is wrong."""
    if outcome.fault:
        return outcome.fault
    if Path("evil-was-here").exists():
        return "code was run"
    if outcome.code:
        is_named = str(bed.run) in outcome.err and outcome.err.count("\n") == 1
        return "refused" if is_named else f"unnamed: {outcome.err}"
    return "right" if bed.numbers(name, outcome) == expected[name] else "silent"


def trials(whole: Bed, folder: Path, names: Any = None) -> tuple[Counter[str], list[str]]:
    """Return how often what became of hostile files, and the details of what is wrong."""
    counts: Counter[str] = Counter()
    wrong = []
    commands = ("run", "extract", "train", "evaluate", "predict")
    expected = {name: whole.numbers(name, whole.do(name)) for name in commands}
    for number, (case, (name, change)) in enumerate(CASES.items()):
        if names is not None and case not in names:
            continue
        bed = whole.copy(folder / f"{number}")
        change(bed)
        found = judge(bed, name, bed.do(name), expected)
        counts[found if found in GOOD else "wrong"] += 1
        wrong += [] if found in GOOD else [f"{case}, then {name}: {found}"]
    for case, data in RECIPES.items():
        if names is not None and case not in names:
            continue
        bed = whole.copy(folder / f"recipe {case}")
        put("recipe.toml", data)(bed)
        recipe, run = str(bed.run / "recipe.toml"), str(bed.run / "new")
        arguments = ["run", str(bed.images), "--out", run, "--recipe", recipe, *OPTIONS[2:]]
        found = judge(bed, "run", command(*arguments), expected)
        counts[found if found in GOOD else "wrong"] += 1
        wrong += [] if found in GOOD else [f"a recipe of {case}: {found}"]
    return counts, wrong


GOOD = ("refused", "right")


def report() -> None:
    with tempfile.TemporaryDirectory() as root, contextlib.chdir(root):
        Path("evil.py").write_text("open('evil-was-here', 'w')\nclass Evil: pass\n")
        counts, wrong = trials(make_bed(Path(root)), Path(root))
    print(*wrong, sep="\n")
    print(f"hostile files        {counts.total()}: {dict(counts)}")
