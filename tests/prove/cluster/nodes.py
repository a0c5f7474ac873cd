"""Two nodes on one database, between stores and their sites: the real processes, and what watches them.

With `cut` each node has its own way to the server, a proxy that can fall silent. It costs time, since it shares a
process with the stand-ins.
"""

import contextlib
import os
import random
import signal
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import trio
from attrs import define, field, frozen

from benchmarks.neighbours import open_neighbours
from daemon.model import Secret
from daemon.sandbox import Sandbox, delay, synthetic
from tests.e2e.harness import ProcessHarness
from tests.e2e.process import GLANCE, Process, free_port, settings
from tests.postgres import Server
from tests.prove.cluster.audit import Audit
from tests.prove.cluster.load import Load
from tests.prove.cluster.watch import Watch
from tests.silent_proxy import SilentProxy

NAMES = ("a", "b")
PATIENCE = 120.0
"""Seconds after which a condition fails the run; a machine that is busy needs many."""

SLOWNESS = 0.03
"""Seconds that pass between some effects and their answers, so that a node is often caught at a call."""

NOISE = ("Traceback", '"error"', '"critical"', "broke the daemon")
"""Words that a node has no reason to print."""


@frozen(kw_only=True)
class Node:
    """A node's process, and its way to the database."""

    name: str
    process: Process
    passing: threading.Event
    """Unset, the node's way to the database is silent."""

    def send(self, number: signal.Signals) -> None:
        """Send the process a signal."""
        os.kill(self.process.pid, number)

    async def start(self) -> None:
        """Start the process and wait until it is ready."""
        await self.process.launch()
        await self.ready()

    async def ready(self) -> None:
        """Wait until /readyz says so."""
        with trio.fail_after(PATIENCE):
            while True:
                assert self.process.living, f"it ended:\n{self.process.output}"
                with contextlib.suppress(httpx.TransportError):
                    if (await self.process.request("GET", "/readyz")).status_code == httpx.codes.OK:
                        return
                await trio.sleep(GLANCE)


@define(eq=False, kw_only=True)
class Nodes:
    """Two nodes, the sites they work on, and all that is known of what they did."""

    nodes: Sequence[Node]
    harnesses: Sequence[ProcessHarness]
    audit: Audit
    watch: Watch
    load: Load
    chance: random.Random

    @property
    def unequal(self) -> list[str]:
        """Differences between the sites and their stores."""
        return [difference for harness in self.harnesses for difference in harness.unequal]

    def owner(self, site_id: str) -> tuple[Node, Node]:
        """Return the node that has taken a site's lease last, and the other one."""
        name = self.audit.hands[site_id][-1].name
        first, second = self.nodes
        return (first, second) if first.name == name else (second, first)

    async def at_rest(self) -> None:
        """Wait until every webhook was taken, and no live change waits. Runs that close gaps may go on."""
        with trio.fail_after(PATIENCE):
            await self.load.taken()
            while any(row.live and not row.parked for row in self.audit.outbox):  # noqa: ASYNC110
                await trio.sleep(GLANCE)

    async def assert_good(self, history: object) -> None:
        """Wait until nothing waits. Then both sides are equal, and no node did what only the owner may do."""
        await self.at_rest()
        with trio.move_on_after(1.0):  # a woken node may still have its last word to say
            while self.unequal:  # noqa: ASYNC110  a foreign process tells nobody
                await trio.sleep(GLANCE)
        assert not self.unequal, f"{history}: {self.unequal}"
        self.assert_lawful(history)
        parked = [row for row in self.audit.outbox if row.parked]
        assert not parked, f"{history}: {parked}"

    def assert_lawful(self, history: object) -> None:
        """Fail if anything acknowledged is lost, or if a node did what only the owner may do."""
        hands = self.audit.hands
        output = [line for node in self.nodes for line in node.process.output.splitlines()]
        faults = {
            "acknowledged and lost": self.load.lost(lambda: self.audit.outbox),
            "settled without the lease": self.audit.violations,
            "written by two nodes at once": self.watch.overlaps(hands),
            "written without the lease": self.watch.strays(hands),
            "printed": [line for line in output if any(word in line for word in NOISE)],
        }
        for words, found in faults.items():
            assert not found, f"{history}: {words}: {found}"


@contextlib.asynccontextmanager
async def open_nodes(
    folder: Path,
    server: Server,
    chance: random.Random,
    sync: Mapping[str, Any],
    *,
    connections: int,
    products: int,
    cut: bool = False,
    bug: str = "",
) -> AsyncIterator[Nodes]:
    """Serve stores and sites, and run two nodes between them on a new database; the first full syncs are over.

    `bug` is planted in both nodes.
    """
    async with contextlib.AsyncExitStack() as stack:
        url = stack.enter_context(server.database())
        audit = Audit.begin(url)
        stack.callback(audit.close)
        stores = [synthetic(products) for _ in range(connections)]
        sandboxes = await stack.enter_async_context(open_neighbours(stores, quota=None))
        watch, ports = Watch(), [free_port() for _ in NAMES]
        ways = [stack.enter_context(_open_way(server, url)) if cut else _Way(url) for _ in NAMES]
        for sandbox in sandboxes:
            watch.watch(sandbox.sparklayer)
            sandbox.sparklayer.faults.add("*", delay(SLOWNESS), probability=0.3)
        text_of = partial(_settings, sandboxes, sync, ports)
        nodes = [
            await stack.enter_async_context(_open_node(folder, way, name, port, text_of, bug))
            for name, port, way in zip(NAMES, ports, ways, strict=True)
        ]
        lot = trio.lowlevel.ParkingLot()
        harnesses = [ProcessHarness(sandbox=one, process=nodes[0].process, called=lot) for one in sandboxes]
        load = Load(harnesses=harnesses, ports=ports, chance=chance)
        stack.push_async_callback(load.aclose)
        found = Nodes(nodes=nodes, harnesses=harnesses, audit=audit, watch=watch, load=load, chance=chance)
        for node in nodes:
            await node.start()
        with trio.fail_after(PATIENCE):
            while len(audit.hands) < connections or audit.open_runs or found.unequal:  # noqa: ASYNC110  a foreign process tells nobody
                await trio.sleep(GLANCE)
        await found.at_rest()
        yield found


@frozen
class _Way:
    """A way to the database, which is silent while `passing` is unset."""

    url: Secret
    passing: threading.Event = field(factory=threading.Event)


@contextlib.contextmanager
def _open_way(server: Server, url: Secret) -> Iterator[_Way]:
    # Under /tmp itself: the path of a socket has at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="ignite-way-", dir="/tmp") as folder:
        proxy = SilentProxy(folder=Path(folder), server=server.folder)
        with proxy.running():
            yield _Way(Secret(url.reveal().replace(str(server.folder), folder)), proxy.passing)


@contextlib.asynccontextmanager
async def _open_node(
    folder: Path, way: _Way, name: str, port: int, text_of: Callable[[int, Secret], str], bug: str
) -> AsyncIterator[Node]:
    own = folder / name
    own.mkdir()
    async with Process(own, text_of(port, way.url), port, environment={"DYNO": name, "PGAPPNAME": name}) as process:
        process.entry = ("tests.prove.cluster.named", f"{name}:{bug}")
        yield Node(name=name, process=process, passing=way.passing)


def _settings(
    sandboxes: Sequence[Sandbox], sync: Mapping[str, Any], ports: Sequence[int], port: int, url: Secret
) -> str:
    """Write the settings of a node: all differ in their ports and their ways to the database only."""
    texts = [settings(sandbox, ports[0], url, sync=sync).partition("[[connections]]") for sandbox in sandboxes]
    head = texts[0][0].replace(f"port = {ports[0]}\n", f"port = {port}\n", 1)
    return head + "".join(mark + section for _, mark, section in texts)
