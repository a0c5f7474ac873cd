"""`python -m benchmarks [--platform woocommerce] [PART ...]`: measure, then print one table.

Ends with 1 if a figure is worse than its floor. Parts: listener, webhooks, pages, sync, engines, kinds, limits, gaps,
isolation, idle; all by default. `gaps` is BigCommerce's alone: it has to do with the minute in which that activates
webhooks.
"""

import argparse
import sys
from collections.abc import Awaitable, Callable, Mapping

import psutil
import trio

from benchmarks import engines, gaps, idle, isolation, limits, listener, pages, sync, webhooks
from benchmarks.platforms import BIGCOMMERCE, PLATFORMS, BenchPlatform
from benchmarks.table import Figure, misses, render

PARTS: Mapping[str, Callable[[BenchPlatform], Awaitable[list[Figure]]]] = {
    "listener": listener.measure,
    "webhooks": webhooks.measure,
    "pages": pages.measure,
    "sync": sync.measure,
    "engines": engines.measure,
    "kinds": sync.measure_kinds,
    "limits": limits.measure,
    "gaps": gaps.measure,
    "isolation": isolation.measure,
    "idle": idle.measure,
}


OF_BIGCOMMERCE = frozenset({"gaps"})
"""Parts that other platforms do not have."""


async def main(parts: list[str], platform: BenchPlatform = BIGCOMMERCE) -> int:
    """Run the parts one after the other, those that the platform has; return the exit code."""
    figures: list[Figure] = []
    for part in parts:
        if part in OF_BIGCOMMERCE and platform is not BIGCOMMERCE:
            print(f"{part} is measured with BigCommerce only", file=sys.stderr)
            continue
        print(f"measuring {part} ...", file=sys.stderr, flush=True)
        figures += await PARTS[part](platform)
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
    parser.add_argument("--platform", choices=PLATFORMS, default=BIGCOMMERCE.name, help="the platform of the store")
    given = parser.parse_args()
    sys.exit(trio.run(main, given.parts or list(PARTS), PLATFORMS[given.platform]))
