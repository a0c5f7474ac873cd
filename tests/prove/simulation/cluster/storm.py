"""The stormy part of a run with several nodes: one trouble after the other, amid edits.

Most troubles befall the machine that works on the connection, and last long enough for another one to take over. Some
begin before the last one has ended. The last trouble of all comes when nobody edits any more: no later edit undoes the
harm of a stale write.
"""

from collections.abc import Awaitable, Callable, Sequence

import trio

from tests.prove.simulation.cluster.link import REFUSED, SILENT
from tests.prove.simulation.cluster.node import Machine, Trap
from tests.prove.simulation.cluster.outdating import LEADING, outdate
from tests.prove.simulation.cluster.wires import LONGEST
from tests.prove.simulation.cluster.world import ClusterWorld
from tests.prove.simulation.events import DATA_TYPES, ignite, name_of
from tests.prove.simulation.faults import DRIZZLE, SIDES
from tests.prove.simulation.network import Call

Act = Callable[[ClusterWorld], Awaitable[None]]

FIRST_QUIET = 8.0
"""Seconds in which the nodes come up."""

TROUBLES = (1, 2, 3)
"""Numbers of troubles before the last one."""

OVERLAPPING = 0.2
"""The share of troubles that do not wait for the end of the last one."""

BETWEEN = 2.5
"""Seconds between two edits, or the like."""

TAKEN_OVER = 11.0
"""Seconds after which another node has a dead one's connections, as a rule."""

LONGEST_STOP = 25.0
PATIENCE = 6.0
"""Seconds for which a trap waits for a write, until it is sprung all the same."""


async def storm(world: ClusterWorld, nursery: trio.Nursery) -> None:
    """Let things happen until the stormy part is over."""
    await trio.sleep(FIRST_QUIET)
    nursery.start_soon(_business, world, nursery)
    acts = [act for act, share in SHARES.items() for _ in range(share)]
    for number in range(world.chance.choice(TROUBLES)):
        act = world.chance.choice(acts)
        if not number:  # so that every kind is among a few seeds
            act = list(SHARES)[world.seed % len(SHARES)]
        world.trace.add("event", name_of(act))
        if world.chance.random() < OVERLAPPING:
            nursery.start_soon(act, world)
            await trio.sleep(world.chance.uniform(0.0, 5.0))
        else:
            await act(world)
            await trio.sleep(world.chance.uniform(0.0, 8.0))
    world.stormy = False
    last = LAST[world.seed // len(LAST) % len(LAST)]
    world.trace.add("last event", name_of(last))
    await last(world)


async def _business(world: ClusterWorld, nursery: trio.Nursery) -> None:
    """Let the merchant edit, and SparkLayer ask, as long as troubles come."""
    acts = [act for act, share in BUSINESS.items() for _ in range(share)]
    while world.stormy:
        nursery.start_soon(world.chance.choice(acts), world)
        await trio.sleep(world.chance.expovariate(1 / BETWEEN))


async def _edit(world: ClusterWorld) -> None:
    world.trace.add("edit", world.merchant.edit())


async def _burst(world: ClusterWorld) -> None:
    for _ in range(world.chance.randint(3, 8)):
        await _edit(world)
        await trio.sleep(world.chance.random())


async def _trigger(world: ClusterWorld) -> None:
    await ignite(world, "POST", f"/status/{world.chance.choice(DATA_TYPES)}")


async def _weather(world: ClusterWorld) -> None:
    side = world.chance.choice(SIDES)
    world.faults_planned.storms[side] = world.chance.choice([0.1, 0.3])
    await trio.sleep(world.chance.uniform(1, 10))
    world.faults_planned.storms[side] = DRIZZLE


BUSINESS: dict[Act, int] = {_edit: 12, _burst: 2, _trigger: 1, _weather: 1}


def _working(world: ClusterWorld) -> Machine:
    """Return the machine whose node works on the connection, or any if there is none."""
    holders = [machine for machine in world.machines if machine.life and world.cluster_audit.holds(machine.life.number)]
    return world.chance.choice(holders or world.machines)


async def _kill(world: ClusterWorld) -> None:
    machine = _working(world)
    machine.restart_after = world.chance.choice([0.0, 1.0, 20.0])
    world.kill(machine)
    await trio.sleep(TAKEN_OVER)


async def _kill_amid(world: ClusterWorld) -> None:
    """Kill a node right after a write was sent; what it wrote changes again before another node takes over."""
    machine = _working(world)
    machine.restart_after = world.chance.choice([1.0, 20.0])
    delay = world.chance.choice([None, *(world.chance.uniform(TAKEN_OVER, LONGEST) for _ in range(3))])
    await _trap(world, machine, world.kill, delay=delay)
    await trio.sleep(TAKEN_OVER)


async def _kill_twice(world: ClusterWorld) -> None:
    """Kill a node amid a write, and the next one soon after it has taken over: the write is still under way."""
    first = _working(world)
    first.restart_after = 20.0
    await _trap(world, first, world.kill, delay=world.chance.uniform(2 * TAKEN_OVER, LONGEST))
    await trio.sleep(TAKEN_OVER + world.chance.uniform(1.0, 4.0))
    second = _working(world)
    second.restart_after = 20.0
    world.kill(second)
    await trio.sleep(TAKEN_OVER)


async def _drain(world: ClusterWorld) -> None:
    """Stop a node as SIGTERM does: it hands its connections over."""
    machine = _working(world)
    life = machine.life
    if life is None or not life.takes_requests or life.paused:
        return
    began = trio.current_time()
    machine.restart_after = world.chance.choice([0.0, 5.0])
    with trio.move_on_after(LONGEST_STOP):
        await life.stop()
    if not life.gone.is_set():
        if not machine.ill_until > began:
            world.audit.breach("stopping took", trio.current_time() - began, "s")
        life.crash()


async def _pause(world: ClusterWorld) -> None:
    await world.pause(_working(world), world.chance.choice([1.0, 5.0, 8.0, 11.0, 20.0]))


async def _pause_amid(world: ClusterWorld) -> None:
    """Let a node stand still between its look at the lease and a write, until another node has written it anew."""
    # After the longer ones the second look of the next owner has been: only the last word is left.
    seconds = world.chance.choice([world.chance.uniform(14.0, 22.0), world.chance.uniform(45.0, 55.0)])

    def stand_still(machine: Machine) -> None:
        world.wires.begin(world.pause, machine, seconds)

    await _trap(world, _working(world), stand_still)
    await trio.sleep(seconds + BETWEEN)


async def _trap(
    world: ClusterWorld,
    machine: Machine,
    spring: Callable[[Machine], None],
    parts: Sequence[str] = (*LEADING, "/sync-log"),
    delay: float | None = None,
) -> None:
    """Set a trap, and change what the write is about once it is sprung."""
    part = world.chance.choice(parts)
    trap = machine.trap = Trap(part=part, after=world.chance.randint(1, 3), spring=spring, delay=delay)
    if part == "/sync-log":
        await ignite(world, "POST", f"/status/{world.chance.choice(DATA_TYPES[:2])}")
    with trio.move_on_after(PATIENCE):
        while not trap.sprung:
            if part != "/sync-log":
                LEADING[part](world.merchant)
            await trio.sleep(0.5)
    if not trap.sprung:
        machine.trap = None
        spring(machine)
    for call in trap.sprung:
        world.trace.add("trapped", call.side, call.number)
        world.wires.begin(_change_again, world, call)


async def _change_again(world: ClusterWorld, call: Call) -> None:
    await trio.sleep(world.chance.uniform(1.0, TAKEN_OVER))
    outdate(world, call)


async def _cut_off(world: ClusterWorld) -> None:
    """Cut one machine off from the database; it reaches the APIs all the same."""
    seconds = world.chance.choice([1.0, 5.0, 14.0, 20.0])
    world.wires.begin(_busily, world, seconds)
    await world.cut([_working(world)], world.chance.choice([REFUSED, SILENT]), seconds)


async def _outage(world: ClusterWorld) -> None:
    await world.cut(world.machines, world.chance.choice([REFUSED, SILENT]), world.chance.choice([1.0, 8.0, 14.0, 18.0]))


async def _busily(world: ClusterWorld, seconds: float) -> None:
    with trio.move_on_after(seconds):
        while True:
            await _burst(world)


async def _fail_over(world: ClusterWorld) -> None:
    """Have the server fail over to one that knows nothing of a takeover, right after the new owner was told of it."""
    world.disk_loses_takeover = True
    await _kill(world)
    await _busily(world, TAKEN_OVER)
    world.disk_loses_takeover = False


async def _poison(world: ClusterWorld) -> None:
    """Have the work on the connection crash wherever it begins."""
    world.poisoned = True
    await _kill(world)
    await trio.sleep(world.chance.uniform(5.0, 15.0))
    world.poisoned = False


SHARES: dict[Act, int] = {
    _kill: 2,
    _kill_amid: 4,
    _drain: 3,
    _pause: 2,
    _pause_amid: 5,
    _cut_off: 3,
    _outage: 2,
    _fail_over: 2,
    _poison: 1,
}

LAST: Sequence[Act] = (_kill_amid, _kill_twice, _pause_amid)
