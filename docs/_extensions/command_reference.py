"""Directives that print the commands, their options and the recipe from the program itself.

``{command} store gc`` writes the usage, description, arguments and options of a command.
``{recipe}`` writes the recipe of ``visualwords init``.
"""

import re

import typer
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from visualwords.pipeline.cli import app as program
from visualwords.pipeline.recipe_file import recipe_text


def commands() -> dict[str, object]:
    """Return every command of the program by its name, such as ``"store gc"``."""
    found: dict[str, object] = {}
    for name, command in typer.main.get_command(program).commands.items():
        below = getattr(command, "commands", None)
        found.update({f"{name} {n}": c for n, c in below.items()} if below else {name: command})
    return found


class CommandDirective(SphinxDirective):
    """Write what ``visualwords COMMAND --help`` says."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Return a description, a usage line and a list of options."""
        (name,) = self.arguments
        command = commands()[name]
        parameters = [parameter for parameter in command.params if parameter.name != "help"]
        arguments = [value_of(p) for p in parameters if p.param_type_name == "argument"]
        lines = [escaped(command.help), "", "```text", usage(name, arguments), "```", ""]
        for parameter in parameters:
            lines += [term(parameter), f": {description(parameter)}", ""]
        return self.parse_text_to_nodes("\n".join(lines))


def usage(name: str, arguments: list[str]) -> str:
    """Return the line that shows how a command is called."""
    return " ".join(["visualwords", name, *arguments, "[OPTIONS]"])


def term(parameter: typer.core.TyperOption) -> str:
    """Return the name of an argument, or all spellings of an option and its value."""
    if parameter.param_type_name == "argument":
        return f"`{value_of(parameter)}`"
    spellings = [*parameter.opts, *parameter.secondary_opts]
    value = "" if parameter.is_flag else f" {value_of(parameter)}"
    return ", ".join(f"`{spelling}{value}`" for spelling in spellings)


def value_of(parameter: typer.core.TyperOption) -> str:
    """Return the word that stands for a value."""
    return parameter.metavar or parameter.name.strip("_").upper()


def escaped(text: str) -> str:
    """Return text as Markdown that shows it as it is; options are code, so ``--`` is no dash."""
    return re.sub(r"--[\w-]+", r"`\g<0>`", re.sub(r"[\[\]<>*_]", r"\\\g<0>", text))


def description(parameter: typer.core.TyperOption) -> str:
    """Return the help of a parameter with its default, where it has one that says something."""
    text = escaped(" ".join((parameter.help or "The value.").split()))
    given = parameter.default
    if getattr(parameter, "is_flag", False) or callable(given):
        return text
    return text if given in (None, ()) or parameter.required else f"{text} Default: `{given}`."


class RecipeDirective(SphinxDirective):
    """Write the recipe that has every option."""

    def run(self) -> list[nodes.Node]:
        """Return the text of the recipe, coloured as TOML."""
        text = recipe_text()
        return [nodes.literal_block(text, text, language="toml")]


def setup(app: Sphinx) -> dict[str, bool]:
    """Name the directives to Sphinx."""
    app.add_directive("command", CommandDirective)
    app.add_directive("recipe", RecipeDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
