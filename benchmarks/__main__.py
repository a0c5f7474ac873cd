"""`python -m benchmarks [PART ...]`: measure, then print one table. Ends with 1 if a figure is worse than its floor.

Parts: webhooks, pages, sync, engines, kinds, limits, gaps, isolation, idle; all by default.
"""

import argparse
import sys
from collections.abc import Awaitable, Callable, Mapping

import psutil
import trio

from benchmarks import engines, gaps, idle, isolation, kinds, limits, pages, sync, webhooks
from benchmarks.table import Figure, misses, render

PARTS: Mapping[str, Callable[[], Awaitable[list[Figure]]]] = {
    "webhooks": webhooks.measure,
    "pages": pages.measure,
    "sync": sync.measure,
    "engines": engines.measure,
    "kinds": kinds.measure,
    "limits": limits.measure,
    "gaps": gaps.measure,
    "isolation": isolation.measure,
    "idle": idle.measure,
}


async def main(parts: list[str]) -> int:
    """Run the parts one after the other; return the exit code."""
    figures: list[Figure] = []
    for part in parts:
        print(f"measuring {part} ...", file=sys.stderr, flush=True)
        figures += await PARTS[part]()
        figures.append(Figure(""))
    figures.append(Figure("busy processes a second, of CPUs", f"{psutil.getloadavg()[0]:.1f}, {psutil.cpu_count()}"))
    print(render(figures))
    worse = misses(figures)
    for line in worse:
        print(f"missed: {line}", file=sys.stderr)
    return 1 if worse else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="all of them by default")
    sys.exit(trio.run(main, parser.parse_args().parts or list(PARTS)))
