"""The tenure of one node among several, which share the connections of a database on PostgreSQL by leases.

Each node beats every 2 seconds. Measured from before a beat:

    7 s   the node is no longer sure of its leases: it cancels their tasks, and sends nothing more
    10 s  other nodes expel it, and take its leases

The first is measured by a clock that runs while the machine is suspended. A node that could not beat itself accuses no
other: perhaps the database was away for all. See `daemon.storage.leases` for the rows, and `last_word` for a node that
sent something without its lease all the same.
"""

import math
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

import structlog
import trio
from attrs import define, field

from daemon import __version__
from daemon.connections.tenure import OwnedConnection, Work, patiently
from daemon.engine.signal import Signal
from daemon.errors import StorageTrouble
from daemon.model import ConnectionId
from daemon.observability.logging import log_storage_trouble
from daemon.observability.metrics import Metrics
from daemon.storage import last_word, leases
from daemon.storage.database import SharedStorage
from daemon.storage.last_word import SecondLooks
from daemon.storage.leases import EXPEL_AFTER, Look, Node, Seen, Taken

BEAT_SECONDS = 2.0
SURE_SECONDS = 7.0
GAP_SECONDS = 3 * BEAT_SECONDS
"""Time between two beats after which a node counts as blind."""

RETRY_SECONDS = 0.5
GUARD_SECONDS = 1.0
LEAVE_SECONDS = 3.0
SECOND_LOOK_SECONDS = 30.0
"""The longest time that a request of the last owner may be under way."""

log = structlog.get_logger()


def boottime() -> float:
    """Return seconds of a clock that never jumps, and runs while the machine is suspended (on Linux)."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@define(kw_only=True, eq=False, repr=False)
class Cluster:
    """A node's leases, and the work on their connections; a `Tenure`.

    `clock` asks the database for its time; `wall` and `boottime` are this process's clocks.
    """

    storage: SharedStorage
    name: str
    config: str = ""
    metrics: Metrics = field(factory=Metrics)
    clock: Callable[[Any], float] = leases.clock
    wall: Callable[[], float] = lambda: time.time()  # noqa: PLW0108  tests replace the function
    boottime: Callable[[], float] = boottime
    _node_id: str | None = field(init=False, default=None)
    _owned: dict[ConnectionId, OwnedConnection] = field(init=False, factory=dict)
    _releasing: set[ConnectionId] = field(init=False, factory=set)
    """Connections whose work is being ended here: until then this node takes none of them again."""
    _sure_until: float = field(init=False, default=-1.0)
    _last_beat: float = field(init=False, default=float("-inf"))
    _steady_since: float = field(init=False, default=0.0)
    _offset: float = field(init=False, default=0.0)
    _is_beating: bool = field(init=False, default=True)
    _differing: Sequence[str] = field(init=False, default=())
    _timeline: int | None = field(init=False, default=None)
    _draining: bool = field(init=False, default=False)
    _wanted: Signal = field(init=False, factory=Signal)
    _work: Work = field(init=False)
    _nursery: trio.Nursery = field(init=False)

    def ownership(self, connection_id: ConnectionId) -> OwnedConnection | None:
        """Return the right to work on a connection; see `Tenure`."""
        # A connection that is about to be given back gets no new work.
        return None if connection_id in self._releasing else self._owned.get(connection_id)

    def now(self) -> float:
        """Return the database's time."""
        return self.wall() + self._offset

    @property
    def beat_age(self) -> float:
        """The seconds since the last beat that the database has; infinite before the first."""
        return self.boottime() - self._last_beat

    def wake(self) -> None:
        """Beat and look at once."""
        self._wanted.set()

    def finish(self) -> None:
        """Take no more leases, and give each one back as soon as its work is settled."""
        self._draining = True
        self.wake()

    async def run(self, work: Work) -> None:
        """Beat, and work on the connections of this node's leases, until `finish` and until all are given back."""
        self._work = work
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                nursery.start_soon(self._guard)
                while not (self._draining and not self._owned and not self._releasing):
                    try:
                        await self._beat()
                        self._is_beating = True
                    except StorageTrouble as error:
                        if self._is_beating:
                            log.warning("this node cannot beat", reason=error.reason)
                        self._is_beating = False
                    pause = BEAT_SECONDS if self._is_beating else RETRY_SECONDS
                    await self._wanted.wait_until(trio.current_time() + pause)
                nursery.cancel_scope.cancel()
        finally:
            with trio.move_on_after(LEAVE_SECONDS, shield=True):
                try:
                    if self._node_id is not None:
                        await self.storage.apart(leases.leave, self._node_id)
                except StorageTrouble as error:
                    log.warning("this node could not leave", reason=error.reason)

    async def _beat(self) -> None:
        """Beat once, and follow what is seen."""
        asked = self.boottime()
        if self._node_id is None:
            node = Node(id=secrets.token_hex(8), name=self.name, release=__version__, config=self.config)
            await self.storage.apart(leases.enter, node, await self.storage.apart(self.clock))
            self._node_id = node.id
        node_id = self._node_id
        pulse = await self.storage.apart(leases.pulse, node_id, self.clock, self.wall)
        if not pulse.alive:
            log.warning("this node was expelled; it enters again")
            self._lose_all()
            self._node_id = None
            return self.wake()
        if asked - self._last_beat > GAP_SECONDS:
            self._steady_since = asked
            if math.isfinite(self._last_beat):
                self.metrics.count("beats_late_total")
        self._last_beat, self._sure_until, self._offset = asked, asked + SURE_SECONDS, pulse.offset
        if self._draining:
            await self.storage.apart(leases.drain, node_id)
        look = Look(
            node_id=node_id,
            held=sorted({*self._owned, *self._releasing}),
            now=pulse.now,
            may_accuse=asked - self._steady_since >= EXPEL_AFTER,
            may_take=not self._draining,
            timeline=self._timeline,
        )
        seen = await self.storage.apart(leases.look, look)
        self._follow(seen)
        self._say(seen)
        return None

    def _say(self, seen: Seen) -> None:
        """Log and show what a person should know of the other nodes, and of the server."""
        if seen.differing and seen.differing != self._differing:
            log.warning("other nodes have different settings", nodes=", ".join(seen.differing))
        self._differing = seen.differing
        if seen.failed_over:
            log.warning("the server has failed over, and may have lost commits; all is read once", now=seen.timeline)
        self._timeline = seen.timeline or self._timeline
        self.metrics.show("leases", len(self._owned))
        self.metrics.show("nodes_differing", len(seen.differing))
        self.metrics.show("clock_offset_seconds", self._offset)

    def _follow(self, seen: Seen) -> None:
        """Begin, change and end work as the leases say."""
        for name in seen.expelled:
            log.warning("a silent node was expelled", node=name)
        valid = seen.owned
        for owned in list(self._owned.values()):
            if owned.lease not in valid:
                self._lose(owned, "the lease is gone")
        for taken in seen.taken:
            if taken.lease in valid:  # else its connection is gone by now
                self._begin(taken, valid)
        for owned in self._owned.values():
            owned.stored = valid[owned.lease]
            if owned.worked_on != owned.stored and not owned.busy and owned.id not in self._releasing:
                owned.busy = True
                self._nursery.start_soon(self._work_on, owned)
        self._give_surplus(seen.fair)

    def _give_surplus(self, fair: int) -> None:
        """Give back what is more than a fair share: one lease after the other, or all before the end."""
        surplus = len(self._owned) - fair
        if self._draining:
            for owned in list(self._owned.values()):
                self._give_back(owned)
        elif surplus > 0 and not self._releasing:  # one after the other
            self._give_back(next(reversed(self._owned.values())))

    def _begin(self, taken: Taken, valid: Mapping[leases.Lease, Any]) -> None:
        owned = OwnedConnection(
            taken,
            valid[taken.lease],
            self.storage,
            is_sure=lambda: self.boottime() < self._sure_until,
            on_refusal=lambda owned: self._lose(owned, "a write was refused"),
            on_crash=self._crashed,
        )
        self._owned[owned.id] = owned
        self.metrics.count("lease_changes_total", "given" if taken.given else "taken_over")
        log.info("lease taken", site=str(owned.stored.site), number=taken.lease.token, given=taken.given)

    async def _guard(self) -> None:
        """End all work when the node is no longer sure of its leases."""
        while True:
            left = self._sure_until - self.boottime()
            if left <= 0 and self._owned:
                log.warning("no beat for too long, the work on all connections ends")
                self._lose_all()
            # trio's clock stands still while the machine is suspended.
            await trio.sleep(min(left, GUARD_SECONDS) if left > 0 else GUARD_SECONDS)

    async def _work_on(self, owned: OwnedConnection) -> None:
        """Begin the work on a connection, or change it to what is stored now."""
        stored = owned.stored
        try:
            if not owned.looks_twice:
                if not owned.taken.given:
                    # Before the work begins: later it would be this node's own entities.
                    await self.storage.write(
                        last_word.owe, SecondLooks(connection_id=owned.id, at=self.now() + SECOND_LOOK_SECONDS)
                    )
                owned.looks_twice = True
            await self._work.work_on(stored)
            if owned.worked_on is None:
                # After the work has begun, so that a look which is due already wakes its tasks.
                self._nursery.start_soon(self._look_again, owned)
            owned.worked_on = stored
        except StorageTrouble as error:
            log_storage_trouble(error)
        except Exception:  # the connection's edge: logged, and kept from all nodes for a while
            log.exception("the work on a connection cannot begin", site=str(stored.site))
            self._crashed(owned)
        finally:
            owned.busy = False

    async def _look_again(self, owned: OwnedConnection) -> None:
        """Have the entities that earlier owners may have been sending written once more, when that is due."""
        due_at: float | None = self.now()
        while due_at is not None:
            with trio.move_on_after(max(0.0, due_at - self.now())):
                await owned.lost.wait()
            if owned.lost.is_set():
                return  # the next owner looks
            due_at = await patiently(
                lambda: self.storage.write(last_word.look_again, SecondLooks(connection_id=owned.id, at=self.now()))
            )
            self._work.said(owned.id)

    def _lose_all(self) -> None:
        for owned in list(self._owned.values()):
            self._lose(owned, "the node was not sure of it")

    def _lose(self, owned: OwnedConnection, why: str) -> None:
        """End the work on a connection at once: another node may have it."""
        if self._release(owned, None):
            self.metrics.count("lease_changes_total", "lost")
            log.info("lease lost", site=str(owned.stored.site), why=why)

    def _crashed(self, owned: OwnedConnection) -> None:
        """End the work on a connection, and keep it from all nodes for a while."""
        self._release(owned, self._quarantine)

    def _give_back(self, owned: OwnedConnection) -> None:
        """Give a lease back as soon as the batches in flight are settled."""
        if owned.id not in self._releasing:
            self._releasing.add(owned.id)
            self._nursery.start_soon(self._finish, owned)

    async def _finish(self, owned: OwnedConnection) -> None:
        self._work.finish_one(owned.stored)
        await owned.idle()
        self._release(owned, self._give)

    def _release(self, owned: OwnedConnection, end: Callable[[OwnedConnection], Awaitable[None]] | None) -> bool:
        """Cancel the tasks of a connection, and then have it end; False if it was released before."""
        if owned.lost.is_set():
            return False
        owned.lost.set()
        self._owned.pop(owned.id, None)
        self._releasing.add(owned.id)
        self._nursery.start_soon(self._end, owned, end)
        return True

    async def _end(self, owned: OwnedConnection, end: Callable[[OwnedConnection], Awaitable[None]] | None) -> None:
        await self._work.stop_one(owned.stored)
        if (word := owned.unsettled.last_word(owned.id, self.now())) is not None:
            await patiently(partial(self.storage.write, last_word.say, word))
            self._work.said(owned.id)
        if end is not None:
            await patiently(partial(end, owned))
        self._releasing.discard(owned.id)
        self.wake()

    async def _give(self, owned: OwnedConnection) -> None:
        await self.storage.write(leases.give, owned.lease)
        self.metrics.count("lease_changes_total", "handed_over")
        log.info("lease given back", site=str(owned.stored.site))

    async def _quarantine(self, owned: OwnedConnection) -> None:
        seconds = await self.storage.apart(leases.quarantine, owned.lease, self.now())
        self.metrics.count("lease_changes_total", "rested")
        log.error("the connection rests because its work crashed", site=str(owned.stored.site), seconds=seconds)
