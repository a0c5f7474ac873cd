"""The quiet part of a run: the weather clears, the daemon comes to rest, and both sides are compared.

rest        nothing waits, no full sync is open, nothing is untold
equal       SparkLayer is the mapping of the store, as the sandbox reckons it; of what is gone nothing is left
idle        a full sync of every kind finds nothing to write
"""

from collections.abc import Callable, Collection

import trio

from daemon.engine.context import SYNCED_KINDS, KindState
from daemon.engine.runner import ConnectionRunner
from daemon.storage.states import RunMode
from tests.prove.simulation.events import reconnect
from tests.prove.simulation.traffic import listed
from tests.prove.simulation.words import PERSONAL, SECRETS
from tests.prove.simulation.world import SMALL_KIND, World

FIRST_LOOK, LONGEST_LOOK = 0.5, 20.0
RESTED = 3
"""So many looks in a row must find nothing owed: between two pages a sweep is not to be seen."""

DAY = 86_400.0
UNHEARD = 8
"""Number of edits at the end of which no webhook tells."""
LATE = 1.1
"""A sweep and a census may come a tenth of their periods late."""

_OWED = {
    "changes": "SELECT kind, external_id, state, attempts FROM outbox",
    "full syncs": "SELECT kind, id, state FROM full_syncs WHERE state != 'ended'",
    "synced ids to tell": "SELECT kind, external_id FROM synced",
    "issues to tell": "SELECT kind, external_id FROM issues WHERE untold AND kind IN ('products', 'customers')",
    "starts to tell": "SELECT kind, put_for FROM sync_log WHERE put_for IS NOT NULL",
    "gaps to close": "SELECT kind, due_at FROM gaps",
    "connections leaving": "SELECT site_id FROM connections WHERE state = 'leaving'",
}


async def quiet(world: World) -> None:
    """Play the quiet part."""
    world.faults_planned.calm()
    world.disk.full = False
    world.doomed_in = 0
    world.network.overtaken = None
    world.delivery.losing = 0.0
    world.premises.calm()
    world.calm()
    await alive(world)
    if world.plan.leaves:
        await reconnect(world)
    if not await rests(world, "after the storm"):
        return
    world.rested()
    if not world.store_type.repeats:
        await _lose_some(world)
    world.merchant.mend()
    if not await rests(world, "after the merchant has mended what was wrong"):
        return
    before = _in_sparklayer(world)
    if world.plan.lossy or world.excluded or not world.store_type.repeats:
        await _catch_up(world, before)
    if not await _let_removals_go(world):
        return
    compare(world, "at rest")
    if not world.audit.breaches:
        await find_nothing(world)


async def _lose_some(world: World) -> None:
    """Have edits of which every webhook gets lost, on a platform that sends none twice."""
    world.delivery.losing = 1.0
    world.premises.move(ahead=False)
    for _ in range(UNHEARD):
        world.trace.add("edit unheard", world.merchant.edit())
        await trio.sleep(1)
    world.merchant.goods.retitle(silent=False)
    while world.premises.outstanding:  # noqa: ASYNC110  the sender tells nobody
        await trio.sleep(1)
    world.premises.move(ahead=True)
    world.delivery.losing = 0.0
    world.premises.calm()


async def _catch_up(world: World, before: Collection[str]) -> None:
    """Let the time pass within which the daemon finds by itself what no webhook has told it.

    `before` are the customers that SparkLayer had before that time.
    """
    if world.store_type.repeats or world.plan.jumps:
        # A clock that was wrong, or a customer out of the groups: the next reading of everything finds that.
        await read_everything(world)
        _look_at_brake(world, before)
        return
    await trio.sleep((world.plan.sweep_seconds + world.plan.census_seconds) * LATE)
    rested = await rests(world, "after a sweep and a census")
    _look_at_brake(world, before)
    if rested and await _let_removals_go(world):
        compare(world, "after a sweep and a census", whole=False)
        if world.merchant.parts:
            # What is taken away between two pages must hide nothing from the second one.
            world.network.overtaken = lambda page: world.premises.shift([*map(int, listed(page))])
        await read_everything(world)


def _look_at_brake(world: World, before: Collection[str]) -> None:
    """See to it that not all customers who were excluded at once are gone, since nobody has allowed that.

    `before` were those in SparkLayer a day ago. What has gone until then counts no more.
    """
    if not world.excluded:
        return
    gone = set(world.excluded).intersection(before)
    too_many = len(before) >= SMALL_KIND and len(gone) > len(before) / 2
    if (too_many or not gone) and not gone.intersection(_in_sparklayer(world)):
        world.audit.breach("SparkLayer lost at once, and nobody has allowed it:", len(world.excluded), "customers")


def _in_sparklayer(world: World) -> set[str]:
    return {str(customer.external_id) for customer in world.site.state.customers.customers.values()}


async def _let_removals_go(world: World) -> bool:
    """Allow what the brake holds, as a person does, and wait until it is done."""
    life = world.listener()
    assert life is not None  # it is at rest
    admin = life.parts.admin
    for held in (await admin.removals({}))["removals"]:
        await admin.allow_removals({"site": held["site"], "kind": held["kind"], "ids": [held["id"]]})
    return await rests(world, "after removals were allowed")


async def alive(world: World) -> None:
    while not ((life := world.listener()) and life.takes_requests):  # noqa: ASYNC110  lives come and go
        await trio.sleep(1)


async def rests(world: World, when: str) -> bool:
    """Wait until nothing is owed; note a breach when that takes too long, and wait no longer after any."""
    began, look, rested = trio.current_time(), FIRST_LOOK, 0
    while (owed := _owed(world)) or rested < RESTED:
        if world.audit.breaches:
            return False
        rested = 0 if owed else rested + 1
        if trio.current_time() - began > world.longest_rest:
            world.audit.breach(f"no rest {when}:", *owed)
            return False
        cause = blocked(world)
        if cause is not None and trio.current_time() - began > world.longest_blocked:
            world.audit.breach(f"still blocked {when}:", cause)
            return False
        await trio.sleep(look)
        look = min(look * 1.5, LONGEST_LOOK) if owed else FIRST_LOOK
    world.trace.add("rest", when)
    return True


def _owed(world: World) -> list[str]:
    found = [f"{what} {rows}" for what, query in _OWED.items() if (rows := world.disk.rows(query))]
    found += world.owed()
    # A platform that sends none twice has done with a late one, which comes all the same.
    if webhooks := world.premises.outstanding + world.delivery.under_way:
        found.append(f"{webhooks} webhooks to bring")
    newest = world.disk.rows(
        "SELECT kind, again FROM full_syncs JOIN connections ON connections.id = connection_id "
        "WHERE connections.state = 'active' "
        "AND full_syncs.id IN (SELECT max(id) FROM full_syncs GROUP BY connection_id, kind)"
    )
    if not world.premises.hooked():
        found.append("webhooks to register")
    runner = works_of(world)
    if runner is None or any(_reads(kind_state) for kind_state in runner.context.kind_states.values()):
        found.append("a sweep")
    if len(newest) < len(SYNCED_KINDS) or any(again for _, again in newest):
        found.append(f"full syncs to start {newest}")
    return found


def blocked(world: World) -> str | None:
    """Return why the connection, or a kind of it, is not worked on."""
    runner = works_of(world)
    if runner is None:
        return None
    causes = [runner.context.blocked(kind) for kind in runner.context.kind_states]
    return next((f"{cause.side.value}: {cause.reason}" for cause in causes if cause is not None), None)


def _reads(kind_state: KindState) -> bool:
    wanted = any(seen < kind_state.sweep._sets for seen in kind_state.sweep._seen.values())
    return wanted or kind_state.page_cache.reading.locked()


async def read_everything(world: World) -> None:
    """Let a day pass on the daemon's clock, and wait for what it then does by itself."""
    world.clock.jump(2 * DAY - min(0.0, world.clock.skew))
    wanted = {kind.value: _runs(world, kind.value) + 1 for kind in SYNCED_KINDS}
    runner = works_of(world)
    assert runner is not None  # it is at rest
    for kind_state in runner.context.kind_states.values():
        kind_state.sweep.set()

    def read() -> bool:
        return all(_runs(world, kind) >= count for kind, count in wanted.items())

    await _until(world, read, "no daily reading began")
    await rests(world, "after everything was read")


async def _until(world: World, holds: Callable[[], bool], words: str) -> None:
    with trio.move_on_after(world.longest_rest) as scope:
        while not holds():  # noqa: ASYNC110  the database tells nobody
            await trio.sleep(1)
    if scope.cancelled_caught:
        world.audit.breach(words)


def _runs(world: World, kind: str) -> int:
    [(count,)] = world.disk.rows("SELECT count(*) FROM full_syncs WHERE kind = ?", kind)
    return int(count)


def works_of(world: World) -> ConnectionRunner | None:
    """Return the works of the one connection, unless there is none at this moment."""
    supervisors = [life.parts.supervisor for life in world.lives_now() if life.takes_requests]
    found = [supervisor.find(context.connection.id) for supervisor in supervisors for context in supervisor.contexts]
    return found[0] if len(found) == 1 else None


def compare(world: World, when: str, *, whole: bool = True) -> None:
    """Note whatever differs."""
    site = world.site.state.comparable()
    customers = world.dashboard.without_edits(site["customers"])
    for context in world.premises.differences(world.site.state, customers, whole=whole):
        world.audit.breach(f"not equal {when}:", context)
    for context in world.dashboard.lost():
        world.audit.breach("an edit in SparkLayer was undone:", context)


async def find_nothing(world: World) -> None:
    """See to it that a full sync of every kind writes nothing."""
    before = dict(world.audit.writes)
    runner = works_of(world)
    assert runner is not None  # it is at rest
    for kind in SYNCED_KINDS:
        await runner.full_syncs[kind].start(RunMode.NORMAL)
    if await rests(world, "after the last full syncs"):
        written = {kind: n - before.get(kind, 0) for kind, n in world.audit.writes.items() if n != before.get(kind, 0)}
        if written:
            world.audit.breach("a full sync that finds nothing new wrote", written)
        compare(world, "after the last full syncs")


def look_at_log(world: World, log: str) -> None:
    """No secret and no personal data may be in the log."""
    for word in (*SECRETS, *world.audit.tokens, PERSONAL, PERSONAL.lower()):
        for context in log.splitlines():
            if word in context:
                world.audit.breach("the log says", context)
                break
