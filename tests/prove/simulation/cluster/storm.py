"""Events of the stormy part of a run with several nodes: what befalls machines, beside edits and orders."""

from collections.abc import Awaitable, Callable

import trio

from tests.prove.simulation.cluster.link import REFUSED, SILENT
from tests.prove.simulation.cluster.node import Machine
from tests.prove.simulation.cluster.world import ClusterWorld
from tests.prove.simulation.events import DATA_TYPES, ignite, name_of
from tests.prove.simulation.faults import DRIZZLE, SIDES

Act = Callable[[ClusterWorld], Awaitable[None]]

FIRST_QUIET = 12.0
"""Seconds in which the nodes come up."""

LONGEST_STOP = 25.0


async def storm(world: ClusterWorld, nursery: trio.Nursery) -> None:
    """Let things happen until the stormy part is over."""
    await trio.sleep(FIRST_QUIET)
    end = trio.current_time() + world.plan.minutes * 60
    acts = [act for act, share in SHARES.items() for _ in range(share)]
    while trio.current_time() < end:
        await trio.sleep(world.chance.expovariate(0.5))
        act = world.chance.choice(acts)
        world.trace.add("event", name_of(act))
        nursery.start_soon(act, world)


async def _edit(world: ClusterWorld) -> None:
    world.trace.add("edit", world.merchant.edit())


async def _burst(world: ClusterWorld) -> None:
    for _ in range(world.chance.randint(5, 15)):
        await _edit(world)
        await trio.sleep(world.chance.random())


async def _trigger(world: ClusterWorld) -> None:
    await ignite(world, "POST", f"/status/{world.chance.choice(DATA_TYPES)}")


async def _weather(world: ClusterWorld) -> None:
    side = world.chance.choice(SIDES)
    world.faults_planned.storms[side] = world.chance.choice([0.1, 0.3])
    await trio.sleep(world.chance.uniform(1, 10))
    world.faults_planned.storms[side] = DRIZZLE


def _some(world: ClusterWorld) -> Machine:
    return world.chance.choice(world.machines)


def _working(world: ClusterWorld) -> Machine:
    """Return the machine whose node works on the connection, as a rule."""
    holders = [machine for machine in world.machines if machine.life and world.cluster_audit.holds(machine.life.number)]
    return holders[0] if holders and world.chance.random() < 0.8 else _some(world)


async def _kill(world: ClusterWorld) -> None:
    machine = _working(world)
    machine.restart_after = world.chance.choice([0.0, 1.0, 20.0])
    world.kill(machine)


async def _kill_amid(world: ClusterWorld) -> None:
    """Kill a node right after a write was sent, while the merchant edits."""
    machine = _working(world)
    machine.restart_after, machine.dies_in = world.chance.choice([1.0, 20.0]), world.chance.randint(1, 8)
    await _burst(world)


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
    """Let a node stand still between its look at the lease and a write, until another has taken over."""
    machine = _working(world)
    machine.pause_seconds, machine.pauses_in = world.chance.uniform(13.0, 25.0), world.chance.randint(1, 8)
    await _burst(world)
    await trio.sleep(world.chance.uniform(1.0, 13.0))
    await _burst(world)


async def _cut_off(world: ClusterWorld) -> None:
    """Cut one machine off from the database; it reaches the APIs all the same."""
    world.wires.nursery.start_soon(
        world.cut, [_working(world)], world.chance.choice([REFUSED, SILENT]), world.chance.choice([1.0, 5.0, 12.0, 25.0])
    )
    await _burst(world)
    await _burst(world)


async def _outage(world: ClusterWorld) -> None:
    await world.cut(world.machines, world.chance.choice([REFUSED, SILENT]), world.chance.choice([1.0, 8.0, 15.0]))


async def _poison(world: ClusterWorld) -> None:
    """Have the work on the connection crash wherever it begins."""
    world.poisoned = True
    world.kill(_working(world))
    await trio.sleep(world.chance.uniform(10.0, 40.0))
    world.poisoned = False


SHARES: dict[Act, int] = {
    _edit: 12,
    _burst: 3,
    _trigger: 2,
    _weather: 1,
    _kill: 1,
    _kill_amid: 2,
    _drain: 2,
    _pause: 2,
    _pause_amid: 3,
    _cut_off: 2,
    _outage: 1,
    _poison: 1,
}
