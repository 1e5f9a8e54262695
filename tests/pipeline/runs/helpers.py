"""What tests of runs share."""

import csv
import json

from visualwords.pipeline.job import Options
from visualwords.pipeline.recipe import Recipe
from visualwords.pipeline.run import Run


def recipe(*settings):
    made = Recipe()
    for setting in ("words.n_words=3", "hue.n_bins=3", "hog.image_size=[16,16]", *settings):
        made = made.with_setting(setting)
    return made


def open_run(folder, **options):
    return Run(folder, options=Options(n_jobs=1), **options)


def scores_of(folder):
    metrics = json.loads((folder / "metrics.json").read_bytes())
    classifiers = metrics.get("classifiers", {})
    return {name: entry["confusion"] for name, entry in classifiers.items() if "confusion" in entry}


def rows_of(file):
    with file.open() as text:
        return list(csv.DictReader(text))


def models_of(folder):
    return {f.name: f.read_bytes() for f in (folder / "models").iterdir() if f.suffix == ".npz"}


def write_manifest(file, crops, split_of):
    lines = ["path,label,split"]
    for image in sorted(crops.rglob("*.*")):
        lines.append(f"{image},{image.parent.name},{split_of(image)}")
    file.write_text("\n".join(lines))
    return file
