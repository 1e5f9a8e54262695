"""The command line: ``visualwords demo | run | extract | train | evaluate | predict``."""

import os
import sys
import warnings
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from .. import __version__
from .stages import Stages

__all__ = ["main"]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Classical image features and linear classifiers, from folders of images to scores.",
)
# What is printed are names of files, whatever is in them: "[red]", ":cat:".
PLAIN: Any = {"markup": False, "emoji": False, "highlight": False}
console = Console(**PLAIN)
errors = Console(stderr=True, **PLAIN)

TrainFolder = Annotated[
    str,
    typer.Argument(
        metavar="TRAIN", help="Folder with one folder per class, or CSV: path,label(,split)."
    ),
]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")]
Test = Annotated[str | None, typer.Option(help="Test images: another such folder or CSV.")]
TestSize = Annotated[
    float | None, typer.Option(min=0.0, max=1.0, help="Or: share of TRAIN to hold out (0.2).")
]
Out = Annotated[Path, typer.Option(help="Folder of the run; made if it is missing.")]
Cache = Annotated[
    Path | None, typer.Option(help="Feature store to share between runs (RUN/cache).")
]
Jobs = Annotated[int, typer.Option(help="Worker threads; -1: all cores.")]
HueBins = Annotated[int, typer.Option(min=1, max=4096, help="Bins of the hue histogram.")]
Words = Annotated[int, typer.Option(min=2, help="Visual words.")]
ImageSize = Annotated[
    int | None,
    typer.Option(min=16, max=512, help="Side that images have for HOG (from TRAIN: 16 to 64)."),
]
Alpha = Annotated[float | None, typer.Option(min=0.0, help="L2 penalty (the classifiers' own).")]
Seed = Annotated[
    int, typer.Option(min=0, max=2**32 - 1, help="Seed of the split and of the vocabulary.")
]


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Where images and run are written.")] = Path(
        "visualwords-demo"
    ),
    jobs: Jobs = -1,
) -> None:
    """Run the main job on sample photographs that need no download."""
    images = out / "images"
    console.print(f"images     {images}/{{train,test}}/CLASS/*.{{jpg,png}}")

    # The line above is printed at once: what follows imports numba and scikit-image.
    from .job import Settings
    from .sample import write_sample_images

    write_sample_images(images)
    settings = Settings(train=str(images / "train"), test=str(images / "test"))
    _run(out / "run", None, jobs, settings)


@app.command()
def run(
    train: TrainFolder,
    out: Out,
    test: Test = None,
    test_size: TestSize = None,
    cache: Cache = None,
    jobs: Jobs = -1,
    hue_bins: HueBins = 10,
    words: Words = 1000,
    image_size: ImageSize = None,
    alpha: Alpha = None,
    seed: Seed = 0,
) -> None:
    """Do the main job: extract features, train both classifiers, evaluate them."""
    from .job import Settings

    settings = Settings(train, test, test_size, hue_bins, words, image_size, alpha, seed)
    _run(out, cache, jobs, settings)


@app.command()
def extract(
    train: TrainFolder,
    out: Out,
    test: Test = None,
    test_size: TestSize = None,
    cache: Cache = None,
    jobs: Jobs = -1,
    hue_bins: HueBins = 10,
    words: Words = 1000,
    image_size: ImageSize = None,
    seed: Seed = 0,
) -> None:
    """Only compute the cached feature matrices of a run."""
    from .job import Settings

    settings = Settings(train, test, test_size, hue_bins, words, image_size, None, seed)
    job = _open(out, cache, jobs)
    results = [*out.glob("models/*-*.npz"), *out.glob("predictions.csv")]
    job.extract(settings)
    _report_images(job)
    removed = [file.name for file in results if not file.exists()]
    if removed:
        console.print(
            f"removed    {', '.join(sorted(removed))}: made from other matrices",
            soft_wrap=True,
        )


@app.command("train")
def train_command(folder: RunFolder, alpha: Alpha = None, jobs: Jobs = -1) -> None:
    """Train both classifiers on the cached matrices of a run."""
    _open(folder, None, jobs).train(alpha)


@app.command()
def evaluate(
    folder: RunFolder,
    test: Annotated[str | None, typer.Option(help="Score on these images instead.")] = None,
    cache: Cache = None,
    jobs: Jobs = -1,
) -> None:
    """Score the trained classifiers of a run."""
    if test is None and cache is not None:
        message = "is for the matrices of --test; the run knows where its own are"
        raise typer.BadParameter(message, param_hint="--cache")
    job = _open(folder, cache, jobs)
    job.evaluate(test)
    if test is not None:
        _report_images(job)
    _report_scores(job)


@app.command()
def predict(
    folder: RunFolder,
    images: Annotated[list[str], typer.Argument(metavar="IMAGE", help="Image files.")],
) -> None:
    """Print the class of each image and its probability."""
    failed = False
    for prediction in _open(folder, None, 1).predict(images):
        if prediction.failure:
            failed = True
            _complain(f"{prediction.image}: {prediction.failure}")
        else:
            typer.echo(f"{prediction.image}\t{prediction.label}\t{prediction.probability:.4f}")
    if failed:
        raise typer.Exit(1)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Take the options that come before any command."""


def _open(folder: Path, cache: Path | None, jobs: int) -> Any:
    from .job import Run

    if jobs == 0:
        message = "expected a number of threads, or -1 for all cores"
        raise typer.BadParameter(message, param_hint="--jobs")
    return Run(folder, cache=cache, stages=Stages(console), n_jobs=jobs)


def _run(folder: Path, cache: Path | None, jobs: int, settings: Any) -> None:
    job = _open(folder, cache, jobs)
    job.run(settings)
    _report_images(job)
    _report_scores(job)
    console.print(f"matrices   {job.cache}", soft_wrap=True)


def _report_images(job: Any) -> None:
    images = job.metrics["images"]
    where = f"; see {job.folder / 'failures.csv'}" if images["failed"] else ""
    console.print(
        f"images     {images['found']} found, {images['ok']} ok, {images['failed']} failed{where}",
        soft_wrap=True,
    )
    shared = images["in_train_and_test"]
    if shared:
        console.print(
            f"warning    {'1 image is' if shared == 1 else f'{shared} images are'} both in the "
            "training and in the test set: their test accuracy says nothing",
            style="yellow",
            soft_wrap=True,
        )


def _report_scores(job: Any) -> None:
    classifiers = job.metrics["classifiers"]
    sets = list(next(iter(classifiers.values()))["by_features"])
    table = Table("test accuracy", *sets, title_justify="left")
    for name, scores in classifiers.items():
        table.add_row(name, *(f"{scores['by_features'][names]:.4f}" for names in sets))
    console.print(table)
    console.print(f"metrics    {job.folder / 'metrics.json'}", soft_wrap=True)
    console.print(f"models     {job.folder / 'models'}", soft_wrap=True)


def _complain(message: str) -> None:
    errors.print(f"error: {message}", style="red", soft_wrap=True)


def _warn(message: Warning | str, *_: Any, **__: Any) -> None:
    errors.print(f"warning: {message}", style="yellow", soft_wrap=True)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit code is 0 only when the job did what was asked."""
    if isinstance(sys.stdout, TextIOWrapper):  # names of files need not be UTF-8
        sys.stdout.reconfigure(errors="surrogateescape")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")
    try:
        with warnings.catch_warnings():
            # What a decoder finds wrong with a file is told with the file's name, as its failure.
            warnings.filterwarnings("ignore", module=r"PIL\.")
            warnings.showwarning = _warn
            typer.main.get_command(app)(arguments, prog_name="visualwords")
    except OSError as error:
        what = error.strerror or str(error)
        _complain(f"{error.filename}: {what}" if error.filename else what)
        return 1
    except (ValueError, MemoryError) as error:
        _complain(str(error) or type(error).__name__)
        return 1
    return 0  # not reached: the line above ends in SystemExit
