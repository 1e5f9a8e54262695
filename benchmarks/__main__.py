"""``python -m benchmarks GROUP [MODULE ...]``: every module prints its rows."""

import sys
from importlib import import_module
from pathlib import Path

# A module of a group has a function report() that prints its rows. It lies beside this file, or in
# the folder of its group.
GROUPS: dict[str, tuple[str, ...]] = {
    "features": ("hog", "hue", "descriptors", "nearest", "kmeans", "images", "compilation"),
    "training": ("training",),
    "lecture": ("lecture",),
    "recognition": ("table", "whole_path"),
    "certificates": ("certificates",),
    "reliability": (
        *("damage", "hostile", "faults", "kills", "images"),
        *("eight_jobs", "dask_kills", "ray_jobs"),
    ),
    "duplicates": ("near_duplicates",),
    "size": ("changes", "million", "cached_run", "cifar_job", "training_memory"),
    "report": ("pages",),
    "install": ("install",),
}


def main(arguments: list[str]) -> int:
    if not arguments or arguments[0] not in GROUPS:
        print(f"usage: python -m benchmarks {{{'|'.join(GROUPS)}}} [module ...]", file=sys.stderr)
        return 2
    group, *modules = arguments
    package = f".{group}" if (Path(__file__).parent / group).is_dir() else ""
    for module in [name.removeprefix("--") for name in modules] or GROUPS[group]:
        print(f"\n== {module}", flush=True)
        import_module(f"{package}.{module}", __package__).report()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
