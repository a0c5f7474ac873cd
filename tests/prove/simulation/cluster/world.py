"""A world in which several machines run the daemon on one database."""

import contextvars
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Any, ClassVar
from unittest import mock

import trio
from attrs import define, evolve, field
from sqlalchemy import Connection, update

import daemon.transport.http
from daemon.engine.runner import ConnectionRunner
from daemon.errors import StorageTrouble
from daemon.model import Site
from daemon.storage import connections, leases
from daemon.storage.connections import Adopt
from daemon.storage.leases import EXPEL_AFTER, Lease
from daemon.storage.tables import leases as lease_rows
from tests.prove.simulation.audit import Audit
from tests.prove.simulation.cluster.audit import LONGEST_ALONE, ClusterAudit, Lawful
from tests.prove.simulation.cluster.link import UP, Bus
from tests.prove.simulation.cluster.node import CONNECTED, Machine, NodeLife
from tests.prove.simulation.cluster.pausing import LIFE, Pauses, pausable
from tests.prove.simulation.cluster.wires import Wires
from tests.prove.simulation.life import Life, settings
from tests.prove.simulation.network import Call, Connected, Network
from tests.prove.simulation.steady import AHEAD, Clock
from tests.prove.simulation.stores.base import StoreType
from tests.prove.simulation.trace import Trace
from tests.prove.simulation.world import Plan, World, leaves_of

APART_SECONDS = (0.0, 0.0, 4.0, 900.0)
"""By so much at most are machines' clocks apart."""

POOLED = 0.25
"""The share of runs with a pooler that lets no message through."""

DORMANT = 2
"""Connections that no node has work for: their leases count for the fair share."""

LAST_WORDS_SECONDS = 45.0
"""Seconds after a long pause within which a node is not killed: a gap that the design leaves."""

SURE_SECONDS = 6.5
"""A pause that is longer may cost the lease."""


@define(eq=False, kw_only=True)
class ClusterWorld(World):
    """Everything there is in a run with several lives at a time."""

    audited_by: ClassVar[type[Audit]] = ClusterAudit
    connected_by: ClassVar[type[Network]] = Wires
    longest_rest: float = 1800.0
    machines: list[Machine] = field(factory=list)
    bus: Bus = field(factory=Bus)
    pauses: Pauses = field(factory=Pauses)
    stormy: bool = True
    disk_loses_takeover: bool = False
    """True if the server fails over after the next takeover, and knows nothing of it then."""
    poisoned: bool = False
    """True while the work on the connection crashes on every node."""

    @classmethod
    def found(
        cls, seed: int, store: StoreType, clock: Clock, trace: Trace, nursery: trio.Nursery, nodes: int
    ) -> "ClusterWorld":
        """Build a world for so many nodes. What the runs with one life show is left out."""
        chance = random.Random(f"cluster {seed}")
        drawn = Plan.draw(chance, repeats=store.repeats)
        plan = evolve(drawn, lossy=False, leaves=False, jumps=False, sweep_seconds=1e6, quota=None, rate=None)
        world = cls.build(seed, store, clock, trace, nursery, plan)
        apart = chance.choice(APART_SECONDS)
        world.machines = [Machine(number=n, ahead=chance.uniform(-apart, apart)) for n in range(nodes)]
        world.bus.pooler = chance.random() < POOLED
        world.audit.then = lambda: None
        world.cluster_audit.node_of = world._node_of
        world.cluster_audit.late = lambda call: call.number in world.wires.late
        world.cluster_audit.may_be_expelled = world._may_be_expelled
        world.cluster_audit.after_sent = world._after_sent
        world.wires.nursery, world.wires.outside = nursery, contextvars.copy_context()
        world.wires._witnesses[1:] = [Lawful(one, world.cluster_audit) for one in world.wires._witnesses[1:]]
        for n in range(DORMANT):
            call = Adopt(site=Site("test", f"dormant{n}"), platform=store.platform, encrypted=b"", now=0.0)
            world.disk.transact(connections.adopt, [call])
        trace.add("machines", *(f"{machine.ahead:.1f}" for machine in world.machines), "pooler", world.bus.pooler)
        return world

    @property
    def cluster_audit(self) -> ClusterAudit:
        """The audit."""
        assert isinstance(self.audit, ClusterAudit)
        return self.audit

    @property
    def wires(self) -> Wires:
        """The network."""
        assert isinstance(self.network, Wires)
        return self.network

    def lives_now(self) -> Sequence[NodeLife]:
        """Return the lives that are there now."""
        return [
            machine.life for machine in self.machines if machine.life is not None and not machine.life.gone.is_set()
        ]

    def listener(self) -> Life | None:
        """Return a node that listens, as a load balancer chooses one."""
        lives = [life for life in self.lives_now() if life.takes_requests]
        return self.chance.choice(lives) if lives else None

    def calm(self) -> None:
        """Let every machine go on, and reach the database."""
        self.poisoned = self.bus.pooler = self.disk_loses_takeover = False
        for machine in self.machines:
            machine.link.turn(UP)
            machine.trap = None
            if machine.life is not None:
                self.pauses.resume(machine.life.number)

    def owed(self) -> list[str]:
        """Return what nodes have still to say or to look at, and what is still on its way."""
        found = [f"{self.wires.under_way} late requests"] if self.wires.under_way else []
        found += [f"last words or second looks of life {life.number}" for life in self.lives_now() if life.owes]
        if rows := self.disk.rows("SELECT kind, external_id FROM second_looks"):
            found.append(f"second looks {rows}")
        if rows := self.disk.rows("SELECT kind, puts_owed FROM sync_log WHERE puts_owed > 0"):
            found.append(f"PUTs {rows}")
        return found

    def rested(self) -> None:
        """See to it that SparkLayer's sync-log is what the database says that it was told."""
        query = "SELECT last_full_sync, last_succeeded FROM sync_log WHERE kind = ?"
        for (_, kind), log in self.site.state.sync_log.logs.items():
            [(ended, succeeded)] = self.disk.rows(query, kind)
            issues = sorted(row[0] for row in self.disk.rows("SELECT external_id FROM issues WHERE kind = ?", kind))
            stored = (ended and int(ended), succeeded, issues)
            told = (_seconds(log.get("last_full_sync")), log.get("last_full_sync_succeeded"), sorted(log.errors))
            if told != stored:
                self.audit.breach(f"the sync-log of {kind} is", told, "instead of", stored)

    async def run_machine(self, machine: Machine) -> None:
        """Start the daemon on a machine, and start it again whenever it has ended."""
        AHEAD.set(machine.ahead)
        while not self.over:
            self.lives += 1
            connected = Connected(self.lives)
            CONNECTED.set(connected)
            LIFE.set(self.lives)
            life = machine.life = NodeLife(
                settings=settings(self.store_type, self.sync),
                disk=self.disk,
                clock=self.clock,
                connected=connected,
                committed=self._committed,
                chance=random.Random(f"life {self.lives} of {self.seed}"),
                link=machine.link,
                bus=self.bus,
                pauses=self.pauses,
            )
            self.trace.add("life", life.number, "on machine", machine.number)
            await life.run()
            LIFE.set(0)
            machine.ill_until = max(machine.ill_until, trio.current_time() + 2 * EXPEL_AFTER)
            self.buried(life)
            await trio.sleep(machine.restart_after)

    def buried(self, life: Life) -> None:
        """See to it that a life has not ended by itself, except for want of a database when it began."""
        absent = all(isinstance(error, StorageTrouble) for error in leaves_of(life.ended_by))
        if life.ready.is_set() or not absent:
            super().buried(life)

    def kill(self, machine: Machine) -> None:
        """Kill the daemon on a machine, unless it must say its last words."""
        if machine.life is not None and not machine.life.gone.is_set() and machine.spared_until < trio.current_time():
            self.trace.add("killed", machine.life.number)
            machine.ill_until = trio.current_time() + 2 * EXPEL_AFTER
            machine.life.crash()

    async def pause(self, machine: Machine, seconds: float) -> None:
        """Let the daemon on a machine stand still."""
        life = machine.life
        if life is None or not life.takes_requests or life.paused or machine.spared_until > trio.current_time():
            return
        self.trace.add("paused", life.number, f"{seconds:.1f}")
        machine.ill_until = trio.current_time() + seconds + EXPEL_AFTER
        self.pauses.pause(life.number)
        await trio.sleep(seconds)
        if life.number in self.pauses:
            self.trace.add("goes on", life.number)
            if seconds > SURE_SECONDS:
                machine.spared_until = trio.current_time() + LAST_WORDS_SECONDS
            self.pauses.resume(life.number)

    async def cut(self, machines: Sequence[Machine], state: str, seconds: float) -> None:
        """Cut machines off from the database."""
        self.trace.add("cut off", state, *(machine.number for machine in machines), f"{seconds:.1f}")
        for machine in machines:
            machine.link.turn(state)
            if len(machines) < len(self.machines):
                machine.ill_until = max(machine.ill_until, trio.current_time() + seconds + EXPEL_AFTER)
        await trio.sleep(seconds)
        for machine in machines:
            machine.link.turn(UP)

    async def watch(self) -> None:
        """See to it that the connection is not left alone for long while a node could work on it."""
        able: set[int] = set()
        alone = 0
        while not self.over:
            sound = {life.number for life in self.lives_now() if life.sound}
            able &= sound
            if not able or self._excused() or any(life.number in sound and _works(life) for life in self.lives_now()):
                able, alone = sound, 0
            alone += 1
            if alone > LONGEST_ALONE:
                self.audit.breach("the connection was left alone for", alone, "s, while a node could work on it")
            await trio.sleep(1)

    def _excused(self) -> bool:
        now = self.clock.database()
        resting = self.disk.rows("SELECT 1 FROM leases WHERE not_before > ?", now - LONGEST_ALONE)
        return self.poisoned or bool(resting)

    def _committed(self, fn: Callable[..., Any], call: Any, result: Any) -> None:
        self.audit.committed(fn, call, result)
        if fn is not leases.look or not any(self._is_of_the_shop(taken.lease) for taken in result.taken):
            return
        self.audit.begin_anew()  # a new owner of the connection, even the same life, has not been told of any limit
        if self.disk_loses_takeover:
            self.disk_loses_takeover = False
            lost = [taken.lease for taken in result.taken]
            self.trace.add("the server has lost takeovers", *lost)
            for lease in lost:
                self.disk.transact(_as_before, lease)

    def _is_of_the_shop(self, lease: Lease) -> bool:
        query = "SELECT 1 FROM connections WHERE id = ? AND site_id = 'sandbox'"
        return bool(self.disk.rows(query, lease.connection_id))

    def _node_of(self, number: int) -> str | None:
        return next((life.node_id for life in self.lives_now() if life.number == number), None)

    def _may_be_expelled(self, names: Sequence[str]) -> bool:
        """Return true if nodes had trouble of their own, or have died long ago."""
        now = trio.current_time()
        present = {f"life {machine.life.number}": machine for machine in self.machines if machine.life is not None}
        return all(name not in present or present[name].ill_until >= now for name in names)

    def _after_sent(self, call: Call) -> None:
        """Spring a trap: have a node die or stand still right after its look at the lease."""
        machine = next((one for one in self.machines if one.life and one.life.number == call.life), None)
        trap = None if machine is None else machine.trap
        if machine is None or trap is None or trap.part not in call.request.path:
            return
        trap.after -= 1
        if not trap.after:
            machine.trap = None
            trap.sprung.append(call)
            if trap.delay is not None:
                self.wires.delayed[call.number] = trap.delay
            trap.spring(machine)

    @contextmanager
    def composed(self) -> Iterator[None]:
        """Have every life's clients speak through the network, and its tasks stand still when it does."""
        run = ConnectionRunner.run

        async def crashing(runner: ConnectionRunner) -> None:
            if self.poisoned:
                raise RuntimeError("the work on this connection crashes")
            await run(runner)

        def connection() -> object:
            return self.network.connection(CONNECTED.get())

        with ExitStack() as stack:
            self.pauses = stack.enter_context(pausable())
            stack.enter_context(mock.patch.object(daemon.transport.http, "_single_connection", connection))
            stack.enter_context(mock.patch.object(ConnectionRunner, "run", crashing))
            yield


def _as_before(conn: Connection, lease: Lease) -> None:
    mine = lease_rows.c.connection_id == lease.connection_id
    # Its last node has no row by now, so it is free.
    conn.execute(update(lease_rows).where(mine).values(node_id="dead", token=lease.token - 1))


def _seconds(text: str | None) -> int | None:
    return None if text is None else int(datetime.fromisoformat(text).timestamp())


def _works(life: NodeLife) -> bool:
    return any(owned.stored.site.id == "sandbox" for owned in life.owned)
