"""A small job whose files trials may spoil, and the numbers that it must give all the same."""

import contextlib
import io
import json
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from visualwords.pipeline.cli import main
from visualwords.pipeline.run import Run

from .common import small_shards

CLASSES = {"red": (200, 60, 50), "green": (60, 190, 70), "blue": (60, 70, 200)}
OPTIONS = ["--set", "words.n_words=8", "--jobs", "1"]
HANG_SECONDS = 60


@dataclass
class Outcome:
    """What a command did.

    Attributes
    ----------
    code : int
        The exit code.
    out, err : str
        What was printed.
    fault : str
        "traceback" or "hang", or nothing.
    """

    code: int
    out: str
    err: str
    fault: str = ""


class Hang(BaseException):
    """A command took far too long."""


@contextlib.contextmanager
def alarm(seconds: float) -> Iterator[None]:
    """Raise Hang after some seconds, in the main thread."""

    def ring(*_: Any) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def command(*arguments: str, seconds: float = HANG_SECONDS) -> Outcome:
    """Run a command of visualwords in this process."""
    out, err, code, fault = io.StringIO(), io.StringIO(), -1, ""
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            with alarm(seconds):
                code = main(list(arguments))
        except Hang:
            fault = "hang"
        except BaseException as error:
            fault = f"traceback {type(error).__name__}: {error}"
    return Outcome(code, out.getvalue(), err.getvalue(), fault)


@dataclass
class Bed:
    """Labelled images and the folder of a run on them.

    Attributes
    ----------
    images : Path
    run : Path
        Its store is the folder ``store`` in it.
    """

    images: Path
    run: Path

    def do(self, name: str, seconds: float = HANG_SECONDS) -> Outcome:
        """Do a command, such as "evaluate"; "small run" is a run of two features."""
        run = str(self.run)
        picture = str(self.images / "red" / "00.png")
        exported = str(self.run.parent / f"{self.run.name}.npz")
        again = [str(self.images), "--out", run, *OPTIONS]
        arguments = {
            "run": ["run", *again, "--no-report"],
            "small run": ["run", *again, "--features", "hue,words", "--no-report"],
            "extract": ["extract", *again],
            "train": ["train", run, "--jobs", "1"],
            "evaluate": ["evaluate", run, "--jobs", "1"],
            "predict": ["predict", run, picture, "--jobs", "1"],
            "verify": ["store", "verify", str(self.run / "store")],
            "repair": ["store", "repair", str(self.run / "store")],
            "ls": ["store", "ls", str(self.run / "store")],
            "export": ["store", "export", str(self.run / "store"), "hog", "--to", exported],
            "plan": ["plan", str(self.images), "--store", str(self.run / "store"), *OPTIONS],
            "why": ["why", str(self.run / "store"), "words"],
        }
        return command(*arguments[name], seconds=seconds)

    def numbers(self, name: str, outcome: Outcome) -> Any:
        """Return what a command gives, as far as the same job gives it each time."""
        if name == "predict":
            return outcome.out
        if name == "export":
            return (self.run.parent / f"{self.run.name}.npz").read_bytes()
        found: dict[str, Any] = {}
        if name in ("run", "extract"):
            run = Run.open(self.run)
            found |= {f: np.asarray(run.matrix(f)).tobytes() for f in run.features}
            found["labels"] = [run.labels(s).tolist() for s in ("train", "test")]
            names = ["path", "label", "split", "digest", "status", "kind", "reason"]
            found["images"] = run.images.select(names).to_pylist()
        if name in ("run", "train"):
            found["models"] = {f.name: f.read_bytes() for f in self.run.glob("models/*-*.npz")}
        if name in ("run", "evaluate"):
            found["predictions"] = (self.run / "predictions.csv").read_bytes()
        if name in ("run", "evaluate", "train"):
            found["scores"] = self._scores(name)
        return found

    def _scores(self, name: str) -> Any:
        metrics = json.loads((self.run / "metrics.json").read_bytes())
        for scores in metrics["classifiers"].values():
            scores.pop("fit_seconds", None)
        if name == "train":
            return {n: s.get("train_accuracy") for n, s in metrics["classifiers"].items()}
        counts = {k: v for k, v in metrics.get("images", {}).items() if k != "decoded"}
        return [metrics["classifiers"], counts, metrics.get("failures")]

    def copy(self, folder: Path) -> "Bed":
        """Return a copy of the run, on the same images."""
        shutil.copytree(self.run, folder)
        return Bed(self.images, folder)


def write_classes(folder: Path, per_class: int = 10) -> Path:
    """Write images of three classes, one of them twice and one of them damaged."""
    rng = np.random.default_rng(0)
    for name, colour in CLASSES.items():
        (folder / name).mkdir(parents=True)
        for i in range(per_class):
            noise = rng.normal(0, 50, (24 + i, 32, 3))
            pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i:02d}.png")
    shutil.copy(folder / "red" / "01.png", folder / "red" / "copy.png")
    whole = (folder / "blue" / "01.png").read_bytes()
    (folder / "blue" / "damaged.png").write_bytes(whole[: len(whole) // 2])
    return folder


def make_bed(folder: Path) -> Bed:
    """Do the job once, undisturbed. Its store has a second version of two features."""
    bed = Bed(write_classes(folder / "images"), folder / "run")
    store = str(bed.run / "store")
    others = ["--features", "hue,words", "--set", "hue.n_bins=12", "--seed", "1"]
    with small_shards(8):
        for outcome in (
            command("extract", str(bed.images), "--store", store, *others, *OPTIONS, seconds=600),
            bed.do("run", seconds=600),  # kernels may have to be compiled
        ):
            if outcome.code or outcome.fault:
                raise RuntimeError(outcome.fault or outcome.err)
    return bed
