"""Many connections under a flood of webhooks while one node after the other is killed.

A killed node comes back at once, as a supervisor of processes would have it. Before each kill everything acknowledged
has arrived or waits in the outbox. In the end both sides are equal on every connection, and nothing is parked.
"""

import random
from pathlib import Path

import trio

from tests.postgres import Server
from tests.prove.cluster.nodes import Nodes, open_nodes

CONNECTIONS = 40
PRODUCTS = 5
PER_SECOND = 200.0
KILL_EVERY = 20.0
SELDOM = 3600
SYNC = {"sweep_seconds": SELDOM, "census_seconds": SELDOM}
"""The debounce is the default one."""


async def storm(
    folder: Path,
    server: Server,
    chance: random.Random,
    *,
    seconds: float,
    connections: int = CONNECTIONS,
    per_second: float = PER_SECOND,
) -> str:
    """Kill a node every `KILL_EVERY` seconds; return words about what happened. Raises AssertionError."""
    async with open_nodes(folder, server, chance, SYNC, connections=connections, products=PRODUCTS) as nodes:
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(nodes.load.edit_on, per_second)
            kills = await kill_on(nodes, began, began + seconds)
            nursery.cancel_scope.cancel()
        under_load = trio.current_time() - began
        await nodes.assert_good(f"{kills} kills")
        rested = trio.current_time() - began - under_load
        writes = sum(map(len, nodes.watch.writes.values()))
        hands = sum(map(len, nodes.audit.hands.values()))
        return (
            f"{connections} connections, {kills} kills in {under_load:.0f} s: {nodes.load.acknowledged:,} webhooks "
            f"acknowledged ({nodes.load.acknowledged / under_load:.0f}/s), {nodes.load.refused:,} asked of the other "
            f"node, {writes:,} writes, {hands} leases taken; all arrived {rested:.1f} s after the last webhook; "
            "nothing lost, nothing parked, no connection worked on by two nodes at once"
        )


async def kill_on(nodes: Nodes, began: float, until: float) -> int:
    """Kill a node every `KILL_EVERY` seconds, however long a start takes; return the number of kills."""
    kills = 0
    while (due := began + KILL_EVERY * (kills + 1)) < until:
        await trio.sleep_until(due)
        nodes.assert_lawful(f"before kill {kills + 1}")
        node = nodes.nodes[kills % len(nodes.nodes)]
        await node.process.kill()
        await node.start()
        kills += 1
    await trio.sleep_until(until)
    return kills
