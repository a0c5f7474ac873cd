"""Takeovers of a connection: the time from an event at its node to the other node's first write at the site.

One connection, two nodes, edits all the time. Half of the events fall into a call of the owner, the others come at any
moment. Afterwards the node is back, both sides end equal, nothing acknowledged is missing, and only the node with the
lease has written anything.
"""

import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from statistics import median

import trio
from attrs import frozen

from tests.prove.cluster.nodes import PATIENCE, Node, Nodes

NEVER_OVER = 30.0
BEAT = 2.0
PER_SECOND = 5.0
BURST = 5
"""Products of an edit at most: their calls follow each other, so a woken node has some left."""

AWAKE = 2.0
"""Seconds at most that a suspended or cut off node lives on while the other one has its connection already."""

SELDOM = 3600
SYNC = {"debounce_seconds": 0.02, "debounce_max_seconds": 0.2, "sweep_seconds": SELDOM, "census_seconds": SELDOM}


async def _kill(node: Node) -> None:
    await node.process.kill()


async def _stop(node: Node) -> None:
    node.send(signal.SIGSTOP)


async def _cut(node: Node) -> None:
    node.passing.clear()


async def _terminate(node: Node) -> None:
    node.send(signal.SIGTERM)


async def _start(node: Node) -> None:
    await node.process.wait()
    await node.start()


async def _wake(node: Node) -> None:
    node.send(signal.SIGCONT)
    await node.ready()


async def _join(node: Node) -> None:
    node.passing.set()
    await node.ready()


Act = Callable[[Node], Awaitable[None]]
EVENTS: Mapping[str, tuple[Act, Act]] = {
    "SIGTERM": (_terminate, _start),
    "SIGKILL": (_kill, _start),
    "SIGSTOP": (_stop, _wake),
    "partition": (_cut, _join),
}
"""The act on the node, and the one that brings it back."""

CUT = {"partition"}
"""Events that need a proxy."""

TARGETS: Mapping[str, float] = {"SIGTERM": 1.0, "SIGKILL": 15.0, "SIGSTOP": 15.0, "partition": 15.0}
"""Seconds below which the median shall be."""


@frozen(kw_only=True)
class Takeover:
    """Seconds from an event until the other node had taken the lease, and until its first write at the site."""

    taken: float
    written: float


async def take_over(nodes: Nodes, event: str, *, at_call: bool) -> Takeover:
    """Have the event happen to the owner, let the node come back, and look at everything."""
    happen, come_back = EVENTS[event]
    site_id = nodes.harnesses[0].site.site_id
    async with trio.open_nursery() as nursery:
        nursery.start_soon(nodes.load.edit_on, PER_SECOND, BURST)
        await trio.sleep(nodes.chance.uniform(0, BEAT))
        owner, other = nodes.owner(site_id)
        history = f"{event} of {owner.name}" + (" at a call" if at_call else "")
        if at_call:
            with trio.fail_after(PATIENCE):
                await nodes.watch.next_write(site_id, owner.name)
        began = time.time()
        await happen(owner)
        with trio.move_on_after(2 * NEVER_OVER) as scope:
            write = await nodes.watch.first_write(site_id, began, but=owner.name)
        assert not scope.cancelled_caught, (
            f"{history}: no takeover by {other.name} in {2 * NEVER_OVER:g} s; it has printed:\n{other.process.output}"
        )
        await trio.sleep(nodes.chance.uniform(0, AWAKE))
        if event == "SIGSTOP":
            nodes.watch.woken(owner.name)
        await come_back(owner)
        nursery.cancel_scope.cancel()
    await nodes.assert_good(history)
    [hand, *_] = [hand for hand in nodes.audit.hands[site_id] if hand.at > began and hand.name == other.name]
    return Takeover(taken=hand.at - began, written=write.at - began)


def described(takeovers: Sequence[Takeover]) -> str:
    """Return the least, the median and the greatest of the times until the first write."""
    seconds = [takeover.written for takeover in takeovers]
    return f"{min(seconds):.2f} / {median(seconds):.2f} / {max(seconds):.2f} s"
