"""A page's content is used once, for its own row, and never if it may be older than the pushed state."""

from collections.abc import Sequence

import pytest

from daemon.engine.page_cache import PageCache
from daemon.model import ExternalId, RunId
from daemon.platforms.base import Entity
from daemon.storage.outbox import Claim

ONE, TWO = ExternalId("1"), ExternalId("2")
RUN = RunId(5)


async def take_in(cache: PageCache, made: set[ExternalId] | None, settling: Sequence[ExternalId] = ()) -> bool:
    """Read a page with both entities; the transaction creates the rows `made`."""

    async def take() -> set[ExternalId] | None:
        return made

    async with cache.one_page():
        cache.settling(settling)
        return await cache.fill(RUN, [Entity(ONE, "content"), Entity(TWO, "content")], take)


def taken(cache: PageCache, external_id: ExternalId) -> Entity | None:
    return cache.take(Claim(external_id, 1, RUN, 0, 0.0))


@pytest.mark.parametrize(
    ("claim", "usable"),
    [
        (Claim(ONE, 1, RUN, 0, 0.0), True),
        (Claim(ONE, 2, RUN, 0, 0.0), False),
        (Claim(ONE, 1, RunId(6), 0, 0.0), False),
        (Claim(ONE, 1, None, 0, 0.0), False),
        (Claim(ExternalId("3"), 1, RUN, 0, 0.0), False),
    ],
)
async def test_a_content_is_used_once_and_only_for_its_own_row(claim: Claim, *, usable: bool) -> None:
    cache = PageCache()
    assert await take_in(cache, {ONE})
    assert cache.take(claim) == (Entity(ONE, "content") if usable else None)
    assert cache.take(claim) is None


async def test_only_the_rows_that_the_page_made_have_a_content() -> None:
    cache = PageCache()
    assert await take_in(cache, {TWO})
    assert (taken(cache, ONE), taken(cache, TWO)) == (None, Entity(TWO, "content"))
    assert not await take_in(cache, None), "the run was replaced"
    assert taken(cache, TWO) is None


async def test_an_entity_settled_while_its_page_is_read_is_read_again() -> None:
    cache = PageCache()
    cache.settling([TWO])
    await take_in(cache, {ONE, TWO}, settling=[ONE])
    assert (taken(cache, ONE), taken(cache, TWO)) == (None, Entity(TWO, "content")), "2 was settled before"
    await take_in(cache, {ONE})
    assert taken(cache, ONE) is not None, "each page counts for itself"
