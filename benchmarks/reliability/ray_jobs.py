"""Jobs on Ray: the same bytes as in one thread."""

from importlib.util import find_spec

from visualwords.pipeline.job import extract

from .common import FEATURES, same_bytes


def report(rounds: int = 3) -> None:
    """Run jobs on Ray."""
    if find_spec("ray") is None:
        print("Ray                   not installed: pip install ray")
        return
    n_same = same_bytes(rounds, lambda images, s: extract(images, s, FEATURES, engine="ray"))
    print(f"Ray                   {rounds} rounds: {n_same} same bytes")
