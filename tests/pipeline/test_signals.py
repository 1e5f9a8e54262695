"""Real signals: a job finishes the images in work, says what is done, and goes on later."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from visualwords.pipeline.cli import main

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGTERM")

N_IMAGES, ROWS = 32, 4
# The command line with small shards, and a feature that takes its time.
COMMAND = f"""
import sys
from visualwords.pipeline import extract
from visualwords.pipeline.cli import main
extract.SHARD_ROWS = {ROWS}
sys.exit(main(sys.argv[1:]))
"""
FEATURE = """
import time
from visualwords.features import HueHistogram

class Slow(HueHistogram):
    def transform(self, X):
        time.sleep(0.2)
        return super().transform(X)
"""


@pytest.fixture
def images(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (N_IMAGES, 16, 16, 3), np.uint8)
    (tmp_path / "images").mkdir()
    for i, image in enumerate(pixels):
        Image.fromarray(image).save(tmp_path / "images" / f"{i:02d}.png")
    (tmp_path / "slow_feature.py").write_text(FEATURE)
    return tmp_path / "images"


def arguments(images, store, engine):
    n_jobs = {"threads": "2", "processes": "1"}[engine]  # each process imports the package
    command = ["extract", str(images), "--store", str(store), "--json", "--jobs", n_jobs]
    command += ["--engine", engine, "--features", "slow"]
    return [*command, "--set", "slow.kind=slow_feature:Slow"]


def start(images, store, engine):
    """Start a job in a process group of its own, as a terminal does."""
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, *arguments(images, store, engine)],
        cwd=images.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize(
    ("engine", "number"), [("threads", signal.SIGINT), ("processes", signal.SIGTERM)]
)
def test_a_signal_ends_a_job_in_order_and_the_next_one_goes_on(
    images, tmp_path, engine, number, monkeypatch, capsys
):
    store = tmp_path / "store"
    job = start(images, store, engine)
    while not list(store.glob("slow-*/*.npy")):
        assert job.poll() is None, job.communicate()
        time.sleep(0.01)
    os.killpg(job.pid, number)  # Ctrl-C and Slurm reach the workers, too
    out, told = job.communicate(timeout=120)
    assert job.returncode == 128 + number, told
    assert out == ""
    shards = {file.stem for file in store.glob("slow-*/*.npy")}
    assert shards == {file.stem for file in store.glob("slow-*/*.json")} - {"feature"}
    n_done = ROWS * len(shards)
    assert 0 < n_done < N_IMAGES
    assert f"interrupted (extract: {n_done} of {N_IMAGES} done)" in told
    assert "the same command goes on from there" in told
    assert not re.search("Traceback|Error", told)
    monkeypatch.syspath_prepend(images.parent)
    monkeypatch.delitem(sys.modules, "slow_feature", raising=False)
    assert main(arguments(images, store, "threads")) == 0
    assert json.loads(capsys.readouterr().out)["computed"] == {"slow": N_IMAGES - n_done}
