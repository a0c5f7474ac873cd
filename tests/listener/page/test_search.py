"""A search over all sites: each has its time, and one that cannot be asked hides nothing of the others."""

from typing import Any

import trio
from trio.testing import MockClock

from daemon.errors import Invalid, NotFound, Paused
from daemon.listener.page.search import AT_ONCE, SECONDS, all_sites
from daemon.model import Site

CONNECTIONS = [{"site": f"test/{name}", "kinds": ["products", "orders"]} for name in "abcd"]


async def test_all_sites_are_asked_and_those_that_give_no_answer_are_named(autojump_clock: MockClock) -> None:
    async def explain(asked: dict[str, Any]) -> Any:
        await trio.sleep(1)
        if asked["site"] == "test/b":
            raise Paused(Site("test", "b"))
        if asked["site"] == "test/c":
            await trio.sleep_forever()
        if asked["site"] == "test/d" and asked["kind"] == "orders":
            raise Invalid("kind: orders are not synced from this platform")
        return (asked["site"], asked["kind"], asked["text"])

    began = trio.current_time()
    answers, unasked = await all_sites(explain, CONNECTIONS, "", {"text": "Mug"})
    assert answers == [
        ("test/a", "products", "Mug"),
        ("test/a", "orders", "Mug"),
        ("test/d", "products", "Mug"),
    ]
    assert unasked == {
        "test/b": "the connection test/b is paused; resume it with: ignite-sync resume test/b",
        "test/c": "no answer within 20 s",
    }
    assert trio.current_time() - began == SECONDS


async def test_a_site_that_left_meanwhile_is_named(autojump_clock: MockClock) -> None:
    async def explain(asked: dict[str, Any]) -> Any:
        raise NotFound(f"no connection {asked['site']}")

    answers, unasked = await all_sites(explain, CONNECTIONS[:1], "products", {"text": "Mug"})
    assert (answers, unasked) == ([], {"test/a": "no connection test/a"})


async def test_only_some_sites_are_asked_at_a_time(autojump_clock: MockClock) -> None:
    present, most = 0, 0

    async def explain(_asked: dict[str, Any]) -> Any:
        nonlocal present, most
        present += 1
        most = max(most, present)
        await trio.sleep(1)
        present -= 1

    many = [{"site": f"test/{number}", "kinds": ["products"]} for number in range(3 * AT_ONCE)]
    answers, _ = await all_sites(explain, many, "", {"text": "Mug"})
    assert (most, len(answers)) == (AT_ONCE, len(many))
