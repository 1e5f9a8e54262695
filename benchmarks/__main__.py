"""``python -m benchmarks GROUP [MODULE ...]``: every module prints its rows."""

import sys
from importlib import import_module

# A module of a group is a file beside this one with a function report() that prints its rows.
GROUPS: dict[str, tuple[str, ...]] = {
    "features": ("hog", "hue", "descriptors", "nearest", "kmeans", "images", "compilation"),
    "training": ("training",),
    "lecture": ("lecture",),
    "certificates": ("certificates",),
    "reliability": ("reliability",),
}


def main(arguments: list[str]) -> int:
    if not arguments or arguments[0] not in GROUPS:
        print(f"usage: python -m benchmarks {{{'|'.join(GROUPS)}}} [module ...]", file=sys.stderr)
        return 2
    for module in arguments[1:] or GROUPS[arguments[0]]:
        print(f"\n== {module}", flush=True)
        import_module(f".{module}", __package__).report()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
