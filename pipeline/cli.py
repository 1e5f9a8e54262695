"""The command line, ``visualwords``: one command for each stage, and ``run`` for all of them."""

import gc
import json
import os
import sys
import warnings
from dataclasses import replace
from io import TextIOWrapper
from pathlib import Path
from textwrap import shorten
from typing import Annotated, Any

import typer

from .. import __version__
from .cli_options import (
    IMAGES,
    ClassifiersFile,
    ColumnOptions,
    Images,
    Jobs,
    Json,
    Log,
    OwnCode,
    PartOption,
    RecipeOptions,
    RunFolder,
    Sets,
    Store,
    Test,
    TestSize,
    TrainImages,
    WorkOptions,
    as_part,
    own_code,
    with_every_kind,
    with_options,
)
from .cli_plan import plan, why
from .cli_report import Report, explore, report_command
from .cli_screen import (
    complain,
    console,
    errors,
    prediction_line,
    report_images,
    report_other_images,
    report_scores,
    warn,
)
from .cli_signals import signals
from .cli_store import app as store_app
from .counts import counted
from .interruption import Interrupted
from .progress import Progress

__all__ = ["main"]

UsageError: Any = typer.BadParameter.__mro__[1]  # of the click that typer brings

# Objects made between two searches for garbage. A job of 300,000 images makes millions that live to
# its end: a search at Python's 700 finds nothing each time, and takes a tenth of a cached run.
GARBAGE_THRESHOLD = 100_000

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Classical image features and linear classifiers, from folders of images to scores.",
)
app.add_typer(store_app, name="store")


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Where images and run are written.")] = Path(
        "visualwords-demo"
    ),
    jobs: Jobs = -1,
    report: Report = True,
    json_: Json = False,
) -> None:
    """Run the main job on sample photographs that need no download."""
    images = out / "images"
    if not json_:
        console.print(f"images     {images}/{{train,test}}/CLASS/*.{{jpg,png}}", soft_wrap=True)

    # The line above is printed at once: what follows imports numba and scikit-image.
    from .sample import write_sample_images

    write_sample_images(images)
    test, asked = str(images / "test"), {"jobs": jobs, "json_": json_}
    run(str(images / "train"), out / "run", test=test, report=report, **asked)


@app.command()
def init(
    file: Annotated[Path, typer.Argument(metavar="[FILE]", help="A new file.")] = Path(
        "recipe.toml"
    ),
    json_: Json = False,
) -> None:
    """Write a recipe: every option of every feature and classifier, and what it means."""
    from .recipe_file import recipe_text

    if file.exists():
        raise ValueError(f"{file} is there already; remove it, or name another file")
    with file.open("x", encoding="utf-8") as stream:
        stream.write(recipe_text())
    if json_:
        typer.echo(json.dumps({"recipe": str(file)}))
        return
    console.print(f"recipe     {file}", soft_wrap=True)


@app.command("run")
@with_options
def run(
    train: TrainImages,
    out: Annotated[Path, typer.Option(help="Folder of the run; made if it is missing.")],
    asked: RecipeOptions,
    work: WorkOptions,
    columns: ColumnOptions,
    test: Test = None,
    test_size: TestSize = None,
    store: Store = None,
    report: Report = True,
) -> None:
    """Do the main job: extract features, train the classifiers, evaluate and report them."""
    from .run import Run

    if test is not None and test_size is not None:
        raise typer.BadParameter("give either --test or --test-size", param_hint="--test-size")
    job = Run(out, store=store, options=work.make())
    job.options.progress.tell_start()
    recipe = asked.make(test_size)
    job.run(train, test, recipe, **columns.names())
    if report and job.has_report:
        job.options.progress.note("report", "nothing new")
    elif report:
        job.report()
    if work.json_:
        typer.echo(json.dumps(job.metrics))
        return
    report_images(job.metrics, str(job.folder))
    report_scores(job)


@app.command()
@with_options
def extract(
    images: Images,
    asked: RecipeOptions,
    work: WorkOptions,
    columns: ColumnOptions,
    store: Store = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of a run, to train in later; needs labels.")
    ] = None,
    test: Test = None,
    test_size: TestSize = None,
    part: PartOption = None,
) -> None:
    """Compute the features of images and keep them in a store. Images need no labels."""
    from .job import extract_to_store
    from .remarks import image_metrics
    from .run import Run

    options = work.make(as_part(part))
    recipe = asked.make(test_size)
    options.progress.tell_start()
    if out is None and (test is not None or test_size is not None):
        raise typer.BadParameter("only a run has test images: give --out RUN", param_hint="--out")
    if out is not None:
        if part is not None:
            raise typer.BadParameter("a part has a --store and no run", param_hint="--part")
        job = Run(out, store=store, options=options)
        job.extract(images, test, recipe, **columns.names())
        metrics = job.metrics
    elif store is None:
        raise typer.BadParameter("give --store STORE, or --out RUN", param_hint="--store")
    else:
        extraction = extract_to_store(images, store, recipe, options, **columns.names())
        metrics = image_metrics(extraction)
    if work.json_:
        typer.echo(json.dumps(metrics))
    else:
        place = str(out or store)
        i, n = options.part or (0, 0)
        report_images(metrics, place, f"images-{i}-of-{n}.parquet" if n else "failures.csv")


app.command()(plan)
app.command()(why)
app.command("report")(report_command)
app.command()(explore)


@app.command("train")
def train_command(
    folder: RunFolder,
    recipe: ClassifiersFile = None,
    set_: Sets = None,
    jobs: Jobs = -1,
    json_: Json = False,
    log: Log = None,
) -> None:
    """Train the classifiers of a run again; --recipe and --set choose others."""
    from .best_recipe import Choice
    from .job import training_images
    from .recipe import own_code_refused, recipe_of
    from .recipe_file import read_recipe
    from .run import Run

    run = Run.open(folder, WorkOptions(jobs=jobs, json_=json_, log=log).make())
    before = asked = recipe_of(run.record())
    if recipe is None:
        asked = own_code_refused(asked, folder / "run.json", ())
    else:
        choice = Choice(read_recipe(recipe), run.options.progress)
        chosen = choice.settle(training_images(run.images), before.max_side)
        asked = replace(asked, classifiers=chosen.classifiers)
    for setting in set_ or []:
        asked = asked.with_setting(setting)
    if replace(asked, classifiers=before.classifiers) != before:
        message = "train takes the options of classifiers alone; `visualwords run` takes all"
        raise typer.BadParameter(message, param_hint="--set")
    metrics = run.train(asked)
    if json_:
        typer.echo(json.dumps(metrics))


@app.command()
@with_options
def evaluate(
    folder: RunFolder,
    columns: ColumnOptions,
    test: Annotated[str | None, typer.Option(help="Other test images, scored beside.")] = None,
    recipe: OwnCode = None,
    jobs: Jobs = -1,
    json_: Json = False,
    log: Log = None,
) -> None:
    """Score the trained classifiers of a run."""
    from .run import Run

    options = WorkOptions(jobs=jobs, json_=json_, log=log).make()
    job = Run.open(folder, options, own_code(recipe))
    metrics = job.evaluate(test, **columns.names())
    if json_:
        typer.echo(json.dumps(metrics))
        return
    if test:
        report_other_images(metrics["other_images"][test])
    report_scores(job, metrics["other_tests"][test] if test else metrics["classifiers"])


@app.command()
def predict(
    folder: RunFolder,
    images: Annotated[
        list[str], typer.Argument(metavar="IMAGE", help=f"Image files, globs, or a {IMAGES}.")
    ],
    classifier: Annotated[str | None, typer.Option(help="Its name; Softmax.")] = None,
    top: Annotated[int, typer.Option(min=1, help="So many classes of each image.")] = 1,
    min_probability: Annotated[
        float | None, typer.Option(min=0, max=1, help="Leave out classes that are less probable.")
    ] = None,
    recipe: OwnCode = None,
    jobs: Jobs = -1,
    json_: Json = False,
    out: Annotated[Path | None, typer.Option(help="Write a .csv or .parquet file.")] = None,
) -> None:
    """Print the class of each image and its probability."""
    from .predict import check_table_name, write_predictions
    from .run import Run

    if out is not None:
        check_table_name(out)
    options = WorkOptions(jobs=jobs, json_=json_).make()
    if not json_:  # the classes alone are on standard output
        options = replace(options, progress=Progress(errors))
    job = Run.open(folder, options, own_code(recipe))
    asked: Any = {"classifier": classifier, "top": top, "min_probability": min_probability}
    found: Any = job.predict(images, **asked)
    if out is not None:
        found = write_predictions(out, list(found))
    n_failed = 0
    for prediction in found:
        if prediction.failure:
            n_failed += 1
            complain(f"{prediction.image}: {prediction.failure}")
        elif json_ or out is None:
            typer.echo(prediction_line(prediction, json_))
    if out is not None:
        console.print(f"{out}: {counted(len(found), 'image')}, {n_failed} failed", soft_wrap=True)
    if n_failed:
        raise typer.Exit(1)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Take the options that come before any command."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit code is 0 only when the job did what was asked."""
    if isinstance(sys.stdout, TextIOWrapper):  # names of files need not be UTF-8
        sys.stdout.reconfigure(errors="surrogateescape")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")
    gc.set_threshold(GARBAGE_THRESHOLD)
    given = sys.argv[1:] if arguments is None else arguments
    try:
        with warnings.catch_warnings(), signals():
            # What a decoder finds wrong with a file is told with the file's name, as its failure.
            warnings.filterwarnings("ignore", module=r"PIL\.")
            warnings.showwarning = warn
            command = typer.main.get_command(app)
            code = command(with_every_kind(given), prog_name="visualwords", standalone_mode=False)
            return int(code or 0)
    except UsageError as error:
        if message := error.format_message():  # without one, the help was printed
            if "unexpected extra argument" in message:  # often the names that a pattern stands for
                message = f"{shorten(message, 100, placeholder=' ...)')}; "
                message += "a folder, a .txt list of files or a pattern in quotes names many images"
            path = error.ctx.command_path if error.ctx else "visualwords"
            complain(f"{message.rstrip('.')}; see `{path} --help`")
        return 2
    except Interrupted as error:
        done = ", ".join(getattr(error, "__notes__", []))
        complain(
            f"interrupted{f' ({done})' if done else ''}; what was computed is kept, the same "
            "command goes on from there"
        )
        return 128 + int(error.args[0])
    except OSError as error:
        what = error.strerror or str(error)
        complain(f"{error.filename}: {what}" if error.filename else what)
        return 1
    except (ValueError, MemoryError) as error:
        complain(str(error) or type(error).__name__)
        return 1
