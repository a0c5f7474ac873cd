"""The garbage collector's work on what stays for the daemon's whole life."""

import gc

import trio

FREEZE_AT = (1.0, 60.0)
"""Seconds after the start by which the adapters' modules are loaded, and connections, caches and compiled statements
built. With twenty connections, each full collection would scan them for 20 ms, every few seconds, and stop every thread
meanwhile."""


async def freeze() -> None:
    """Hide from the collector what the daemon has loaded and built by each of these times."""
    began = trio.current_time()
    for seconds in FREEZE_AT:
        await trio.sleep_until(began + seconds)
        gc.collect()
        gc.freeze()
