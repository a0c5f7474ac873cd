"""What reading by ids promises: what is asked for and nothing else, and that absence is proven before it is told."""

import random
from collections.abc import Mapping
from functools import partial

import httpx
import trio

from daemon.errors import Failure, Rejected
from daemon.model import ExternalId, Kind, Lane
from daemon.platforms.base import STORE, Entity
from tests.conformance.house import House, patiently, soon
from tests.conformance.promise import ALL, LISTED, of
from tests.conformance.wire import always

NO_IDS = ("", " ", "x", "0", "-1", "1.5", "1,2", "1&limit=1", "../1", "1/2", "٣", "9" * 40, "\n", "%31", "null", "🛒")
"""Texts that are no entity's id; some of them would make a bad URL, or mean another entity."""

FAR_AWAY = ExternalId("999999")


async def worth(house: House, kind: Kind, found: Mapping[ExternalId, Entity]) -> set[ExternalId]:
    """Return which of what was read is there. What is none of ours may be told as such without being looked for."""
    facts = await house.shop.facts()
    return {external_id for external_id, entity in found.items() if house.shop.map(kind, entity, facts).value}


@of(LISTED)
async def what_is_asked_for_comes_and_nothing_else(house: House, kind: Kind) -> None:
    """Whatever the order, in either lane, up to a whole batch; what the platform does not have is left out."""
    there = house.fill(kind)
    random.Random(1).shuffle(there)
    gone, there = there[0], there[1:]
    house.stand.delete(kind, gone)
    size = house.shop.batch(kind)
    assert size >= 1
    for lane, ids in ((Lane.LIVE, there[:3]), (Lane.BACKFILL, there[: size - 1])):
        asked = [gone, *ids][:size]
        found = await soon(house.shop.read(kind, asked, lane))
        assert await worth(house, kind, found) == set(asked) - {gone}
        assert all(external_id == entity.external_id for external_id, entity in found.items())
    assert await worth(house, kind, await soon(house.shop.read(kind, [gone], Lane.LIVE))) == set()


@of(LISTED)
async def a_batch_costs_few_calls(house: House, kind: Kind) -> None:
    """The engine asks for whole batches because a call for each is too many; of what it has seen before, mostly."""
    there = house.fill(kind)[: house.shop.batch(kind)]
    await house.shop.facts()
    await house.walk(kind)
    house.wire.meet(None)
    await house.shop.read(kind, there, Lane.LIVE)
    assert house.wire.count <= max(3, len(there) // 10)


@of(ALL)
async def texts_that_are_no_ids_do_no_harm(house: House, kind: Kind) -> None:
    """They are left out of a batch, and by themselves they are nothing, or refused."""
    there = house.stand.add(kind, 2) if kind is not Kind.STORE else [STORE]
    strange = [ExternalId(text) for text in NO_IDS]
    for one in strange:
        found = await soon(house.shop.read(kind, [*there, one], Lane.LIVE))
        assert await worth(house, kind, found) == set(there), repr(one)
        try:
            alone = await soon(house.shop.read_one(kind, one, Lane.LIVE))
        except Rejected:
            alone = None
        assert alone is None, repr(one)


@of(LISTED)
async def one_is_none_only_when_it_is_gone(house: House, kind: Kind) -> None:
    """One that is there comes; one that is gone, or never was, is None; in the end also when it was the last of all."""
    there = house.stand.add(kind, 3)
    for external_id in there:
        entity = await soon(house.shop.read_one(kind, external_id, Lane.LIVE))
        assert entity is not None
        assert entity.external_id == external_id
    assert await soon(house.shop.read_one(kind, FAR_AWAY, Lane.LIVE)) is None
    for external_id in there[:-1]:
        house.stand.delete(kind, external_id)
        assert await soon(house.shop.read_one(kind, external_id, Lane.LIVE)) is None
    house.stand.delete(kind, there[-1])
    for shop in (house.shop, house.connect()):  # a platform that suddenly has nothing may be doubted for some time
        assert await patiently(partial(shop.read_one, kind, there[-1], Lane.BACKFILL)) is None


@of(ALL)
async def no_trouble_passes_for_absence(house: House, kind: Kind) -> None:
    """Whatever comes instead of an answer, from whichever call on: what is there is not said to be gone."""
    external_id = STORE if kind is Kind.STORE else house.stand.add(kind, 2)[0]
    house.wire.meet(None)
    await house.connect().read_one(kind, external_id, Lane.LIVE)
    for number in range(house.wire.count):
        for trouble in TROUBLES:
            house.wire.meet(always(trouble, first=number))
            try:
                entity = await soon(house.connect().read_one(kind, external_id, Lane.LIVE))
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
async def however_it_is_read_it_is_the_same(house: House, kind: Kind) -> None:
    """A page, a batch and one: all three map to the same value, also when several read at once."""
    there = [STORE] if kind is Kind.STORE else house.stand.add(kind, 12)
    facts = await house.shop.facts()
    paged = await house.mapped(kind)
    assert set(paged) == set(there)
    kept: list[tuple[ExternalId, object]] = []

    async def read_one(external_id: ExternalId) -> None:
        entity = await house.shop.read_one(kind, external_id, Lane.LIVE)
        assert entity is not None
        kept.append((external_id, house.shop.map(kind, entity, facts)))

    async def read_all() -> None:
        found = await house.read_all(kind, there, Lane.BACKFILL)
        kept.extend((external_id, house.shop.map(kind, entity, facts)) for external_id, entity in found.items())

    async with trio.open_nursery() as nursery:
        for external_id in there:
            nursery.start_soon(read_one, external_id)
        nursery.start_soon(read_all)
        nursery.start_soon(read_all)
    assert len(kept) == 3 * len(there)
    assert [external_id for external_id, mapped in kept if mapped != paged[external_id]] == []


@of(LISTED)
async def an_edit_is_read_at_once(house: House, kind: Kind) -> None:
    """Nothing of an entity is remembered from the last time; nor is it after the shelf was lost."""
    external_id = house.stand.add(kind, 2)[0]
    facts = await house.shop.facts()
    before = (await house.mapped(kind))[external_id]
    house.stand.edit(kind, external_id)
    found = await house.shop.read(kind, [external_id], Lane.LIVE)
    after = house.shop.map(kind, found[external_id], facts)
    assert after != before
    house.state.lose()
    shop = house.connect()
    found = await shop.read(kind, [external_id], Lane.LIVE)
    assert shop.map(kind, found[external_id], facts) == after
