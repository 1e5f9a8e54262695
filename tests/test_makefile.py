"""``make`` finds a Python that is new enough, and never keeps an environment that is half made."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Stands for Python: `-c` checks the version, `-m venv` makes a folder with itself as bin/python,
# `-m uv` does what $UV says and `-m pip install` what $PIP says. Each call is written down.
FAKE = """#!/bin/sh
echo "$VERSION $*" >> "$CALLS"
case "$*" in
    -c*) [ "$VERSION" != 3.9 ] ;;
    *venv*) for folder; do :; done
        case "$*" in *--clear*) rm -rf "$folder" ;; esac
        mkdir -p "$folder/bin" && cp "$0" "$folder/bin/python" ;;
    "-m uv "*) $UV ;;
    "-m pip "*) $PIP ;;
esac
"""


@pytest.fixture
def make(tmp_path):
    if not shutil.which("make"):
        pytest.skip("make is not installed")
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "python").write_text(FAKE)
    (tmp_path / "python").chmod(0o755)

    def run(version="3.11", uv="true", pip="true"):
        calls = tmp_path / "calls"
        calls.write_text("")
        variables = {"VERSION": version, "UV": uv, "PIP": pip, "CALLS": str(calls)}
        done = subprocess.run(
            ["make", ".venv/installed", "PYTHON=./python"],
            cwd=tmp_path,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
        )
        made = [line for line in calls.read_text().splitlines() if "venv --clear" in line]
        return done, len(made)

    return run


def test_an_old_python_is_refused_before_an_environment_is_made(make, tmp_path):
    done, made = make("3.9")
    assert done.returncode != 0
    assert "needs Python 3.11 or newer" in done.stdout
    assert made == 0
    assert not (tmp_path / ".venv").exists()


def test_an_environment_is_made_anew_after_an_installation_that_failed(make, tmp_path):
    done, _ = make(uv="false", pip="false")
    assert done.returncode != 0
    left_over = tmp_path / ".venv" / "left_over"
    left_over.touch()
    done, made = make()
    assert (done.returncode, made) == (0, 1), done.stderr
    assert not left_over.exists()


def test_pip_installs_where_uv_cannot(make, tmp_path):
    done, _ = make(uv="false")
    assert done.returncode == 0, done.stderr
    *_, by_uv, by_pip = (tmp_path / "calls").read_text().splitlines()
    assert by_uv == "3.11 -m uv pip install --quiet --editable ."
    assert by_pip == "3.11 -m pip install --quiet --no-compile --editable ."


def test_an_environment_that_is_whole_is_kept(make, tmp_path):
    assert make()[1] == 1
    assert make()[1] == 0
    later = (tmp_path / ".venv" / "installed").stat().st_mtime + 10
    os.utime(tmp_path / "pyproject.toml", (later, later))
    done, made = make()
    assert (done.returncode, made) == (0, 0)
    assert (
        len((tmp_path / "calls").read_text().splitlines()) > 1
    )  # its packages are brought up to date
