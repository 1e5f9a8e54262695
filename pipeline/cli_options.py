"""The options that several commands share, and what they stand for."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from functools import wraps
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from .cli_screen import console
from .failures import EVERY_KIND
from .progress import Progress

IMAGES = (
    "folder, .txt list, .csv or .parquet manifest, .tar shards, .zip, or folder of CIFAR's or "
    "MNIST's files; path or URL"
)
Images = Annotated[str, typer.Argument(metavar="IMAGES", help=f"{IMAGES[0].upper()}{IMAGES[1:]}.")]
TrainImages = Annotated[
    str, typer.Argument(metavar="TRAIN", help=f"Images with labels: a {IMAGES}.")
]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")]
Test = Annotated[str | None, typer.Option(help="Test images with labels, from any such place.")]
TestSize = Annotated[
    float | None, typer.Option(help="Or: share of TRAIN to hold out, above 0 and below 1 (0.2).")
]
Store = Annotated[str | None, typer.Option(help="Path or URL of a feature store (RUN/store).")]
RecipeFile = Annotated[
    Path | None,
    typer.Option(
        "--recipe",
        help="A file of `visualwords init`; lecture; or best, which is small or photographs.",
    ),
]
ClassifiersFile = Annotated[
    Path | None,
    typer.Option(
        "--recipe",
        help="A recipe whose classifiers are taken: a file, lecture or best.",
    ),
]
OwnCode = Annotated[
    Path | None,
    typer.Option("--recipe", help="A recipe whose module:Class may be used, like RUN/recipe.toml."),
]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="A value of the recipe, such as words.n_words=200, or the penalty of a classifier: "
        "LinearSVM.alpha=0.1 and Softmax.alpha=0.03 are the defaults; repeatable.",
    ),
]
Jobs = Annotated[int, typer.Option(help="Workers; -1: all cores.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object for machines.")]
Log = Annotated[Path | None, typer.Option(help="Append progress as JSON lines to this file.")]
PartOption = Annotated[
    str | None,
    typer.Option("--part", metavar="I/N", help="The I-th of N parts; they meet in the store."),
]


@dataclass
class RecipeOptions:
    """What is computed: the recipe, and changes to it."""

    recipe: RecipeFile = None
    features: Annotated[str | None, typer.Option(help="Names of features, such as hue,hog.")] = None
    set_: Sets = None
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=2**32 - 1, help="Seed of the split and of the vocabulary (0)."),
    ] = None
    max_pixels: Annotated[
        int | None, typer.Option(min=1, help="Refuse images with more pixels (67108864).")
    ] = None

    def make(self, test_size: float | None = None) -> Any:
        """Return the recipe: the defaults, changed by the file, then by the options."""
        from .recipe import Recipe
        from .recipe_file import read_recipe

        recipe = Recipe() if self.recipe is None else read_recipe(self.recipe)
        settings = [*(self.set_ or [])]
        named = {"seed": self.seed, "max_pixels": self.max_pixels, "test_size": test_size}
        settings += [f"{name}={value}" for name, value in named.items() if value is not None]
        for setting in settings:
            recipe = recipe.with_setting(setting)
        if self.features is not None:
            recipe = recipe.with_features([name.strip() for name in self.features.split(",")])
        if settings:
            recipe.check()
        return recipe


@dataclass
class WorkOptions:
    """How a job works."""

    jobs: Jobs = -1
    retry_failed: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[KIND]", help="Try failed images again, of this kind or of all; repeatable."
        ),
    ] = None
    max_failures: Annotated[
        float | None,
        typer.Option(
            metavar="N|SHARE",
            min=0,
            help="Stop past so many failures, or below 1 such a share of the images.",
        ),
    ] = None
    time_limit: Annotated[float | None, typer.Option(min=0.001, help="Seconds for one image.")] = (
        None
    )
    relearn: Annotated[bool, typer.Option("--relearn", help="Learn the vocabulary anew.")] = False
    engine: Annotated[
        str | None, typer.Option(help="Workers: threads, processes, dask or ray (threads).")
    ] = None
    scheduler: Annotated[
        str | None, typer.Option(help="Address of Dask's scheduler or of the Ray cluster.")
    ] = None
    json_: Json = False
    log: Log = None

    def make(self, part: tuple[int, int] | None = None) -> Any:
        """Return the options of the job, with its progress on the screen and in the log."""
        from .job import Options

        if self.jobs == 0:
            message = "expected a number of workers, or -1 for all cores"
            raise typer.BadParameter(message, param_hint="--jobs")
        try:
            return Options(
                n_jobs=self.jobs,
                progress=Progress(None if self.json_ else console, self.log),
                retry_failed=self.retry_failed or (),
                max_failures=self.max_failures,
                time_limit=self.time_limit,
                relearn=self.relearn,
                engine=self.engine,
                scheduler=self.scheduler,
                part=part,
            )
        except ValueError as error:
            name, _, what = str(error).partition(" ")
            message = what if name.endswith(":") else str(error)
            hint = "--" + name.removesuffix(":").replace("_", "-")
            raise typer.BadParameter(message, param_hint=hint) from error


@dataclass
class ColumnOptions:
    """The columns of a manifest."""

    path_column: Annotated[str, typer.Option(help="Column of a manifest with the paths.")] = "path"
    label_column: Annotated[str, typer.Option(help="Column of a manifest with the labels.")] = (
        "label"
    )
    split_column: Annotated[str, typer.Option(help="Column of a manifest with the splits.")] = (
        "split"
    )
    group_column: Annotated[
        str, typer.Option(help="Column of a manifest with groups: each is on one side of a split.")
    ] = "group"

    def names(self) -> dict[str, str]:
        """Return the names of the columns that are not the usual ones."""
        return {f.name: v for f in fields(self) if (v := getattr(self, f.name)) != f.default}


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command that takes the options of a dataclass in place of a parameter of that type.

    ``def run(out: Out, work: WorkOptions)`` has the options ``--out``, ``--jobs``, ... and gets a
    ``WorkOptions`` of their values.
    """
    signature = inspect.signature(command)
    groups: dict[str, Any] = {
        n: p.annotation for n, p in signature.parameters.items() if is_dataclass(p.annotation)
    }
    parameters = [p for name, p in signature.parameters.items() if name not in groups]
    for group in groups.values():
        types = get_type_hints(group, include_extras=True)
        parameters += [
            inspect.Parameter(
                f.name, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=types[f.name]
            )
            for f in fields(group)
        ]

    @wraps(command)
    def called(*arguments: Any, **values: Any) -> None:
        for name, group in groups.items():
            own = {f.name: values.pop(f.name) for f in fields(group) if f.name in values}
            values[name] = group(**own)
        command(*arguments, **values)

    called.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {p.name: p.annotation for p in parameters}
    return called


def with_every_kind(arguments: list[str]) -> list[str]:
    """Return arguments in which ``--retry-failed`` without a kind stands for all kinds."""
    given = []
    for argument, following in pairwise([*arguments, "--"]):
        is_bare = argument == "--retry-failed" and following.startswith("-")
        given += [argument, EVERY_KIND] if is_bare else [argument]
    return given


def own_code(recipe: Path | None) -> set[type]:
    """Return the classes of the user's own that a recipe names."""
    from .recipe_file import read_recipe

    return set() if recipe is None else read_recipe(recipe).own_classes


def as_part(text: str | None) -> tuple[int, int] | None:
    """Return the numbers of ``I/N``."""
    if text is None:
        return None
    i, _, n = text.partition("/")
    if not (i.isdecimal() and n.isdecimal() and 1 <= int(i) <= int(n)):
        message = f"expected I/N with I from 1 to N, such as 3/8, got {text!r}"
        raise typer.BadParameter(message, param_hint="--part")
    return int(i), int(n)
