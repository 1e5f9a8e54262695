"""Each command has ``--json``, and then prints one JSON object."""

import json

import pytest
import typer

from visualwords.pipeline.cli import app, main


def commands(group, path=()):
    if not hasattr(group, "commands"):
        return [(" ".join(path), group)]
    return [found for n, c in group.commands.items() for found in commands(c, (*path, n))]


def test_each_command_has_json():
    for name, command in commands(typer.main.get_command(app)):
        assert any("--json" in option.opts for option in command.params), name


@pytest.fixture
def said(capsys):
    """Return a function that calls a command and returns what it prints, decoded."""

    def call(*arguments):
        capsys.readouterr()
        assert main([str(argument) for argument in (*arguments, "--json")]) == 0
        return json.loads(capsys.readouterr().out)

    return call


def test_commands_of_a_store_print_json(crops, tmp_path, said):
    store, file = tmp_path / "store", tmp_path / "hue.csv"
    said("extract", crops, "--store", store, "--features", "hue")
    assert said("store", "verify", store) == {"damaged": []}
    assert said("store", "repair", store) == {"removed": []}
    assert said("store", "export", store, "hue", "--to", file) == {"file": str(file), "rows": 36}
    assert len(said("why", store, "hue")["differences"]) == 1
    assert "hue" in [s["folder"].split("-")[0] for s in said("store", "ls", store)]
    removed = said("store", "gc", store, "--max-size", 1)["removed"]
    assert {"rows", "columns"} <= set(removed[0])
    assert said("init", tmp_path / "recipe.toml") == {"recipe": str(tmp_path / "recipe.toml")}
