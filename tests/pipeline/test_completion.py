"""Completion of commands and options, in a real bash."""

import shutil
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")

SCRIPT = """
eval "$(_VISUALWORDS_COMPLETE=source_bash visualwords)"
complete -p visualwords
for words in "visualwords ev" "visualwords run --max-p"; do
    read -ra COMP_WORDS <<< "$words"
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    _visualwords_completion visualwords
    echo "${COMPREPLY[*]}"
done
"""


def test_bash_completes_commands_and_options(tmp_path, monkeypatch):
    program = tmp_path / "visualwords"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m visualwords "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    command = ["bash", "--noprofile", "--norc", "-c", SCRIPT]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    function, *completed = said.stdout.splitlines()
    assert function == "complete -o default -F _visualwords_completion visualwords"
    assert completed == ["evaluate", "--max-pixels"]
