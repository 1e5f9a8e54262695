"""The commands that look and change nothing: ``visualwords plan`` and ``why``."""

import json
from typing import Annotated

import typer

from .cli_options import (
    Features,
    Images,
    Jobs,
    Json,
    LabelColumn,
    PathColumn,
    RecipeFile,
    RetryFailed,
    Seed,
    Sets,
    SplitColumn,
    column_names,
    make_options,
    make_recipe,
)
from .cli_screen import console

__all__ = ["plan", "why"]


def plan(
    images: Images,
    store: Annotated[str, typer.Option(help="Path or URL of the feature store.")],
    recipe: RecipeFile = None,
    features: Features = None,
    set_: Sets = None,
    seed: Seed = None,
    jobs: Jobs = -1,
    retry_failed: RetryFailed = None,
    json_: Json = False,
    path_column: PathColumn = "path",
    label_column: LabelColumn = "label",
    split_column: SplitColumn = "split",
) -> None:
    """Say what extract would compute, and why. Nothing is decoded or learned."""
    from .planning import plan_job

    asked = make_recipe(recipe, features, set_, seed, None)
    options = make_options(jobs, json_, None, retry_failed, None, None, False)
    columns = column_names(images, path_column, label_column, split_column)
    lines = plan_job(images, store, asked, options, **columns)
    if json_:
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
