"""The package works where the modules that only POSIX systems have are missing."""

import subprocess
import sys

# What is taken away are modules and functions that Windows lacks. filelock and psutil have code for
# each system and choose it when they are imported, so they are imported before.
PROGRAM = """
import os
import signal
import sys

import filelock
import psutil

POSIX = ("fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "crypt", "spwd", "syslog")
for name in POSIX:
    sys.modules[name] = None  # an import raises ImportError from now on
OF_OS = '''
    chown fchown fork forkpty getegid geteuid getgid getloadavg getpgid getsid getuid killpg mkfifo
    mknod nice posix_fadvise posix_fallocate pread preadv pwrite pwritev sched_getaffinity
    sched_setaffinity sched_yield sendfile setsid statvfs sysconf wait3 wait4
'''
OF_SIGNAL = '''
    SIGALRM SIGCHLD SIGHUP SIGPIPE SIGQUIT SIGUSR1 SIGUSR2 alarm pause pthread_kill pthread_sigmask
    setitimer sigpending sigtimedwait sigwait
'''
for module, names in ((os, OF_OS), (signal, OF_SIGNAL)):
    for name in names.split():
        if hasattr(module, name):  # macOS has fewer
            delattr(module, name)

import importlib
import pkgutil
from pathlib import Path

import visualwords

for folder in ("features", "classifiers", "pipeline"):
    package = importlib.import_module(f"visualwords.{folder}")
    for module in pkgutil.walk_packages(package.__path__, f"visualwords.{folder}."):
        importlib.import_module(module.name)

from visualwords.pipeline import sample
from visualwords.pipeline.cli import main

images, run = Path(sys.argv[1], "images"), Path(sys.argv[1], "run")
sample.SKIMAGE_PHOTOGRAPHS = ("brick", "coffee", "rocket")
sample.CROPS = {"test": 6}
sample.write_sample_images(images)
command = ["run", str(images / "test"), "--out", str(run), "--set", "words.n_words=10"]
command += ["--no-report", "--jobs", "2", "--set", "hog.image_size=[32,32]"]
assert main(command) == 0
photographs = str(images / "test" / "rocket")
assert main(["predict", str(run), photographs, "--out", str(run / "found.csv")]) == 0
assert main(["store", "verify", str(run / "store")]) == 0
assert not [name for name in POSIX if sys.modules[name] is not None]
"""


def test_the_demo_runs_without_the_modules_of_posix(tmp_path):
    command = [sys.executable, "-W", "error", "-c", PROGRAM, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "run" / "metrics.json").exists()
    assert "hue+hog+words" in done.stdout
