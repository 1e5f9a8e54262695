"""A whole run, and copies of it that tests may change."""

import shutil

import pytest

from visualwords.tests.pipeline.runs.helpers import open_run, recipe


@pytest.fixture(scope="session")
def original(crops, test_crops, tmp_path_factory):
    """A whole run; read-only."""
    folder = tmp_path_factory.mktemp("run") / "run"
    open_run(folder).run(crops, test_crops, recipe())
    return folder


@pytest.fixture
def folder(original, tmp_path):
    return shutil.copytree(original, tmp_path / "run")
