"""The commands that look and change nothing: ``visualwords plan`` and ``why``."""

import json
from pathlib import Path
from typing import Annotated

import typer

from .cli_options import (
    ColumnOptions,
    Images,
    Json,
    PartOption,
    RecipeOptions,
    Test,
    TestSize,
    WorkOptions,
    as_part,
    with_options,
)
from .cli_screen import console

__all__ = ["plan", "why"]


@with_options
def plan(
    images: Images,
    asked: RecipeOptions,
    work: WorkOptions,
    columns: ColumnOptions,
    store: Annotated[
        str | None, typer.Option(help="Path or URL of the feature store (RUN/store).")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of a run, for what run does.")] = None,
    test: Test = None,
    test_size: TestSize = None,
    part: PartOption = None,
) -> None:
    """Say what extract, or with --out run, would compute, and why. Nothing is decoded."""
    from .planning import plan_job
    from .run import Run

    if out is None and store is None:
        raise typer.BadParameter("give --store STORE, or --out RUN", param_hint="--store")
    if out is None and (test is not None or test_size is not None):
        raise typer.BadParameter("only a run has test images: give --out RUN", param_hint="--out")
    options = work.make(as_part(part))
    recipe = asked.make(test_size)
    lines = plan_job(
        images,
        Run(out, store=store).store if out else str(store),
        recipe,
        options,
        test=test,
        is_run=out is not None,
        **columns.names(),
    )
    if work.json_:
        typer.echo(json.dumps({line.feature: vars(line) for line in lines}))
        return
    for line in lines:
        console.print(f"{line.feature:<15} {line.text}", soft_wrap=True)


def why(
    store: Annotated[str, typer.Argument(metavar="STORE", help="Path or URL of a store.")],
    feature: Annotated[str, typer.Argument(metavar="FEATURE", help="Such as hog.")],
    json_: Json = False,
) -> None:
    """Say how the cached versions of a feature differ from each other."""
    from .planning import differences

    lines = list(differences(store, feature))
    if json_:
        typer.echo(json.dumps({"differences": lines}))
        return
    for line in lines:
        console.print(line, soft_wrap=True)
