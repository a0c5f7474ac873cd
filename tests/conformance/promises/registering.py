"""What registering webhooks promises: all of ours, once, and nobody else's."""

from collections import Counter
from collections.abc import Iterable
from urllib.parse import urlsplit

import httpx

from daemon.errors import Failure
from daemon.platforms.base import Registration
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
    house.stand.add_hook(house.stand.destinations[1])
    house.stand.add_hook("http://127.0.0.3:9/somewhere/else")
    return list(house.stand.hooks())


@promise
async def webhooks_are_registered_once(house: House) -> None:
    """Each scope once; a second time nothing is missing, and nothing is written."""
    ours = house.stand.destinations[0]
    assert (await soon(house.shop.ensure_webhooks(ours))).mended > 0
    registered = at(house, ours)
    assert set(registered.values()) == {1}
    house.wire.meet(None)
    for shop in (house.shop, house.connect()):
        assert (await soon(shop.ensure_webhooks(ours))).mended == 0
    assert at(house, ours) == registered
    assert {request.method for request in house.wire.requests[-house.wire.count :]} == {"GET"}


@promise
async def what_is_switched_off_is_mended(house: House) -> None:
    """The platform switches off what it could not deliver; how many were mended is told."""
    ours = house.stand.destinations[0]
    await house.shop.ensure_webhooks(ours)
    registered = at(house, ours)
    house.stand.disable_hooks()
    assert (await soon(house.shop.ensure_webhooks(ours))).mended == len(registered)
    assert at(house, ours) == registered
    assert (await soon(house.shop.ensure_webhooks(ours))).mended == 0


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
    assert (await house.shop.ensure_webhooks(ours)).mended > 0


@promise
async def a_daemon_that_moves_takes_its_webhooks_along(house: House) -> None:
    """To another address: nothing goes to the old one any more, and removing leaves none behind."""
    ours = house.stand.destinations[0]
    others = add_others(house)
    for before in house.stand.moved:
        await house.shop.ensure_webhooks(before)
        registered = at(house, before)
        await soon(house.shop.ensure_webhooks(ours))
        assert at(house, ours) == registered
        assert of_others(house.stand.hooks(), ours) == others
        for destination in (ours, urlsplit(ours).path):
            await house.shop.ensure_webhooks(before)
            await soon(house.shop.remove_webhooks(destination))
            assert list(house.stand.hooks()) == others


@promise
async def what_is_wrong_is_announced_before_it_is_mended(house: House) -> None:
    """With the kinds that it concerns; what is right is announced to nobody, and concerns none."""
    ours = house.stand.destinations[0]
    announced: list[Registration] = []
    before: list[Counter[str]] = []

    async def announce(found: Registration) -> None:
        announced.append(found)
        before.append(at(house, ours))

    for fresh in (True, False):
        found = await soon(house.shop.ensure_webhooks(ours, announce))
        assert (announced[-1].kinds, found.kinds) == (house.kit.platform.kinds, house.kit.platform.kinds)
        assert (announced[-1].fresh, found.fresh) == (fresh, fresh)
        assert before.pop() == Counter()
        assert (found.registered, found.missing) == (len(at(house, ours)), {})
        assert not (await soon(house.shop.ensure_webhooks(ours, announce))).kinds
        assert before == []
        house.stand.disable_hooks()


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
                told = (await soon(house.connect().ensure_webhooks(ours))).failure is not None
            except Failure:
                told = True
            house.wire.meet(None)
            assert told or at(house, ours) == wanted
            await patiently(lambda: house.connect().ensure_webhooks(ours))
            assert at(house, ours) == wanted


@promise
async def one_call_that_fails_keeps_no_other_webhook_away(house: House) -> None:
    """Whether it failed for the moment or was refused: that scope alone is missing, and it is told why."""
    ours = house.stand.destinations[0]
    words = "Not this one, says the platform"
    refused = httpx.Response(422, json={"status": 422, "title": words})
    await house.connect().ensure_webhooks(ours)
    wanted = at(house, ours)
    for number, answer in ((1, refused), (2, httpx.Response(503)), (3, httpx.Response(500))):
        await house.connect().remove_webhooks(ours)
        house.wire.meet(once(answer, number))
        found = await soon(house.connect().ensure_webhooks(ours))
        house.wire.meet(None)
        (missing,) = found.missing
        assert str(answer.status_code) in found.missing[missing]
        assert answer.status_code >= 500 or words in found.missing[missing]
        assert (found.failure is None) == (answer.status_code < 500)
        assert at(house, ours) == wanted - Counter([missing])
        assert found.registered == len(wanted) - 1


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
