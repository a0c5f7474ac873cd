"""Promises of an enumeration: everything once, from any cursor, while the store changes; or a failure."""

import random
from collections import Counter
from contextlib import suppress
from functools import partial
from itertools import chain

import httpx

from daemon.errors import Failure
from daemon.model import Kind, Lane
from daemon.platforms.base import STORE
from tests.conformance.harness import DAY, ReaderHarness, patiently, soon
from tests.conformance.promise import LISTED, of
from tests.conformance.transport import always

LONGEST_CURSOR = 1000


@of(LISTED)
async def everything_is_seen_once(harness: ReaderHarness, kind: Kind) -> None:
    """None, one, some, and more than two pages."""
    assert await harness.seen(kind) == []
    there = harness.stand.add(kind, 1)
    assert await harness.seen(kind) == there
    there += harness.fill(kind)
    assert sorted(await harness.seen(kind)) == sorted(there)


@of(LISTED)
async def a_cursor_outlives_the_process(harness: ReaderHarness, kind: Kind) -> None:
    """Another adapter goes on from a cursor, which is a short text; the same cursor starts the same page again."""
    there = harness.fill(kind)
    first = await harness.shop.page(kind, None)
    assert isinstance(first.cursor, str), "one page cannot have it all"
    assert len(first.cursor) <= LONGEST_CURSOR
    for shop in (harness.connect(), harness.connect()):
        rest = [page async for page in harness.pages(kind, shop=shop, cursor=first.cursor)]
        seen = [one.external_id for page in (first, *rest) for one in page.entities]
        assert sorted(seen) == sorted(there)


@of(LISTED)
async def nothing_is_skipped_or_repeated_while_the_store_changes(harness: ReaderHarness, kind: Kind) -> None:
    """Between two pages some of what was seen goes, some of it and of the rest is edited, and more comes."""
    there = harness.fill(kind)
    chance = random.Random(len(there))
    gone, seen = set(), Counter[str]()
    async for page in harness.pages(kind):
        adopted = [one.external_id for one in page.entities]
        seen.update(adopted)
        harness.stand.now += 1
        for external_id in chance.sample(adopted, len(adopted) // 3):
            harness.stand.delete(kind, external_id)
            gone.add(external_id)
        standing = [one for one in there if one not in gone]
        for external_id in chance.sample(standing, len(standing) // 3):
            harness.stand.edit(kind, external_id)
        if len(seen) < 2 * len(there):
            harness.stand.add(kind, 3)
    left = [one for one in there if one not in gone]
    assert [one for one in left if not seen[one]] == [], "skipped"
    assert [one for one, times in seen.items() if times > 1] == [], "repeated"


@of(LISTED)
async def a_page_is_whole_or_a_failure(harness: ReaderHarness, kind: Kind) -> None:
    """Whichever of a page's calls fails from then on, what comes is no page that lacks something."""
    there = harness.fill(kind)
    harness.wire.meet(None)
    whole = {one.external_id for one in (await harness.shop.page(kind, None)).entities}
    for number in range(harness.wire.count):
        for answer in (httpx.Response(503), httpx.Response(404, html="<h1>Not Found</h1>")):
            shop = harness.connect()
            harness.wire.meet(always(answer, first=number))
            try:
                page = await soon(shop.page(kind, None))
            except Failure:
                page = None
            assert page is None or {one.external_id for one in page.entities} == whole
    harness.wire.meet(None)
    assert sorted(await harness.seen(kind)) == sorted(there)


@of(LISTED)
async def what_changed_since_is_seen(harness: ReaderHarness, kind: Kind) -> None:
    """Also what changed in the very second; what did not change since is left out where the platform can tell."""
    there = harness.fill(kind)
    harness.stand.now += DAY
    since, changed = harness.stand.now, there[1::2]
    for external_id in changed:
        harness.stand.edit(kind, external_id)
    added = harness.stand.add(kind, 2)
    await harness.walk(kind)
    seen = set(await harness.seen(kind, since))
    assert seen >= {*changed, *added}
    if kind in harness.kit.dated:
        assert seen <= {*changed, *added}, "unchanged ones cost calls"
    harness.stand.now += DAY
    assert set(await harness.seen(kind, since)) >= {*changed, *added}


@of(lambda kit: kit.unseen)
async def an_enumeration_looks_anew(harness: ReaderHarness, kind: Kind) -> None:
    """The adapter's cached state, from lists or in memory, is read again with the first page."""
    there = harness.fill(kind)
    before = await harness.mapped(kind)
    harness.stand.edit_unseen(kind, there[0])
    harness.stand.edit_unseen(kind, there[-1])
    after = await harness.mapped(kind)
    changed = {external_id for external_id, mapped in after.items() if mapped != before[external_id]}
    assert changed == {there[0], there[-1]}


@of(lambda kit: kit.unseen)
async def what_only_lists_tell_is_seen_since(harness: ReaderHarness, kind: Kind) -> None:
    """However many there are; neither a call that fails nor reading one by its id makes any of them forgotten."""
    there = harness.fill(kind)
    await harness.walk(kind)
    harness.stand.now += DAY
    since = harness.stand.now
    for external_id in there:
        harness.stand.edit_unseen(kind, external_id)
    await harness.shop.read(kind, there[-1:], Lane.LIVE)
    harness.wire.meet(None)
    assert set(await harness.seen(kind, since)) == set(there)
    for number in range(1, harness.wire.count):
        harness.stand.now += DAY
        since = harness.stand.now
        for external_id in there[:3]:
            harness.stand.edit_unseen(kind, external_id)
        harness.wire.meet(always(httpx.Response(503), first=number))
        try:
            await soon(harness.shop.changed_since(kind, since, None))
        except Failure:
            harness.wire.meet(None)
            assert set(await harness.seen(kind, since)) >= set(there[:3]), f"forgotten after call {number} failed"
        harness.wire.meet(None)


@of(lambda kit: kit.unseen)
async def what_changes_behind_a_page_that_fails_is_seen(harness: ReaderHarness, kind: Kind) -> None:
    """Whichever page of a sweep fails is asked for again; what changed meanwhile comes in the rest, or in the next."""
    there = harness.stand.add(kind, 4)
    await harness.walk(kind)
    for before in range(3):
        harness.stand.now += DAY
        since, cursor = harness.stand.now, None
        harness.stand.edit_unseen(kind, there[-1])
        for _ in range(before):
            cursor = (await patiently(partial(harness.shop.changed_since, kind, since, cursor))).cursor
            if cursor is None:
                return
        harness.wire.meet(always(httpx.Response(503)))
        with suppress(Failure):
            await soon(harness.shop.changed_since(kind, since, cursor))
        harness.wire.meet(None)
        for external_id in there[:2]:
            harness.stand.now += 100
            harness.stand.edit_unseen(kind, external_id)
        pages = [page async for page in harness.pages(kind, since=since, cursor=cursor)]
        seen = {entity.external_id for page in pages for entity in page.entities}
        assert seen | set(await harness.seen(kind, since)) >= set(there[:2]), f"page {before} failed"


@of(lambda kit: kit.shrinking)
async def a_store_that_bears_only_small_answers_is_read_all_the_same(harness: ReaderHarness, kind: Kind) -> None:
    """Large answers are a gateway's timeout; smaller pages get through, of an enumeration and of a read by ids."""
    there = harness.fill(kind)
    await harness.walk(kind)
    harness.wire.bears = harness.wire.largest // 6
    harness.shop = harness.connect()
    assert sorted(await harness.seen(kind)) == sorted(there)
    size = min(harness.shop.batch(kind), len(there))
    harness.shop = harness.connect()
    found = await patiently(partial(harness.shop.read, kind, there[:size], Lane.LIVE))
    assert set(found) == set(there[:size])


@of(lambda kit: kit.platform.kinds - kit.platform.webhook_kinds)
async def what_no_webhook_tells_of_comes_with_each_sweep(harness: ReaderHarness, kind: Kind) -> None:
    """A sweep brings each change of it, also one in the second in which the last sweep ended."""
    external_id = STORE if kind is Kind.STORE else harness.stand.add(kind, 1)[0]
    seen = [(await harness.mapped(kind))[external_id].value]
    for _ in range(2):
        harness.stand.edit(kind, external_id)
        swept = {entity.external_id: entity for entity in await harness.walk(kind, since=harness.stand.now)}
        assert external_id in swept
        value = harness.shop.map(kind, swept[external_id], await harness.shop.facts()).value
        assert value != seen[-1]
        seen.append(value)


@of(frozenset({Kind.STORE}))
async def the_store_is_one_entity(harness: ReaderHarness, kind: Kind) -> None:
    """Its id is always the same, its content is the facts."""
    page = await harness.shop.page(kind, None)
    assert ([one.external_id for one in page.entities], page.cursor) == ([STORE], None)
    facts = await harness.shop.facts()
    assert page.entities[0].content == facts
    assert harness.shop.map(kind, page.entities[0], facts).value == facts
    assert facts.currency
    assert not facts.url.endswith("/")
    harness.stand.edit(kind, STORE)
    pages = [page async for page in harness.pages(kind, since=harness.stand.now)]
    (changed,) = chain.from_iterable(page.entities for page in pages)
    assert changed.content == await harness.shop.facts() != facts


@of(LISTED)
async def a_list_of_ids_is_whole_or_a_failure(harness: ReaderHarness, kind: Kind) -> None:
    """It has the ids of the enumeration, also when it begins in another process; what is deleted is not in it."""
    there = harness.fill(kind)
    await harness.walk(kind)
    assert sorted(await harness.listed(kind)) == sorted(there)
    gone = there[1::3]
    for external_id in gone:
        harness.stand.delete(kind, external_id)
    left = sorted(set(there) - set(gone))
    harness.wire.meet(None)
    harness.shop = harness.connect()
    assert sorted(await harness.listed(kind)) == left
    calls = harness.wire.count
    for number in range(calls):
        harness.shop = harness.connect()
        harness.wire.meet(always(httpx.Response(503), first=number))
        try:
            ids = await harness.listed(kind, patient=False)
        except Failure:
            continue
        finally:
            harness.wire.meet(None)
        assert sorted(ids) == left


@of(LISTED)
async def a_list_of_ids_skips_nothing_while_the_store_changes(harness: ReaderHarness, kind: Kind) -> None:
    """Otherwise everything that a page leaves out is read by its id, once an hour."""
    there = harness.fill(kind)
    await harness.walk(kind)
    chance, seen, gone, cursor = random.Random(len(there)), set[str](), set[str](), None
    while True:
        page = await patiently(partial(harness.shop.ids, kind, cursor))
        seen.update(page.ids)
        for external_id in chance.sample(list(page.ids), len(page.ids) // 3):
            harness.stand.delete(kind, external_id)
            gone.add(external_id)
        if page.cursor is None:
            break
        harness.stand.add(kind, 1)
        cursor = page.cursor
    assert [one for one in there if one not in gone and one not in seen] == []
