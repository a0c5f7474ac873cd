"""Promises of registering webhooks: all of ours, once, and no others."""

from collections import Counter
from collections.abc import Iterable
from urllib.parse import urlsplit

import httpx

from daemon.errors import Failure
from daemon.platforms.base import Registration
from tests.conformance.harness import ReaderHarness, patiently, soon
from tests.conformance.kit import Hook
from tests.conformance.promise import promise
from tests.conformance.transport import always, once


def at(harness: ReaderHarness, destination: str) -> Counter[str]:
    """Return how often each scope leads there and works."""
    return Counter(hook.scope for hook in harness.stand.hooks() if hook.destination == destination and hook.active)


def of_others(hooks: Iterable[Hook], *destinations: str) -> list[Hook]:
    return [hook for hook in hooks if hook.destination not in destinations]


def add_others(harness: ReaderHarness) -> list[Hook]:
    """Register somebody else's: another program's, and another connection's to the same store."""
    harness.stand.add_hook(harness.stand.destinations[1])
    harness.stand.add_hook("http://127.0.0.3:9/somewhere/else")
    return list(harness.stand.hooks())


@promise
async def webhooks_are_registered_once(harness: ReaderHarness) -> None:
    """Each scope once; a second time nothing is missing, and nothing is written."""
    ours = harness.stand.destinations[0]
    assert (await soon(harness.shop.ensure_webhooks(ours))).mended > 0
    registered = at(harness, ours)
    assert set(registered.values()) == {1}
    harness.wire.meet(None)
    for shop in (harness.shop, harness.connect()):
        assert (await soon(shop.ensure_webhooks(ours))).mended == 0
    assert at(harness, ours) == registered
    assert {request.method for request in harness.wire.requests[-harness.wire.count :]} == {"GET"}


@promise
async def what_is_switched_off_is_mended(harness: ReaderHarness) -> None:
    """The platform switches off what it could not deliver; how many were mended is told."""
    ours = harness.stand.destinations[0]
    await harness.shop.ensure_webhooks(ours)
    registered = at(harness, ours)
    harness.stand.disable_hooks()
    assert (await soon(harness.shop.ensure_webhooks(ours))).mended == len(registered)
    assert at(harness, ours) == registered
    assert (await soon(harness.shop.ensure_webhooks(ours))).mended == 0


@promise
async def webhooks_of_others_are_left_alone(harness: ReaderHarness) -> None:
    """Another program's, and another connection's to the same store: by registering as by removing."""
    ours = harness.stand.destinations[0]
    others = add_others(harness)
    await harness.shop.ensure_webhooks(ours)
    assert of_others(harness.stand.hooks(), ours) == others
    await harness.shop.remove_webhooks(ours)
    assert list(harness.stand.hooks()) == others


@promise
async def all_of_ours_are_removed(harness: ReaderHarness) -> None:
    """Also what is switched off; a second time, and where there is none, is no failure."""
    ours = harness.stand.destinations[0]
    await harness.shop.remove_webhooks(ours)
    await harness.shop.ensure_webhooks(ours)
    harness.stand.disable_hooks()
    await soon(harness.connect().remove_webhooks(ours))
    assert list(harness.stand.hooks()) == []
    await harness.shop.remove_webhooks(ours)
    assert (await harness.shop.ensure_webhooks(ours)).mended > 0


@promise
async def a_daemon_that_moves_takes_its_webhooks_along(harness: ReaderHarness) -> None:
    """To another address: nothing goes to the old one any more, and removing leaves none behind."""
    ours = harness.stand.destinations[0]
    others = add_others(harness)
    for before in harness.stand.moved:
        await harness.shop.ensure_webhooks(before)
        registered = at(harness, before)
        await soon(harness.shop.ensure_webhooks(ours))
        assert at(harness, ours) == registered
        assert of_others(harness.stand.hooks(), ours) == others
        for destination in (ours, urlsplit(ours).path):
            await harness.shop.ensure_webhooks(before)
            await soon(harness.shop.remove_webhooks(destination))
            assert list(harness.stand.hooks()) == others


@promise
async def what_is_wrong_is_announced_before_it_is_mended(harness: ReaderHarness) -> None:
    """With the kinds that it concerns; what is right is announced to nobody, and concerns none."""
    ours = harness.stand.destinations[0]
    announced: list[Registration] = []
    before: list[Counter[str]] = []

    async def announce(found: Registration) -> None:
        announced.append(found)
        before.append(at(harness, ours))

    for fresh in (True, False):
        found = await soon(harness.shop.ensure_webhooks(ours, announce))
        told = harness.kit.platform.webhook_kinds & harness.kit.platform.kinds
        assert (announced[-1].kinds, found.kinds) == (told, told)
        assert (announced[-1].fresh, found.fresh) == (fresh, fresh)
        assert before.pop() == Counter()
        assert (found.registered, found.missing) == (len(at(harness, ours)), {})
        assert not (await soon(harness.shop.ensure_webhooks(ours, announce))).kinds
        assert before == []
        harness.stand.disable_hooks()


@promise
async def registering_goes_on_after_trouble(harness: ReaderHarness) -> None:
    """Whichever call fails: what was begun is finished the next time, each scope once; a failure is told as one."""
    ours = harness.stand.destinations[0]
    harness.wire.meet(None)
    await harness.connect().ensure_webhooks(ours)
    calls, wanted = harness.wire.count, at(harness, ours)
    for number in range(calls):
        for act in (once(httpx.Response(503), number), always(httpx.ReadTimeout("slow"), number)):
            await harness.connect().remove_webhooks(ours)
            harness.wire.meet(act)
            try:
                told = (await soon(harness.connect().ensure_webhooks(ours))).failure is not None
            except Failure:
                told = True
            harness.wire.meet(None)
            assert told or at(harness, ours) == wanted
            await patiently(lambda: harness.connect().ensure_webhooks(ours))
            assert at(harness, ours) == wanted


@promise
async def one_call_that_fails_keeps_no_other_webhook_away(harness: ReaderHarness) -> None:
    """After a failure or a refusal, the scopes of that call alone are missing, with the reason."""
    ours = harness.stand.destinations[0]
    words = "Not this one, says the platform"
    refused = httpx.Response(422, json=harness.kit.refusal(words))
    await harness.connect().ensure_webhooks(ours)
    wanted = at(harness, ours)
    answers = ((1, refused), (2, httpx.Response(503)), (3, httpx.Response(500)))
    together = harness.kit.registers_together
    for number, answer in [(1, answer) for _, answer in answers] if together else answers:
        await harness.connect().remove_webhooks(ours)
        harness.wire.meet(once(answer, number))
        found = await soon(harness.connect().ensure_webhooks(ours))
        harness.wire.meet(None)
        assert len(found.missing) == (len(wanted) if together else 1)
        for said in found.missing.values():
            assert str(answer.status_code) in said
            assert answer.status_code >= 500 or words in said
        assert (found.failure is None) == (answer.status_code < 500)
        assert at(harness, ours) == wanted - Counter(found.missing.keys())
        assert found.registered == len(wanted) - len(found.missing)


@promise
async def removing_goes_on_after_trouble(harness: ReaderHarness) -> None:
    """A failure is told, so that it is tried again; then none of ours is left."""
    ours = harness.stand.destinations[0]
    for number in (0, 1, 2, 5):
        await harness.connect().ensure_webhooks(ours)
        harness.wire.meet(always(httpx.Response(503), number))
        try:
            await soon(harness.connect().remove_webhooks(ours))
        except Failure:
            told = True
        else:
            told = False
        harness.wire.meet(None)
        assert told or not harness.stand.hooks()
        await patiently(lambda: harness.connect().remove_webhooks(ours))
        assert list(harness.stand.hooks()) == []


@promise
async def what_was_made_and_what_was_switched_off_is_told(harness: ReaderHarness) -> None:
    """By scope, and apart: a merchant must know that the platform has switched webhooks off."""
    ours = harness.stand.destinations[0]
    announced: list[Registration] = []

    async def announce(found: Registration) -> None:
        announced.append(found)

    made = await soon(harness.shop.ensure_webhooks(ours))
    wanted = frozenset(at(harness, ours))
    assert (made.made, made.switched_off) == (wanted, frozenset())
    right = await soon(harness.shop.ensure_webhooks(ours))
    assert (right.made, right.switched_off) == (frozenset(), frozenset())
    harness.stand.disable_hooks()
    mended = await soon(harness.shop.ensure_webhooks(ours, announce))
    assert (mended.made, mended.switched_off) == (frozenset(), wanted)
    assert announced[0].switched_off == wanted
    again = await soon(harness.shop.ensure_webhooks(ours))
    assert (again.made, again.switched_off) == (frozenset(), frozenset())
