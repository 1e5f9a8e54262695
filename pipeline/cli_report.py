"""The commands ``report`` and ``explore``: pages about a run that was evaluated."""

import json
from pathlib import Path
from typing import Annotated

import typer

from .cli_options import Json, OwnCode, RunFolder, WorkOptions, own_code

__all__ = ["Report", "explore", "report_command"]

Report = Annotated[
    bool, typer.Option("--report/--no-report", help="Write RUN/report.html, a page with pictures.")
]


def report_command(
    folder: RunFolder,
    out: Annotated[Path | None, typer.Option(help="The page; RUN/report.html.")] = None,
    recipe: OwnCode = None,
    json_: Json = False,
) -> None:
    """Write the report of a run: one page of HTML that needs no network."""
    from .run import Run

    run = Run.open(folder, WorkOptions(json_=json_).make(), own_code(recipe))
    page = run.report(out)
    if json_:
        typer.echo(json.dumps({"report": str(page)}))


def explore(
    folder: RunFolder,
    out: Annotated[Path | None, typer.Option(help="The page; RUN/explore.html.")] = None,
    recipe: OwnCode = None,
    json_: Json = False,
) -> None:
    """Write a page to explore the loss: by hand, and on the images of a run."""
    from .run import Run

    run = Run.open(folder, WorkOptions(json_=json_).make(), own_code(recipe))
    page = run.explore(out)
    if json_:
        typer.echo(json.dumps({"explorer": str(page)}))
