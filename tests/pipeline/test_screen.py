"""What a screen shows: 80 columns, colour that a pipe does not get, and what to mind."""

import os
import pty
import re
import subprocess
import sys

from visualwords.pipeline.cli import main
from visualwords.pipeline.run import Run

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


def test_a_class_without_test_images_is_told_and_is_unknown_in_the_report(
    crops, test_crops, tmp_path, capsys
):
    rows = [f"{f},{f.parent.name},train" for f in sorted(crops.rglob("*.*"))]
    rows += [f"{f},{f.parent.name},test" for f in sorted(test_crops.rglob("*.*"))]
    rows = [row for row in rows if not row.endswith("coffee,test")]
    (tmp_path / "m.csv").write_text("\n".join(["path,label,split", *rows]))
    command = ["run", tmp_path / "m.csv", "--out", tmp_path / "run", "--features", "hue"]
    command += ["--jobs", 1, "--no-report"]
    assert main([*map(str, command)]) == 0
    said = "note       1 class has no test image, such as coffee: no score says how well it is told"
    assert said in capsys.readouterr().out
    page = Run.open(tmp_path / "run").report().read_text()
    cells = page.partition('aria-label="Scores by class"')[2].partition("</table>")[0]
    (row,) = [row for row in cells.split("<tr>") if "coffee" in row]
    assert re.findall(r">([^<>\n]+)<", row)[:3] == ["coffee", "0", "unknown"]
