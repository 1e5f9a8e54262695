"""A small folder of real photographs' crops: three classes, JPEG and PNG, grey and colour."""

import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

PHOTOGRAPHS = ("brick", "coffee", "rocket")


def write_crops(folder: Path, per_class: int, seed: int) -> Path:
    from skimage import data

    rng = np.random.default_rng(seed)
    for name in PHOTOGRAPHS:
        photograph = getattr(data, name)()
        (folder / name).mkdir(parents=True)
        for number in range(per_class):
            rows, columns = rng.integers(40, 60, 2)
            row = rng.integers(photograph.shape[0] - rows)
            column = rng.integers(photograph.shape[1] - columns)
            crop = Image.fromarray(photograph[row : row + rows, column : column + columns])
            crop.save(folder / name / f"{number:02d}.{('jpg', 'png')[number % 2]}")
    return folder


@pytest.fixture(scope="session")
def crops(tmp_path_factory) -> Path:
    """Read-only: 3 classes x 12 crops."""
    return write_crops(tmp_path_factory.mktemp("crops") / "train", per_class=12, seed=0)


@pytest.fixture(scope="session")
def test_crops(tmp_path_factory) -> Path:
    """Read-only: 3 classes x 5 other crops."""
    return write_crops(tmp_path_factory.mktemp("crops") / "test", per_class=5, seed=1)


@pytest.fixture
def images(crops, tmp_path) -> Path:
    """A copy of the crops that a test may change."""
    return shutil.copytree(crops, tmp_path / "images")


@pytest.fixture
def dask_cluster():
    """Return a function that starts Dask's workers: forks of one process that imports for all."""
    distributed = pytest.importorskip("distributed")
    import dask
    from distributed.utils import get_mp_context

    with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}):
        get_mp_context().set_forkserver_preload(["distributed", "visualwords.pipeline.job"])
        yield partial(distributed.LocalCluster, dashboard_address=None)
