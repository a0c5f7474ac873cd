"""What registering webhooks promises: all of ours, once, and nobody else's."""

from collections import Counter
from collections.abc import Iterable

import httpx

from daemon.errors import Failure
from tests.conformance.house import House, patiently, soon
from tests.conformance.kit import Hook
from tests.conformance.promise import promise
from tests.conformance.wire import always, once


def at(house: House, destination: str) -> Counter[str]:
    """Return how often each scope leads there and works."""
    return Counter(hook.scope for hook in house.stand.hooks() if hook.destination == destination and hook.active)


def of_others(hooks: Iterable[Hook], *destinations: str) -> list[Hook]:
    return [hook for hook in hooks if hook.destination not in destinations]


def add_others(house: House) -> list[Hook]:
    """Register somebody else's: another program's, and another connection's to the same store."""
    house.stand.add_hook(house.stand.destinations[2])
    house.stand.add_hook("http://127.0.0.3:9/somewhere/else")
    return list(house.stand.hooks())


@promise
async def webhooks_are_registered_once(house: House) -> None:
    """Each scope once; a second time nothing is missing, and nothing is written."""
    ours = house.stand.destinations[0]
    assert await soon(house.shop.ensure_webhooks(ours)) > 0
    registered = at(house, ours)
    assert set(registered.values()) == {1}
    house.wire.meet(None)
    for shop in (house.shop, house.connect()):
        assert await soon(shop.ensure_webhooks(ours)) == 0
    assert at(house, ours) == registered
    assert {request.method for request in house.wire.requests[-house.wire.count :]} == {"GET"}


@promise
async def what_is_switched_off_is_mended(house: House) -> None:
    """The platform switches off what it could not deliver; how many were mended is told."""
    ours = house.stand.destinations[0]
    await house.shop.ensure_webhooks(ours)
    registered = at(house, ours)
    house.stand.disable_hooks()
    assert await soon(house.shop.ensure_webhooks(ours)) == len(registered)
    assert at(house, ours) == registered
    assert await soon(house.shop.ensure_webhooks(ours)) == 0


@promise
async def webhooks_of_others_are_left_alone(house: House) -> None:
    """Another program's, and another connection's to the same store: by registering as by removing."""
    ours = house.stand.destinations[0]
    others = add_others(house)
    await house.shop.ensure_webhooks(ours)
    assert of_others(house.stand.hooks(), ours) == others
    await house.shop.remove_webhooks(ours)
    assert list(house.stand.hooks()) == others


@promise
async def all_of_ours_are_removed(house: House) -> None:
    """Also what is switched off; a second time, and where there is none, is no failure."""
    ours = house.stand.destinations[0]
    await house.shop.remove_webhooks(ours)
    await house.shop.ensure_webhooks(ours)
    house.stand.disable_hooks()
    await soon(house.connect().remove_webhooks(ours))
    assert list(house.stand.hooks()) == []
    await house.shop.remove_webhooks(ours)
    assert await house.shop.ensure_webhooks(ours) > 0


@promise
async def a_daemon_that_moves_takes_its_webhooks_along(house: House) -> None:
    """To the same path at another host: nothing goes to the old one any more, and removing leaves none behind."""
    before, ours, _ = house.stand.destinations
    others = add_others(house)
    await house.shop.ensure_webhooks(before)
    registered = at(house, before)
    await soon(house.shop.ensure_webhooks(ours))
    assert at(house, ours) == registered
    assert of_others(house.stand.hooks(), ours) == others
    await house.shop.ensure_webhooks(before)
    await soon(house.shop.remove_webhooks(ours))
    assert list(house.stand.hooks()) == others


@promise
async def registering_goes_on_after_trouble(house: House) -> None:
    """Whichever call fails: what was begun is finished the next time, each scope once; a failure is told as one."""
    ours = house.stand.destinations[0]
    house.wire.meet(None)
    await house.connect().ensure_webhooks(ours)
    calls, wanted = house.wire.count, at(house, ours)
    for number in range(calls):
        for act in (once(httpx.Response(503), number), always(httpx.ReadTimeout("slow"), number)):
            await house.connect().remove_webhooks(ours)
            house.wire.meet(act)
            try:
                await soon(house.connect().ensure_webhooks(ours))
            except Failure:
                told = True
            else:
                told = False
            house.wire.meet(None)
            assert told or at(house, ours) == wanted
            await patiently(lambda: house.connect().ensure_webhooks(ours))
            assert at(house, ours) == wanted


@promise
async def removing_goes_on_after_trouble(house: House) -> None:
    """A failure is told, so that it is tried again; then none of ours is left."""
    ours = house.stand.destinations[0]
    for number in (0, 1, 2, 5):
        await house.connect().ensure_webhooks(ours)
        house.wire.meet(always(httpx.Response(503), number))
        try:
            await soon(house.connect().remove_webhooks(ours))
        except Failure:
            told = True
        else:
            told = False
        house.wire.meet(None)
        assert told or not house.stand.hooks()
        await patiently(lambda: house.connect().remove_webhooks(ours))
        assert list(house.stand.hooks()) == []
