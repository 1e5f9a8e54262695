"""The commands that look and change nothing: ``visualwords plan`` and ``why``."""

import json
from typing import Annotated

import typer

from .cli_options import ColumnOptions, Images, RecipeOptions, WorkOptions, with_options
from .cli_screen import console

__all__ = ["plan", "why"]


@with_options
def plan(
    images: Images,
    store: Annotated[str, typer.Option(help="Path or URL of the feature store.")],
    asked: RecipeOptions,
    work: WorkOptions,
    columns: ColumnOptions,
) -> None:
    """Say what extract would compute, and why. Nothing is decoded or learned."""
    from .planning import plan_job

    lines = plan_job(images, store, asked.make(), work.make(), **columns.names())
    if work.json_:
        typer.echo(json.dumps({line.feature: vars(line) for line in lines}))
        return
    for line in lines:
        console.print(f"{line.feature:<10} {line.text}", soft_wrap=True)


def why(
    store: Annotated[str, typer.Argument(metavar="STORE", help="Path or URL of a store.")],
    feature: Annotated[str, typer.Argument(metavar="FEATURE", help="Such as hog.")],
) -> None:
    """Say how the cached versions of a feature differ from each other."""
    from .planning import differences

    for line in differences(store, feature):
        console.print(line, soft_wrap=True)
