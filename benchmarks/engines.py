"""SQLite and PostgreSQL in one run: durable webhooks, the CPU of full syncs, and the time from a webhook to its push.

A machine's speed varies from minute to minute, so the engines take turns: compare figures of one run only.
PostgreSQL is a server of its own on this machine, with its disk's real fsync. It shares the CPUs with the daemon and
the load. The CPU of a full sync is the daemon's alone.
"""

import contextlib
import random
from functools import partial

from attrs import frozen

from benchmarks.isolation import DEBOUNCE, Lateness, edit_all, in_step
from benchmarks.neighbours import open_stores
from benchmarks.platforms import BIGCOMMERCE, BenchPlatform
from benchmarks.processes import Daemon, open_daemon, until
from benchmarks.sync import Life, live
from benchmarks.table import Figure
from benchmarks.webhooks import Durable, durable, figures
from daemon.model import Secret
from tests.postgres import DURABLE, REMEDY, Server, binaries, running

ROUNDS = 5
PRODUCTS = 2_000
CONNECTIONS = 10
EDITED = 5
"""Products of each connection whose edits are timed."""

FAIR = "SELECT node_id FROM leases GROUP BY node_id HAVING count(*) >= ?"
SHARING = 60.0
"""Seconds in which nodes have shared the connections."""

SQLITE, POSTGRES = "SQLite", "PostgreSQL"


@frozen(kw_only=True)
class Measured:
    """The figures of one engine: all its rounds, the slowest first; two full syncs; the delays of edits."""

    rounds: list[Durable]
    life: Life
    delays: dict[int, Lateness]
    """By the number of nodes; on SQLite there is one."""

    @property
    def per_second(self) -> float:
        """The median of the durable webhooks per second."""
        return self.rounds[len(self.rounds) // 2].result.per_second


def _place(server: Server, engine: str) -> contextlib.AbstractContextManager[Secret | None]:
    """Lend the URL of a new database on the server; None for SQLite, whose file is its daemon's."""
    return server.database() if engine == POSTGRES else contextlib.nullcontext()


async def both(
    platform: BenchPlatform = BIGCOMMERCE,
    *,
    seconds: float,
    rounds: int,
    products: int,
    edits: float,
    connections: int = CONNECTIONS,
) -> dict[str, Measured]:
    """Measure both engines in turns: `seconds` of webhooks in each round, `edits` seconds of edits."""
    found: dict[str, list[Durable]] = {SQLITE: [], POSTGRES: []}
    with running(DURABLE) as server:
        for _ in range(rounds):
            for engine, results in found.items():
                with _place(server, engine) as url:
                    results.append(await durable(seconds, url, platform=platform))
                    figures(results[-1], results[-1].result)  # raises if a webhook was lost
        measured: dict[str, Measured] = {}
        for engine, results in found.items():
            with _place(server, engine) as url:
                life = await live(products, url, platform)
            delays = {}
            for nodes in (1,) if engine == SQLITE else (1, 2):
                with _place(server, engine) as url:
                    delays[nodes] = await _delays(platform, url, edits, connections, nodes)
            results.sort(key=lambda one: one.result.per_second)
            measured[engine] = Measured(rounds=results, life=life, delays=delays)
    return measured


async def _delays(
    platform: BenchPlatform, url: Secret | None, seconds: float, connections: int, nodes: int
) -> Lateness:
    """Edit products of many connections, and time each until its site has it.

    The first node takes all webhooks. With two, half of them are for connections that the other one works on, as behind
    a load balancer.
    """
    async with (
        open_stores(connections, EDITED, platform) as neighbours,
        contextlib.AsyncExitStack() as stack,
    ):
        first, *others = [neighbour.told for neighbour in neighbours]
        run = partial(open_daemon, first, beside=others, webhooks=True, debounce=DEBOUNCE, url=url)
        daemons: list[Daemon] = []
        for _ in range(nodes):
            port = daemons[0].port if daemons else None
            daemons.append(await stack.enter_async_context(run(public_port=port)))
        await in_step(neighbours, daemons[0])
        await until(lambda: nodes == 1 or len(daemons[0].query(FAIR, connections // nodes)) >= nodes, SHARING)
        return await edit_all(neighbours, seconds, random.Random(0))


async def measure(platform: BenchPlatform = BIGCOMMERCE, seconds: float = 4.0, edits: float = 20.0) -> list[Figure]:
    """Measure both engines. Raises RuntimeError where there is no PostgreSQL server."""
    if binaries() is None:
        raise RuntimeError(REMEDY)
    found = await both(platform, seconds=seconds, rounds=ROUNDS, products=PRODUCTS, edits=edits)
    return [Figure(f"both engines in turns, {ROUNDS} rounds"), *rendered(found)]


def rendered(found: dict[str, Measured]) -> list[Figure]:
    """Return the figures of both engines."""
    promised = {SQLITE: ("", ""), POSTGRES: ("5,000", "3,500")}
    return [
        figure
        for engine, engine_found in found.items()
        for figure in _of_engine(engine, engine_found, *promised[engine])
    ]


def _of_engine(engine: str, found: Measured, goal: str, floor: str) -> list[Figure]:
    rounds, per = found.rounds, found.life.products / 1_000
    middle = rounds[len(rounds) // 2]
    slowest, fastest = (rounds[place].result.per_second for place in (0, -1))
    cpu = [f"{cost.cpu_seconds / per:.2f}" for cost in (found.life.first, found.life.second)]
    words = {1: "one node", 2: "two nodes"}
    delays = [
        Figure(
            f"  {engine}: p50, p99 from webhook to push, {words[nodes]}, ms",
            ", ".join(f"{late.at(share) * 1e3:.0f}" for share in (0.5, 0.99)),
        )
        for nodes, late in found.delays.items()
    ]
    return [
        Figure(f"  {engine}: durable signed webhooks/s, the median", f"{found.per_second:,.0f}", goal, floor),
        Figure(f"  {engine}: slowest and fastest round", f"{slowest:,.0f}, {fastest:,.0f}"),
        Figure(
            f"  {engine}: p50, p99 of an answer, ms", f"{middle.result.p50 * 1e3:.1f}, {middle.result.p99 * 1e3:.1f}"
        ),
        Figure(f"  {engine}: webhooks in a commit", f"{middle.group:.1f}"),
        Figure(f"  {engine}: the daemon's CPU, us a webhook", f"{middle.cpu_seconds / middle.acknowledged * 1e6:.0f}"),
        Figure(f"  {engine}: first, unchanged sync: CPU s per 1,000 products", ", ".join(cpu)),
        *delays,
    ]
