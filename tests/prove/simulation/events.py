"""Events of the stormy part of a run."""

from collections.abc import Awaitable, Callable

import msgspec
import trio

from daemon.listener.http.messages import Request, Response
from daemon.sandbox.message import Response as Sandbox
from tests.prove.simulation.faults import DRIZZLE, FOREIGN, RIGHTS, SHOP, SIDES, Fault
from tests.prove.simulation.traffic import listed
from tests.prove.simulation.words import IGNITE_TOKEN, SECRETS
from tests.prove.simulation.world import SMALL_KIND, World

Act = Callable[[World], Awaitable[None]]

PATIENT = 0.7
"""The share of edits that a merchant does not make before the daemon hears of them."""

LOST = (404, 404, *FOREIGN)
"""The commonest answer of a misrouted gateway."""

FAREWELLS, PARTING = 3, 6.0
"""So much is taken away, and so many seconds before, at most, when a gateway loses its way."""

DATA_TYPES = ("customers", "products", "purchases", "merchant")


async def storm(world: World, nursery: trio.Nursery) -> None:
    """Let things happen until the stormy part is over."""
    end = trio.current_time() + world.plan.minutes * 60
    acts = _acts(world)
    while trio.current_time() < end:
        await trio.sleep(world.chance.expovariate(0.65))
        act = world.chance.choice(acts)
        world.trace.add("event", name_of(act))
        nursery.start_soon(act, world)


def _acts(world: World) -> list[Act]:
    plan = world.plan
    shares: dict[Act, int] = {
        _edit: 16,
        _edit_by_hand: 4,
        _burst: 2,
        _faults_planned: 4,
        _outage: 1,
        _crash: 2,
        _die_amid: 1,
        _stop: 1,
        _disk_full: 1,
        _trigger: 2,
        _overtake: 1,
        _waver: 1,
        _lock_out: 1,
        _misroute: 2,
        _forbid: 1,
        _lose_webhooks: 1,
        **({} if plan.lossy or plan.leaves or plan.jumps else {_exclude: 3}),
        **({_overlook: 1} if plan.lossy else {}),
        **({_jump: 3} if plan.jumps else {}),
        **({_leave: 1} if plan.leaves else {}),
    }
    return [act for act, share in shares.items() for _ in range(share)]


def name_of(act: Callable[..., object]) -> str:
    """Return what an act is called in the trace."""
    return str(getattr(act, "__name__", act)).strip("_")


async def _edit(world: World) -> None:
    if not (world.plan.lossy or world.merchant.ours()) and world.chance.random() < PATIENT:
        return
    silent = world.plan.lossy and world.chance.random() < 0.2
    world.trace.add("edit", world.merchant.edit(silent=silent))


async def _edit_by_hand(world: World) -> None:
    """Have somebody edit customers in SparkLayer."""
    for _ in range(world.chance.randint(1, 4)):
        world.trace.add("by hand", world.dashboard.edit())


async def _burst(world: World) -> None:
    for _ in range(world.chance.randint(5, 20)):
        await _edit(world)
        if world.chance.random() < 0.3:
            await trio.sleep(world.chance.random())


async def _faults_planned(world: World) -> None:
    side = world.chance.choice(SIDES)
    world.faults_planned.storms[side] = world.chance.choice([0.1, 0.3, 0.7])
    await trio.sleep(world.chance.uniform(1, 20))
    world.faults_planned.storms[side] = DRIZZLE


async def _outage(world: World) -> None:
    side = world.chance.choice(SIDES)
    world.faults_planned.down[side] = Fault("connect")
    await trio.sleep(world.chance.uniform(1, 60))
    world.faults_planned.down[side] = None


async def _lock_out(world: World) -> None:
    world.faults_planned.locked_out = True
    await trio.sleep(world.chance.uniform(1, 10))
    world.faults_planned.locked_out = False


async def _misroute(world: World) -> None:
    """Have the gateway in front of a side forget where it is, while the merchant edits the store.

    What the merchant takes away just before goes from SparkLayer only after a second look at the store.
    """
    side = world.chance.choice(SIDES)
    for _ in range(world.chance.randint(0, FAREWELLS)):
        world.merchant.part()
    await trio.sleep(world.chance.uniform(0, PARTING))
    page = world.faults_planned.down[side] = Fault(
        world.chance.choice(["html", "text"]), number=world.chance.choice(LOST)
    )
    world.trace.add("misrouted", side, page)
    world.merchant.part()
    await _burst(world)
    await trio.sleep(world.chance.uniform(5, 20))
    world.faults_planned.down[side] = None


async def _forbid(world: World) -> None:
    """Take a right away from one of our accounts, and give it back."""
    world.faults_planned.forbidden = world.chance.choice([*((SHOP, part) for part in world.store_type.rights), *RIGHTS])
    world.trace.add("forbidden", *world.faults_planned.forbidden)
    await trio.sleep(world.chance.uniform(1, 30))
    world.faults_planned.forbidden = None


async def _crash(world: World) -> None:
    if world.life is not None and not world.life.connected.dead:
        world.restart_after = world.chance.choice([0.0, 1.0, 20.0])
        if world.chance.random() < 0.5:
            world.life.crash()
        else:
            world.doomed_in = world.chance.randint(1, 30)


async def _die_amid(world: World) -> None:
    """Have the daemon die in the middle of a full sync, at any of its stations."""
    await ignite(world, "POST", "/status/products")
    world.restart_after = 1.0
    world.doomed_in = world.chance.randint(1, 25)


async def _stop(world: World) -> None:
    if world.life is not None and world.life.takes_requests:
        began = trio.current_time()
        await world.life.stop()
        if trio.current_time() - began > 25:
            world.audit.breach("stopping took", trio.current_time() - began, "s")


async def _disk_full(world: World) -> None:
    world.disk.full = True
    await trio.sleep(world.chance.uniform(0.1, 10))
    world.disk.full = False


async def _jump(world: World) -> None:
    hours = world.chance.choice([-8760.0, -2.0, -0.1, 0.1, 1.0, 30.0, 8760.0])
    world.clock.jump(hours * 3600)


async def _trigger(world: World) -> None:
    await ignite(world, "POST", f"/status/{world.chance.choice(DATA_TYPES)}")


async def _overtake(world: World) -> None:
    """Have a page of a full sync linger on its way, while what it tells of changes and is written."""

    def change(page: Sandbox) -> None:
        world.trace.add("edit overtakes a page")
        products = [int(one) for one in listed(page)]
        world.merchant.goods.retitle_one_of(products)
        if world.merchant.parts:
            world.premises.shift(products)

    world.network.overtaken = change if world.merchant.ours() else None
    await ignite(world, "POST", "/status/products")


async def _overlook(world: World) -> None:
    """Have the pages of a full sync know nothing of something that is there."""
    world.faults_planned.forgetful = True
    await ignite(world, "POST", f"/status/{world.chance.choice(DATA_TYPES[:3])}")
    await trio.sleep(world.chance.uniform(1, 10))
    world.faults_planned.forgetful = False


async def _waver(world: World) -> None:
    """Have a product go back to its old name after SparkLayer was told the new one, of which nobody here is sure."""
    if world.merchant.ours():
        return_to_it = world.merchant.goods.waver()
        world.trace.add("edit waver")
        world.faults_planned.deaf = True
        await trio.sleep(world.chance.uniform(1, 5))
        return_to_it()
        world.faults_planned.deaf = False


async def _lose_webhooks(world: World) -> None:
    """Have somebody remove our webhooks, or switch them off. The merchant edits on; the daemon learns of it later."""
    world.premises.lose_hooks(world.chance)
    for _ in range(world.chance.randint(1, 6)):
        world.trace.add("edit unheard", world.merchant.edit())
        await trio.sleep(world.chance.random())


async def _exclude(world: World) -> None:
    """Have the merchant exclude most customers at once, and everything read after that."""
    customers = world.site.state.customers.customers
    if len(customers) >= SMALL_KIND and not world.excluded:
        known = _names(world)
        excluded = [key for key in world.merchant.clientele.exclude_most() if key in known]
        # Up to half of them may go: others had left the store's groups before.
        world.excluded = excluded if len(excluded) > len(known) / 2 else []
        await ignite(world, "POST", "/status/customers")


def _names(world: World) -> set[str]:
    return {str(customer.external_id) for customer in world.site.state.customers.customers.values()}


async def _leave(world: World) -> None:
    await ignite(world, "DELETE", "")
    await trio.sleep(world.chance.uniform(0, 20))
    await reconnect(world)


async def reconnect(world: World) -> None:
    """Connect the site, as SparkLayer does, until that is accepted."""
    order = {
        "store_id": world.store_type.store_id,
        "spark_api_client_id": "sandbox-client",
        "spark_api_client_secret": SECRETS[3],
    }
    while (response := await ignite(world, "POST", "", order)) is None or response.status >= 300:  # noqa: ASYNC110
        await trio.sleep(5)


async def ignite(world: World, method: str, path: str, body: object = None) -> Response | None:
    """Ask the daemon as SparkLayer does."""
    life = world.listener()
    if life is None:
        return None
    headers = {b"authorization": f"Bearer {IGNITE_TOKEN}".encode(), b"content-type": b"application/json"}
    content = b"" if body is None else msgspec.json.encode(body)
    request = Request(
        method=method,
        path=f"/v1/test/sandbox{path}",
        raw_query="",
        headers=headers,
        body=content,
        keep_alive=True,
    )
    if not path:
        world.audit.begin_anew()  # a clean-up that must go on, since connecting failed, begins anew too
    response = await life.ask(request)
    world.trace.add("ignite", method, path, response and response.status)
    return response
