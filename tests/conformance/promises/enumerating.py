"""What an enumeration promises: everything once, from any cursor, whatever happens meanwhile; or a failure."""

import random
from collections import Counter
from contextlib import suppress
from functools import partial
from itertools import chain

import httpx

from daemon.errors import Failure
from daemon.model import Kind, Lane
from daemon.platforms.base import STORE
from tests.conformance.house import DAY, House, patiently, soon
from tests.conformance.promise import LISTED, of
from tests.conformance.wire import always

LONGEST_CURSOR = 1000


@of(LISTED)
async def everything_is_seen_once(house: House, kind: Kind) -> None:
    """None, one, some, and more than two pages."""
    assert await house.seen(kind) == []
    there = house.stand.add(kind, 1)
    assert await house.seen(kind) == there
    there += house.fill(kind)
    assert sorted(await house.seen(kind)) == sorted(there)


@of(LISTED)
async def a_cursor_outlives_the_process(house: House, kind: Kind) -> None:
    """Another adapter goes on from a cursor, which is a short text; the same cursor starts the same page again."""
    there = house.fill(kind)
    first = await house.shop.page(kind, None)
    assert isinstance(first.cursor, str), "one page cannot have it all"
    assert len(first.cursor) <= LONGEST_CURSOR
    for shop in (house.connect(), house.connect()):
        rest = [page async for page in house.pages(kind, shop=shop, cursor=first.cursor)]
        seen = [one.external_id for page in (first, *rest) for one in page.entities]
        assert sorted(seen) == sorted(there)


@of(LISTED)
async def nothing_is_skipped_or_repeated_while_the_store_changes(house: House, kind: Kind) -> None:
    """Between two pages some of what was seen goes, some of it and of the rest is edited, and more comes."""
    there = house.fill(kind)
    chance = random.Random(len(there))
    gone, seen = set(), Counter[str]()
    async for page in house.pages(kind):
        adopted = [one.external_id for one in page.entities]
        seen.update(adopted)
        house.stand.now += 1
        for external_id in chance.sample(adopted, len(adopted) // 3):
            house.stand.delete(kind, external_id)
            gone.add(external_id)
        standing = [one for one in there if one not in gone]
        for external_id in chance.sample(standing, len(standing) // 3):
            house.stand.edit(kind, external_id)
        if len(seen) < 2 * len(there):
            house.stand.add(kind, 3)
    left = [one for one in there if one not in gone]
    assert [one for one in left if not seen[one]] == [], "skipped"
    assert [one for one, times in seen.items() if times > 1] == [], "repeated"


@of(LISTED)
async def a_page_is_whole_or_a_failure(house: House, kind: Kind) -> None:
    """Whichever of a page's calls fails from then on, what comes is no page that lacks something."""
    there = house.fill(kind)
    house.wire.meet(None)
    whole = {one.external_id for one in (await house.shop.page(kind, None)).entities}
    for number in range(house.wire.count):
        for answer in (httpx.Response(503), httpx.Response(404, html="<h1>Not Found</h1>")):
            shop = house.connect()
            house.wire.meet(always(answer, first=number))
            try:
                page = await soon(shop.page(kind, None))
            except Failure:
                page = None
            assert page is None or {one.external_id for one in page.entities} == whole
    house.wire.meet(None)
    assert sorted(await house.seen(kind)) == sorted(there)


@of(LISTED)
async def what_changed_since_is_seen(house: House, kind: Kind) -> None:
    """Also what changed in the very second; what did not change since is left out where the platform can tell."""
    there = house.fill(kind)
    house.stand.now += DAY
    since, changed = house.stand.now, there[1::2]
    for external_id in changed:
        house.stand.edit(kind, external_id)
    added = house.stand.add(kind, 2)
    await house.walk(kind)
    seen = set(await house.seen(kind, since))
    assert seen >= {*changed, *added}
    if kind in house.kit.dated:
        assert seen <= {*changed, *added}, "unchanged ones cost calls"
    house.stand.now += DAY
    assert set(await house.seen(kind, since)) >= {*changed, *added}


@of(lambda kit: kit.unseen)
async def an_enumeration_looks_anew(house: House, kind: Kind) -> None:
    """What the adapter remembers, from lists or in memory, is read anew with the first page."""
    there = house.fill(kind)
    before = await house.mapped(kind)
    house.stand.edit_unseen(kind, there[0])
    house.stand.edit_unseen(kind, there[-1])
    after = await house.mapped(kind)
    changed = {external_id for external_id, mapped in after.items() if mapped != before[external_id]}
    assert changed == {there[0], there[-1]}


@of(lambda kit: kit.unseen)
async def what_only_lists_tell_is_seen_since(house: House, kind: Kind) -> None:
    """However many there are; neither a call that fails nor reading one by its id makes any of them forgotten."""
    there = house.fill(kind)
    await house.walk(kind)
    house.stand.now += DAY
    since = house.stand.now
    for external_id in there:
        house.stand.edit_unseen(kind, external_id)
    await house.shop.read(kind, there[-1:], Lane.LIVE)
    house.wire.meet(None)
    assert set(await house.seen(kind, since)) == set(there)
    for number in range(1, house.wire.count):
        house.stand.now += DAY
        since = house.stand.now
        for external_id in there[:3]:
            house.stand.edit_unseen(kind, external_id)
        house.wire.meet(always(httpx.Response(503), first=number))
        try:
            await soon(house.shop.changed_since(kind, since, None))
        except Failure:
            house.wire.meet(None)
            assert set(await house.seen(kind, since)) >= set(there[:3]), f"forgotten after call {number} failed"
        house.wire.meet(None)


@of(lambda kit: kit.unseen)
async def what_changes_behind_a_page_that_fails_is_seen(house: House, kind: Kind) -> None:
    """Whichever page of a sweep fails is asked for again; what changed meanwhile comes in the rest, or in the next."""
    there = house.stand.add(kind, 4)
    await house.walk(kind)
    for before in range(3):
        house.stand.now += DAY
        since, cursor = house.stand.now, None
        house.stand.edit_unseen(kind, there[-1])
        for _ in range(before):
            cursor = (await patiently(partial(house.shop.changed_since, kind, since, cursor))).cursor
            if cursor is None:
                return
        house.wire.meet(always(httpx.Response(503)))
        with suppress(Failure):
            await soon(house.shop.changed_since(kind, since, cursor))
        house.wire.meet(None)
        for external_id in there[:2]:
            house.stand.now += 100
            house.stand.edit_unseen(kind, external_id)
        pages = [page async for page in house.pages(kind, since=since, cursor=cursor)]
        seen = {entity.external_id for page in pages for entity in page.entities}
        assert seen | set(await house.seen(kind, since)) >= set(there[:2]), f"page {before} failed"


@of(lambda kit: kit.shrinking)
async def a_store_that_bears_only_small_answers_is_read_all_the_same(house: House, kind: Kind) -> None:
    """Large answers are a gateway's timeout; smaller pages get through, of an enumeration and of a read by ids."""
    there = house.fill(kind)
    await house.walk(kind)
    house.wire.bears = house.wire.largest // 6
    house.shop = house.connect()
    assert sorted(await house.seen(kind)) == sorted(there)
    size = min(house.shop.batch(kind), len(there))
    house.shop = house.connect()
    found = await patiently(partial(house.shop.read, kind, there[:size], Lane.LIVE))
    assert set(found) == set(there[:size])


@of(frozenset({Kind.STORE}))
async def the_store_is_one_entity(house: House, kind: Kind) -> None:
    """Its id is always the same, its content is the facts."""
    page = await house.shop.page(kind, None)
    assert ([one.external_id for one in page.entities], page.cursor) == ([STORE], None)
    facts = await house.shop.facts()
    assert page.entities[0].content == facts
    assert house.shop.map(kind, page.entities[0], facts).value == facts
    assert facts.currency
    assert not facts.url.endswith("/")
    house.stand.edit(kind, STORE)
    pages = [page async for page in house.pages(kind, since=house.stand.now)]
    (changed,) = chain.from_iterable(page.entities for page in pages)
    assert changed.content == await house.shop.facts() != facts
