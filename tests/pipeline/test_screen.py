"""What a terminal shows: 80 columns, and colour that a pipe does not get."""

import os
import pty
import subprocess
import sys

COMMAND = [sys.executable, "-m", "visualwords", "run", "--no-such-option"]
ESCAPE = b"\x1b["


def test_errors_are_coloured_on_a_terminal_and_plain_in_a_pipe():
    settings = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
    environment = settings | {"TERM": "xterm-256color"}
    piped = subprocess.run(COMMAND, env=environment, capture_output=True)
    assert piped.returncode == 2
    assert piped.stderr.startswith(b"error: No such option")
    assert ESCAPE not in piped.stderr
    master, slave = pty.openpty()
    assert subprocess.run(COMMAND, env=environment, stderr=slave).returncode == 2
    os.close(slave)
    shown = os.read(master, 10_000)
    os.close(master)
    assert shown.startswith(ESCAPE)
    assert b"error: No such option" in shown


def test_help_fits_80_columns():
    settings = {k: v for k, v in os.environ.items() if k != "COLUMNS"}
    command = [sys.executable, "-m", "visualwords", "run", "--help"]
    said = subprocess.run(command, env=settings, capture_output=True, text=True, check=True)
    assert max(map(len, said.stdout.splitlines())) <= 80
