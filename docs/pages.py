"""The code blocks of a page, and how they are run.

Blocks of a page run in order, in a folder of their own and with one set of Python variables:

- ``python``: run; with ``>>>``, each output is compared as by doctest;
- ``console``: each line after ``$`` is run and must succeed; output that is shown is compared, and
  ``...`` stands for any text.

A comment before a block changes that: ``<!-- not run: REASON -->``, ``<!-- exit: 1 -->`` for
commands that fail, ``<!-- with: OPTIONS -->`` for options that keep ``run`` and ``extract`` short,
and ``<!-- file: NAME -->`` for a block that is written to a file. The lines of a comment
``<!-- setup ... -->`` are Python that the reader does not need to see. A page with the comment
``<!-- needs: run -->`` finds a run in ``run/``.

Seconds and numbers with four decimals differ between machines, and keys of features between
versions, so any others will do; lines about the start and about compiling are left out.
"""

import contextlib
import doctest
import io
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from visualwords.pipeline.cli import main

PIECE = re.compile(
    r"^<!-- (?P<comment>[^>]*?) ?-->$|^```(?P<language>\w+)\n(?P<code>.*?)^```$", re.M | re.S
)
LONG = "visualwords run", "visualwords extract"
SHELL = {"cat", "cp", "head", "ls", "mkdir", "mv", "python", "rm", "sort", "wc"}
NUMBERS = re.compile(r"\d+\.\d+ s$|\d\.\d{4}|[0-9a-f]{32}", re.M)
OF_THE_MACHINE = re.compile(r"^(start|compile|  of which compiling) .*\n", re.M)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class Block(NamedTuple):
    """A block of code and what the comment before it says."""

    line: int
    language: str
    code: str
    comment: str


def blocks(text: str) -> Iterator[Block]:
    """Give the blocks of a page, and its setups as blocks of Python."""
    comment = ""
    for piece in PIECE.finditer(text):
        line = text.count("\n", 0, piece.start()) + 1
        said = piece["comment"]
        if said is None:
            yield Block(line, piece["language"], piece["code"], comment)
            comment = ""
        elif said.startswith("setup"):
            yield Block(line, "python", said.removeprefix("setup"), "")
        else:
            comment = said


def run_page(page: Path) -> int:
    """Run the blocks of a page in the current folder, and return how many were run."""
    variables: dict[str, Any] = {"__name__": "__main__"}
    n_run = 0
    for block in blocks(page.read_text(encoding="utf-8")):
        where = f"{page.name}, line {block.line}"
        kind, _, value = block.comment.partition(": ")
        if kind == "not run":
            assert value, f"{where}: say why the block is not run"
            continue
        if kind == "file":
            Path(value).write_text(block.code, encoding="utf-8")
        elif block.language == "python":
            run_python(block.code, variables, where)
        elif block.language == "console":
            status = int(value) if kind == "exit" else 0
            run_console(block.code, status, where, value if kind == "with" else "")
        else:
            continue
        n_run += 1
    return n_run


def run_python(code: str, variables: dict[str, Any], where: str) -> None:
    """Run a block, as doctests if it has prompts."""
    if ">>>" not in code:
        exec(compile(code, where, "exec"), variables)
        return
    test = doctest.DocTestParser().get_doctest(code, {}, where, where, 0)
    test.globs = variables
    said = io.StringIO()
    runner = doctest.DocTestRunner(optionflags=FLAGS, verbose=False)
    assert not runner.run(test, out=said.write, clear_globs=False).failed, said.getvalue()


def run_console(code: str, expected: int, where: str, further: str) -> None:
    """Run the commands of a block, and compare the outputs that it shows."""
    joined = code.replace("\\\n", " ")
    for command, output in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", joined, re.M):
        asked = command.partition(" #")[0].removesuffix("&").strip()
        options = f" {further}" if asked.startswith(LONG) else ""
        status, printed = run_command(asked + options)
        what = f"{where}: $ {command}\n{printed}"
        assert status == expected, f"{what}\nexit status {status}, expected {expected}"
        if output.strip():
            shown, seen = (NUMBERS.sub("0", text) for text in (output, printed))
            seen = OF_THE_MACHINE.sub("", seen)
            same = doctest.OutputChecker().check_output(shown, seen, FLAGS)
            assert same, f"{what}\nexpected\n{output}"


def run_command(command: str) -> tuple[int, str]:
    """Return the exit status of a command and what it printed."""
    program, *arguments = shlex.split(command)
    if program != "visualwords":
        assert program in SHELL, f"{program} does not run here; write `<!-- not run: REASON -->`"
        line = command.replace("python", shlex.quote(sys.executable), 1)
        done = subprocess.run(line, shell=True, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        status = main(arguments)
    return status, said.getvalue()
