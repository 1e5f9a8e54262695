"""The options that several commands share, and what they stand for."""

from pathlib import Path
from typing import Annotated, Any

import typer

from .cli_screen import console
from .failures import KINDS
from .progress import Progress

Images = Annotated[
    str, typer.Argument(metavar="IMAGES", help="Folder of images, or a CSV or parquet manifest.")
]
TrainImages = Annotated[
    str,
    typer.Argument(
        metavar="TRAIN", help="Folder with one folder per class, or a manifest path,label[,split]."
    ),
]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")]
Test = Annotated[str | None, typer.Option(help="Test images: another such folder or manifest.")]
TestSize = Annotated[
    float | None, typer.Option(min=0.0, max=1.0, help="Or: share of TRAIN to hold out (0.2).")
]
Out = Annotated[Path, typer.Option(help="Folder of the run; made if it is missing.")]
Store = Annotated[
    str | None, typer.Option(help="Path or URL of a feature store to share (RUN/store).")
]
RecipeFile = Annotated[
    Path | None, typer.Option("--recipe", help="A recipe; `visualwords init` writes one.")
]
Features = Annotated[str | None, typer.Option(help="Names of features, such as hue,hog.")]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", help="A value of the recipe, such as words.n_words=200; repeatable."),
]
Jobs = Annotated[int, typer.Option(help="Workers; -1: all cores.")]
Seed = Annotated[
    int | None,
    typer.Option(min=0, max=2**32 - 1, help="Seed of the split and of the vocabulary (0)."),
]
RetryFailed = Annotated[
    list[str] | None,
    typer.Option(metavar="KIND", help="Try failed images of this kind again; all: every kind."),
]
MaxFailures = Annotated[
    float | None,
    typer.Option(min=0, help="Stop past so many failures, or below 1 such a share of the images."),
]
Engine = Annotated[
    str | None, typer.Option(help="Workers: threads, processes, dask or ray (threads).")
]
Scheduler = Annotated[
    str | None, typer.Option(help="Address of Dask's scheduler or of the Ray cluster.")
]
Part = Annotated[
    str | None,
    typer.Option(metavar="I/N", help="Compute the I-th of N parts; they meet in the store."),
]
TimeLimit = Annotated[float | None, typer.Option(min=0.001, help="Seconds for one image.")]
Relearn = Annotated[bool, typer.Option("--relearn", help="Learn the vocabulary anew.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object for machines.")]
Log = Annotated[Path | None, typer.Option(help="Append progress as JSON lines to this file.")]
PathColumn = Annotated[str, typer.Option(help="Column of a manifest with the paths.")]
LabelColumn = Annotated[str, typer.Option(help="Column of a manifest with the labels.")]
SplitColumn = Annotated[str, typer.Option(help="Column of a manifest with the splits.")]


def make_options(
    jobs: int,
    json_: bool,
    log: Path | None,
    retry_failed: list[str] | None = None,
    max_failures: float | None = None,
    time_limit: float | None = None,
    relearn: bool = False,
    engine: str | None = None,
    scheduler: str | None = None,
    part: str | None = None,
) -> Any:
    """Return the Options of a command, with its progress on the screen and in the log."""
    from .job import Options

    if jobs == 0:
        message = "expected a number of workers, or -1 for all cores"
        raise typer.BadParameter(message, param_hint="--jobs")
    for kind in retry_failed or []:
        if kind not in (*KINDS, "all"):
            raise typer.BadParameter(
                f"no kind of failure {kind!r}; there are all, {', '.join(KINDS)}",
                param_hint="--retry-failed",
            )
    progress = Progress(None if json_ else console, log)
    return Options(
        jobs,
        progress,
        retry_failed or (),
        max_failures,
        time_limit,
        relearn,
        engine=engine,
        scheduler=scheduler,
        part=None if part is None else _part(part),
    )


def _part(text: str) -> tuple[int, int]:
    i, _, n = text.partition("/")
    if not (i.isdecimal() and n.isdecimal() and 1 <= int(i) <= int(n)):
        message = f"expected I/N with I from 1 to N, such as 3/8, got {text!r}"
        raise typer.BadParameter(message, param_hint="--part")
    return int(i), int(n)


def make_recipe(
    file: Path | None,
    features: str | None,
    sets: list[str] | None,
    seed: int | None,
    test_size: float | None,
) -> Any:
    """Return the recipe of a command: the defaults, changed by the file, then by the options."""
    from .recipe import Recipe
    from .recipe_file import read_recipe

    recipe = Recipe() if file is None else read_recipe(file)
    settings = [*(sets or [])]
    settings += [] if seed is None else [f"seed={seed}"]
    settings += [] if test_size is None else [f"test_size={test_size}"]
    for setting in settings:
        recipe = recipe.with_setting(setting)
    if features is not None:
        recipe = recipe.with_features([name.strip() for name in features.split(",")])
    if settings:
        recipe.check()
    return recipe


def column_names(images: str, path: str, label: str, split: str) -> dict[str, str]:
    """Return the names of a manifest's columns, where they are not the usual ones."""
    given = {"path_column": path, "label_column": label, "split_column": split}
    return {name: value for name, value in given.items() if value != name.removesuffix("_column")}
