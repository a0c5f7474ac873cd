"""Promises of reading by ids: the entities asked for and no others; absence is proven before it is reported."""

import random
from collections.abc import Mapping
from functools import partial

import httpx
import trio

from daemon.errors import Failure, Rejected
from daemon.model import ExternalId, Kind, Lane
from daemon.platforms.base import STORE, Entity
from tests.conformance.harness import ReaderHarness, patiently, soon
from tests.conformance.promise import ALL, LISTED, of
from tests.conformance.transport import always

NO_IDS = ("", " ", "x", "0", "-1", "1.5", "1,2", "1&limit=1", "../1", "1/2", "٣", "9" * 40, "\n", "%31", "null", "🛒")
"""Texts that are no entity's id; some of them would make a bad URL, or mean another entity."""

FAR_AWAY = ExternalId("999999")


async def worth(harness: ReaderHarness, kind: Kind, found: Mapping[ExternalId, Entity]) -> set[ExternalId]:
    """Return which of what was read is there. What is none of ours may be told as such without being looked for."""
    facts = await harness.shop.facts()
    return {external_id for external_id, entity in found.items() if harness.shop.map(kind, entity, facts).value}


@of(LISTED)
async def what_is_asked_for_comes_and_nothing_else(harness: ReaderHarness, kind: Kind) -> None:
    """Whatever the order, in either lane, up to a whole batch; what the platform does not have is left out."""
    there = harness.fill(kind)
    random.Random(1).shuffle(there)
    gone, there = there[0], there[1:]
    harness.stand.delete(kind, gone)
    size = harness.shop.batch(kind)
    assert size >= 1
    for lane, ids in ((Lane.LIVE, there[:3]), (Lane.BACKFILL, there[: size - 1])):
        asked = [gone, *ids][:size]
        found = await soon(harness.shop.read(kind, asked, lane))
        assert await worth(harness, kind, found) == set(asked) - {gone}
        assert all(external_id == entity.external_id for external_id, entity in found.items())
    assert await worth(harness, kind, await soon(harness.shop.read(kind, [gone], Lane.LIVE))) == set()


@of(LISTED)
async def a_batch_costs_few_calls(harness: ReaderHarness, kind: Kind) -> None:
    """The engine asks for whole batches because a call for each is too many; of what it has seen before, mostly."""
    there = harness.fill(kind)[: harness.shop.batch(kind)]
    await harness.shop.facts()
    await harness.walk(kind)
    harness.wire.meet(None)
    await harness.shop.read(kind, there, Lane.LIVE)
    assert harness.wire.count <= max(3, len(there) // 10)


@of(ALL)
async def texts_that_are_no_ids_do_no_harm(harness: ReaderHarness, kind: Kind) -> None:
    """They are left out of a batch, and by themselves they are nothing, or refused."""
    there = harness.stand.add(kind, 2) if kind is not Kind.STORE else [STORE]
    strange = [ExternalId(text) for text in NO_IDS]
    for one in strange:
        found = await soon(harness.shop.read(kind, [*there, one], Lane.LIVE))
        assert await worth(harness, kind, found) == set(there), repr(one)
        try:
            alone = await soon(harness.shop.read_one(kind, one, Lane.LIVE))
        except Rejected:
            alone = None
        assert alone is None, repr(one)


@of(LISTED)
async def one_is_none_only_when_it_is_gone(harness: ReaderHarness, kind: Kind) -> None:
    """One that is there comes; one that is gone, or never was, is None; in the end also when it was the last of all."""
    there = harness.stand.add(kind, 3)
    for external_id in there:
        entity = await soon(harness.shop.read_one(kind, external_id, Lane.LIVE))
        assert entity is not None
        assert entity.external_id == external_id
    assert await soon(harness.shop.read_one(kind, FAR_AWAY, Lane.LIVE)) is None
    for external_id in there[:-1]:
        harness.stand.delete(kind, external_id)
        assert await soon(harness.shop.read_one(kind, external_id, Lane.LIVE)) is None
    harness.stand.delete(kind, there[-1])
    for shop in (harness.shop, harness.connect()):  # a platform that suddenly has nothing may be doubted for some time
        assert await patiently(partial(shop.read_one, kind, there[-1], Lane.BACKFILL)) is None


@of(ALL)
async def no_trouble_passes_for_absence(harness: ReaderHarness, kind: Kind) -> None:
    """Whatever comes instead of an answer, from whichever call on: what is there is not said to be gone."""
    external_id = STORE if kind is Kind.STORE else harness.stand.add(kind, 2)[0]
    harness.wire.meet(None)
    await harness.connect().read_one(kind, external_id, Lane.LIVE)
    for number in range(harness.wire.count):
        for trouble in TROUBLES:
            harness.wire.meet(always(trouble, first=number))
            try:
                entity = await soon(harness.connect().read_one(kind, external_id, Lane.LIVE))
            except Failure:
                continue
            assert entity is not None, trouble


TROUBLES: tuple[httpx.Response | Exception, ...] = (
    httpx.Response(404, html="<h1>Not Found</h1>"),
    httpx.Response(404),
    httpx.Response(410, text="Gone"),
    httpx.Response(302, headers={"Location": "https://elsewhere.test/"}),
    httpx.Response(200, html="<h1>Maintenance</h1>"),
    httpx.Response(200, json={}),
    httpx.Response(200, text=""),
    httpx.Response(429),
    httpx.Response(500),
    httpx.Response(503, html="<h1>Service Unavailable</h1>"),
    httpx.ReadTimeout("slow"),
    httpx.ConnectError("refused"),
)


@of(ALL)
async def however_it_is_read_it_is_the_same(harness: ReaderHarness, kind: Kind) -> None:
    """A page, a batch and one: all three map to the same value, also when several read at once."""
    there = [STORE] if kind is Kind.STORE else harness.stand.add(kind, 12)
    facts = await harness.shop.facts()
    paged = await harness.mapped(kind)
    assert set(paged) == set(there)
    kept: list[tuple[ExternalId, object]] = []

    async def read_one(external_id: ExternalId) -> None:
        entity = await harness.shop.read_one(kind, external_id, Lane.LIVE)
        assert entity is not None
        kept.append((external_id, harness.shop.map(kind, entity, facts)))

    async def read_all() -> None:
        found = await harness.read_all(kind, there, Lane.BACKFILL)
        kept.extend((external_id, harness.shop.map(kind, entity, facts)) for external_id, entity in found.items())

    async with trio.open_nursery() as nursery:
        for external_id in there:
            nursery.start_soon(read_one, external_id)
        nursery.start_soon(read_all)
        nursery.start_soon(read_all)
    assert len(kept) == 3 * len(there)
    assert [external_id for external_id, mapped in kept if mapped != paged[external_id]] == []


@of(LISTED)
async def an_edit_is_read_at_once(harness: ReaderHarness, kind: Kind) -> None:
    """Nothing of an entity is remembered from the last time; nor is it after the adapter's state was lost."""
    external_id = harness.stand.add(kind, 2)[0]
    facts = await harness.shop.facts()
    before = (await harness.mapped(kind))[external_id]
    harness.stand.edit(kind, external_id)
    found = await harness.shop.read(kind, [external_id], Lane.LIVE)
    after = harness.shop.map(kind, found[external_id], facts)
    assert after != before
    harness.state.lose()
    shop = harness.connect()
    found = await shop.read(kind, [external_id], Lane.LIVE)
    assert shop.map(kind, found[external_id], facts) == after
