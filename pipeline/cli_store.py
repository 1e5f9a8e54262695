"""The commands ``visualwords store ls | verify | repair | gc | forget | export``."""

import json
import re
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from .cli_options import Json
from .counts import counted

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Look after a feature store.")

Store = Annotated[str, typer.Argument(metavar="STORE", help="Path or URL of a store.")]
UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
DAYS = {"s": 1 / 86400, "h": 1 / 24, "d": 1.0, "w": 7.0}


@app.command("ls")
def list_features(store: Store, json_: Json = False) -> None:
    """List the features of a store: rows, columns, size, age."""
    from .store.maintenance import summaries

    found = summaries(_open(store))
    if json_:
        typer.echo(json.dumps([vars(summary) for summary in found]))
        return
    for s in found:
        age = (time.time() - s.modified) / 86400
        typer.echo(
            f"{s.folder:<46} {s.rows:>9} x {s.columns:<6} {s.bytes / 1e6:>9.1f} MB {age:>7.1f} d"
        )
    typer.echo(f"{'together':<65} {sum(s.bytes for s in found) / 1e6:>9.1f} MB")


@app.command()
def verify(store: Store, json_: Json = False) -> None:
    """Check every checksum; the exit code is 1 where something is damaged."""
    from .store.maintenance import verify

    damaged = verify(_open(store))
    if json_:
        typer.echo(json.dumps({"damaged": damaged}))
        raise typer.Exit(1 if damaged else 0)
    for name in damaged:
        typer.echo(f"damaged    {name}")
    if damaged:
        typer.echo("`visualwords store repair` removes it; the next extract computes it again")
        raise typer.Exit(1)
    typer.echo("nothing is damaged")


@app.command()
def repair(store: Store, json_: Json = False) -> None:
    """Remove what is damaged, so that the next extract computes it again."""
    from .store.maintenance import repair

    removed = repair(_open(store))
    if json_:
        typer.echo(json.dumps({"removed": removed}))
        return
    for name in removed:
        typer.echo(f"removed    {name}")
    if not removed:
        typer.echo("nothing is damaged")


@app.command()
def gc(
    store: Store,
    max_size: Annotated[str | None, typer.Option(help="Such as 500M or 20G.")] = None,
    older_than: Annotated[str | None, typer.Option(help="Such as 36h, 30d or 8w.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be removed, and remove nothing.")
    ] = False,
    json_: Json = False,
) -> None:
    """Remove the features that were not changed for the longest time."""
    from .store.maintenance import collect_garbage

    if max_size is None and older_than is None:
        raise typer.BadParameter("give --max-size or --older-than")
    removed = collect_garbage(
        _open(store),
        max_bytes=None if max_size is None else int(_quantity(max_size, UNITS, "--max-size")),
        older_than=(
            None if older_than is None else 86400 * _quantity(older_than, DAYS, "--older-than")
        ),
        dry_run=dry_run,
    )
    said = "would remove" if dry_run else "removed"
    if json_:
        typer.echo(json.dumps({said.replace(" ", "_"): [vars(summary) for summary in removed]}))
        return
    for summary in removed:
        typer.echo(f"{said:<10} {summary.folder}  {summary.bytes / 1e6:.1f} MB")


@app.command()
def forget(
    store: Store,
    keep: Annotated[
        list[str],
        typer.Option(
            help="A run, a store or an images.parquet, whose images stay; may be given often."
        ),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be removed, and remove nothing.")
    ] = False,
    json_: Json = False,
) -> None:
    """Remove the rows of images that none of the named runs has."""
    from .store.forget import forget_images

    forgotten = forget_images(_open(store), keep, dry_run=dry_run)
    said = "would remove" if dry_run else "removed"
    if json_:
        typer.echo(json.dumps({said.replace(" ", "_"): forgotten}))
        return
    for folder, n_images in forgotten.items():
        typer.echo(f"{said:<10} {folder}  {counted(n_images, 'image')}")


@app.command()
def export(
    store: Store,
    feature: Annotated[str, typer.Argument(help="Such as hog, or a whole name of `store ls`.")],
    to: Annotated[Path, typer.Option(help="A file that ends in .parquet, .npz or .csv.")],
    json_: Json = False,
) -> None:
    """Write all rows of a feature, with the digests of their images, to one file."""
    from .store.maintenance import export_feature

    n_rows = export_feature(_open(store), feature, to)
    said = {"file": str(to), "rows": n_rows}
    typer.echo(json.dumps(said) if json_ else f"{to}: {counted(n_rows, 'row')}")


def _open(store: str) -> Any:
    from .run_schema import RUN
    from .store.files import open_folder
    from .store.maintenance import feature_rows

    folder = open_folder(store)
    names = folder.names()
    if not names:
        raise ValueError(f"{store}: no such store, or an empty one; `visualwords extract` fills it")
    if RUN in names:
        from .run_folder import RunFolder

        raise ValueError(f"{store}: a run, whose store is {RunFolder(Path(store)).store()}")
    if "index" not in names and next(feature_rows(folder), None) is None:
        raise ValueError(f"{store}: not a store: it has neither features nor an index of images")
    return folder


def _quantity(text: str, units: dict[str, float] | dict[str, int], option: str) -> float:
    match = re.fullmatch(r"([0-9.]+)\s*([a-z]?)b?", text.strip().lower())
    if not match or match[2] not in units:
        raise typer.BadParameter(
            f"{text!r}: expected a number and a unit of {', '.join(u for u in units if u)}",
            param_hint=option,
        )
    return float(match[1]) * units[match[2]]
