"""A search: what a text names at one site, or at all of them, as the operation `explain` answers.

Sites are asked beside each other, some at a time, and each has `SECONDS`: a store that hangs delays no other.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import trio

from daemon.errors import CallerError, Invalid, StorageTrouble

SECONDS = 20.0
AT_ONCE = 8
"""Sites that are asked at the same time: each answer costs several calls of its store."""

Explain = Callable[[dict[str, Any]], Awaitable[Any]]


async def one_site(explain: Explain, connection: Mapping[str, Any], kind: str, what: Mapping[str, str]) -> list[Any]:
    """Return the answers of a site, for one kind or for all (""). Raises CallerError."""
    answers = []
    for each in [kind] if kind else connection["kinds"]:
        try:
            answers.append(await explain({"site": connection["site"], "kind": each, **what}))
        except Invalid as error:
            if kind or type(error) is not Invalid:  # of all kinds, some are not synced from every store
                raise
    return answers


async def all_sites(
    explain: Explain, connections: Sequence[Mapping[str, Any]], kind: str, what: Mapping[str, str]
) -> tuple[list[Any], dict[str, str]]:
    """Ask every site; return the answers in the order of sites and kinds, and the reason why a site gave none."""
    by_site: dict[str, list[Any]] = {}
    unasked: dict[str, str] = {}
    limit = trio.CapacityLimiter(AT_ONCE)

    async def ask(connection: Mapping[str, Any]) -> None:
        site = connection["site"]
        async with limit:
            with trio.move_on_after(SECONDS) as waiting:
                try:
                    by_site[site] = await one_site(explain, connection, kind, what)
                except (CallerError, StorageTrouble) as error:
                    unasked[site] = str(error)
            if waiting.cancelled_caught:
                unasked[site] = f"no answer within {SECONDS:.0f} s"

    async with trio.open_nursery() as nursery:
        for connection in connections:
            nursery.start_soon(ask, connection)
    return [answer for connection in connections for answer in by_site.get(connection["site"], ())], unasked
