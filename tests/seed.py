"""The seed of what is tried at random: always told, and given by hand to have the same again."""

import argparse
import random
import sys


def draw() -> int:
    """Return a seed that nobody chose."""
    return random.randrange(2**32)


def arguments(module: str, doc: str | None, **options: float | str) -> argparse.Namespace:
    """Read a long form's command line, whose `options` are numbers with these defaults, and tell its seed."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=doc)
    for name, default in {**options, "seed": draw()}.items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    given = parser.parse_args()
    say(f"seed {given.seed}: repeat it with --seed {given.seed}")
    return given


def say(words: str) -> None:
    """Tell whoever started it, at once."""
    sys.stderr.write(f"{words}\n")
