"""The main job without classifiers: images and features in, rows in a store out."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sklearn.base import BaseEstimator

from ..checks import check_integer, check_jobs, check_real
from .best_recipe import Choice
from .counts import counted
from .duplicates import HASH, make_hash
from .engine import Workers
from .extract import Plan, compute, plan
from .extraction import Extraction
from .failures import check_kinds
from .features import keep_features, reader_name
from .learn import learn
from .ledger import failures, has_groups
from .progress import Progress
from .reader import Reader
from .recipe import MakeFeatures, Recipe, named_features
from .scan import scan
from .sources import Source, check_outside, open_source
from .store.files import Folder, LocalFolder, open_folder
from .store.index import ImageIndex
from .store.tables import as_csv, write_table

__all__ = ["Options", "extract", "extract_source", "plan_source"]

TRAIN, TEST = "train", "test"

AssignSplits = Callable[[pa.Table], pa.Table]


@dataclass(frozen=True)
class Options:
    """How a job works; nothing here changes a row.

    Attributes
    ----------
    n_jobs : int or None
        As in joblib; -1 is all cores.
    progress : Progress
        What shows the stages of the job; by default a notebook shows them, and nothing else.
    retry_failed : sequence of str
        Kinds of failure to try again, such as ["damaged"]; ["all"] is all kinds.
    max_failures : float or None
        The job ends when more images fail: below 1 a share of all images, else a number.
    time_limit : float or None
        Seconds for reading and decoding one image.
    relearn : bool
        Learn anew what was learned before.
    seed : int
        Decides which images are learned from.
    engine : str or None
        "threads", "processes", "dask" or "ray". None: what ``joblib.parallel_config`` says, or
        threads.
    scheduler : str or None
        Address of Dask's scheduler or of the Ray cluster.
    part : (int, int) or None
        (i, n): compute the i-th of n parts of the images, from 1.
    is_learned : bool
        The features are fitted already; nothing is learned from these images.
    """

    n_jobs: int | None = -1
    progress: Progress = field(default_factory=Progress)
    retry_failed: Sequence[str] = ()
    max_failures: float | None = None
    time_limit: float | None = None
    relearn: bool = False
    seed: int = 0
    engine: str | None = None
    scheduler: str | None = None
    part: tuple[int, int] | None = None
    is_learned: bool = False

    def __post_init__(self) -> None:
        check_kinds(self.retry_failed, "retry_failed")
        object.__setattr__(self, "n_jobs", check_jobs(self.n_jobs))
        object.__setattr__(self, "seed", check_integer("seed", self.seed, 0, 2**32 - 1))
        if self.max_failures is not None:
            most = check_real("max_failures", self.max_failures, least=0)
            object.__setattr__(self, "max_failures", most)
        if self.time_limit is not None:
            seconds = check_real("time_limit", self.time_limit, above=0)
            object.__setattr__(self, "time_limit", seconds)

    @property
    def workers(self) -> Workers:
        """The workers that do the tasks."""
        return Workers(self.n_jobs, self.engine, self.scheduler)


def plan_source(
    source: Source,
    store: Path | str,
    make_features: MakeFeatures,
    reader: Reader,
    options: Options,
    assign_splits: AssignSplits | None = None,
) -> tuple[Plan, int]:
    """Scan the images, learn what is to be learned and find which rows are missing.

    Returns
    -------
    plan : Plan
    decoded : int
        Images that were decoded to learn from them.
    """
    folder = open_folder(store)
    images = scan_source(source, folder, reader, options, assign_splits)
    training = training_images(images)
    features = {**make_features(training), HASH: make_hash()}
    if options.is_learned:
        refs, decoded = keep_features(features, folder, reader), 0
    else:
        refs, decoded = learn(
            features,
            training,
            source,
            folder,
            reader,
            options.progress,
            seed=options.seed,
            relearn=options.relearn,
            n_jobs=options.n_jobs,
        )
    images = part_of(images, options.part)
    with options.progress.stage("plan", images.num_rows) as stage:
        todo = plan(source, images, refs, folder, options.retry_failed)
        stage.advance(images.num_rows)
        stage.summary = counted(todo.n_missing, "image lacks rows", "images lack rows")
    return todo, decoded


def scan_source(
    source: Source,
    store: Folder,
    reader: Reader,
    options: Options,
    assign_splits: AssignSplits | None = None,
) -> pa.Table:
    """Return what is known of the images of a source; those that the store does not know are read.

    Parameters
    ----------
    source, store, reader, options
    assign_splits : callable, optional
        Says which images are test images.

    Returns
    -------
    pyarrow.Table
        With the columns of :data:`.scan.IMAGES`.
    """
    index = ImageIndex(store, reader_name(reader))
    # The parts of a job need all images, to settle and to learn the same: the first reads them.
    with store.lock("scan") if options.part else nullcontext():
        images = scan(source, reader, index, options.progress, options.workers)
    if assign_splits is None:
        return images
    with options.progress.stage("split", images.num_rows) as stage:
        images = assign_splits(images)
        counts = pc.value_counts(images["split"]).to_pylist()
        stage.advance(images.num_rows)
        stage.summary = ", ".join(f"{c['counts']} {c['values']}" for c in counts)
        if has_groups(images):
            stage.summary += f" ({counted(len(pc.unique(images['group'].drop_null())), 'group')})"
    return images


def part_of(images: pa.Table, part: tuple[int, int] | None) -> pa.Table:
    """Return the i-th of n parts of the images, which are of about the same size.

    Examples
    --------
    >>> part_of(pa.table({"path": ["a", "b", "c"]}), (2, 2))["path"].to_pylist()
    ['b', 'c']
    """
    if part is None:
        return images
    i, n = part
    if not 1 <= i <= n:
        raise ValueError(f"part {i}/{n}: expected i/n with i from 1 to n")
    start, stop = (len(images) * k // n for k in (i - 1, i))
    return images.slice(start, stop - start)


def training_images(images: pa.Table) -> pa.Table:
    """Return the images of the split "train", or all images where there is no such split."""
    training = images.filter(pc.equal(images["split"], TRAIN))
    return training if training.num_rows else images


def extract_source(
    source: Source,
    store: Path | str,
    make_features: MakeFeatures,
    reader: Reader,
    options: Options,
    assign_splits: AssignSplits | None = None,
) -> Extraction:
    """Compute the rows of all images of a source that a store lacks."""
    todo, decoded = plan_source(source, store, make_features, reader, options, assign_splits)
    extraction = compute(
        todo,
        open_folder(store),
        reader,
        options.progress,
        n_jobs=options.workers,
        max_failures=options.max_failures,
        time_limit=options.time_limit,
    )
    extraction.refs = {name: ref for name, ref in todo.refs.items() if name != HASH}
    extraction.work.decoded += decoded
    extraction.work.sampled = decoded
    return extraction


def extract_to_store(
    images: Any, store: Path | str, recipe: Recipe, options: Options, **columns: str
) -> Extraction:
    """Compute the features of a recipe for images, with labels or without."""
    source = open_source(images, **columns)
    folder = _opened(store, source)
    choice = Choice(recipe, options.progress)
    extraction = extract_source(
        source, store, choice.make_features, recipe.reader, replace(options, seed=recipe.seed)
    )
    extraction.work.recipe = choice.why
    with options.progress.stage("write", None) as stage:
        if options.part is None:
            write_table(folder, "images.parquet", extraction.images)
            folder.write("duplicates.csv", as_csv(extraction.duplicates()))
            folder.write("failures.csv", as_csv(failures(extraction.images)))
            stage.summary = "images.parquet, duplicates.csv, failures.csv"
        else:
            i, n = options.part
            stage.summary = f"images-{i}-of-{n}.parquet"
            write_table(folder, stage.summary, extraction.images)
    return extraction


def extract(
    images: Any,
    store: Path | str,
    features: Sequence[BaseEstimator] | Mapping[str, BaseEstimator] | None = None,
    *,
    labels: Sequence[Any] | None = None,
    n_jobs: int | None = -1,
    progress: Progress | None = None,
    retry_failed: Sequence[str] = (),
    max_failures: float | None = None,
    time_limit: float | None = None,
    relearn: bool = False,
    seed: int = 0,
    engine: str | None = None,
    scheduler: str | None = None,
    part: tuple[int, int] | None = None,
    max_pixels: int = Reader.max_pixels,
    max_side: int = Reader.max_side,
) -> Extraction:
    """Compute the features of images and keep them in a store.

    A second call decodes nothing; with more images it computes theirs alone.

    Parameters
    ----------
    images : str, Path, sequence of ndarray, of str and Path, or Source
        Path or URL of a folder of any depth, a list, a manifest, tar shards, a zip or the files of
        CIFAR or MNIST; or a list of images in memory or of paths. See docs/sources.md.
    store : str or Path
        Path or URL of the store; it is made if it is missing.
    features : sequence or mapping of str to estimator, optional
        Features of this package, or any transformers from images to a 2-D array. Hue, HOG and
        words where they are left out.
    labels : sequence, optional
        Of a list of images, one for each.
    n_jobs : int or None
        As in joblib; -1 is all cores. ``joblib.parallel_config`` chooses the backend.
    progress : Progress, optional
        What shows the stages of the job; by default a notebook shows them, and nothing else.
    retry_failed : sequence of str
        Kinds of failure to try again, such as ["damaged"]; ["all"] is all kinds.
    max_failures : float, optional
        The job ends when more images fail: below 1 a share of all images, else a number.
    time_limit : float, optional
        Seconds for reading and decoding one image.
    relearn : bool
        Learn the vocabulary anew.
    seed : int
        Decides which images a vocabulary is learned from.
    engine : str, optional
        "threads", "processes", "dask" or "ray"; what ``joblib.parallel_config`` says, or threads,
        where it is left out.
    scheduler : str, optional
        Address of Dask's scheduler or of the Ray cluster.
    part : (int, int), optional
        (i, n): compute the i-th of n parts of the images, from 1; the parts meet in the store.
    max_pixels, max_side : int
        Limits of the reader.

    Returns
    -------
    Extraction

    Examples
    --------
    >>> import numpy as np
    >>> from visualwords import HueHistogram
    >>> pictures = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), np.uint8)
    >>> result = extract(pictures, "memory://example", [HueHistogram()])
    >>> result.matrix().shape, result.work.decoded
    ((5, 10), 5)
    >>> extract(pictures, "memory://example", [HueHistogram()]).work.decoded
    0
    """
    source = open_source(images, labels=labels)
    reader = Reader(max_pixels, max_side)
    options = Options(
        n_jobs,
        progress or Progress(),
        retry_failed,
        max_failures,
        time_limit,
        relearn,
        seed,
        engine,
        scheduler,
        part,
    )
    _opened(store, source)
    make_features = named_features(features, options.seed)
    return extract_source(source, store, make_features, reader, options)


def _opened(store: Path | str, source: Source) -> Folder:
    """Open a store that does not lie among the images; remove what a killed job left in it."""
    check_outside(source, store)
    if isinstance(folder := open_folder(store), LocalFolder):
        folder.remove_leftovers()
    return folder
