"""The page that connects a waiting site by hand: `GET /connect/woocommerce`."""

import pytest

from tests.connections.shop_harness import SITE, open_shop, query_of


@pytest.mark.usefixtures("both_engines")
async def test_a_site_that_waits_can_be_connected_by_hand() -> None:
    async with open_shop() as h:
        await h.consent()
        target = await h.ask("GET", f"/connect/woocommerce?site={SITE}&store_id=https://evil.example&url=https://evil")
        asked = query_of(dict(target.headers)[b"location"].decode(), h.shop.url)
        assert (target.status, target.body, dict(target.headers)[b"cache-control"]) == (303, b"", b"no-store")
        assert "evil" not in str(asked)
        assert (await h.call_back(h.posted(asked["user_id"]))).status == 200
        assert await h.states() == ["active"]
        again = await h.ask("GET", f"/connect/woocommerce?site={SITE}")
        assert (again.status, "does not wait for a store" in again.body.decode()) == (404, True)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        *((query, 400) for query in ("", "?site=jones", "?site=live/", "?site=prod/jones", "?site=live/a/b")),
        *((query, 404) for query in ("?site=live/jones", "?site=test/another")),
    ],
)
async def test_another_site_cannot_be_connected_by_hand(query: str, status: int) -> None:
    async with open_shop() as h:
        await h.consent()
        response = await h.ask("GET", f"/connect/woocommerce{query}")
        assert (response.status, response.content_type) == (status, b"text/html; charset=utf-8")
        assert "This did not work" in response.body.decode()
        assert b"location" not in dict(response.headers)


@pytest.mark.usefixtures("both_engines")
async def test_a_flood_by_hand_leaves_the_states_that_were_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemon.storage.installs.MOST_STATES", 3)
    async with open_shop() as h:
        state = (await h.consent())["user_id"]
        path = f"/connect/woocommerce?site={SITE}"
        assert [(await h.ask("GET", path)).status for _ in range(4)] == [303, 303, 404, 404]
        asked = await h.consent()
        assert (await h.call_back(h.posted(state, consumer_secret="cs_x"))).status == 400, "the first is known still"
        assert (await h.call_back(h.posted(asked["user_id"]))).status == 200
        h.later += 3601
        await h.ask("DELETE", f"/v1/{SITE}")
        await h.connect(store_id="https://shop.example.com")
        assert (await h.ask("GET", path)).status == 303, "old states do not count"


async def test_each_platform_has_the_page_by_hand_only_with_its_app() -> None:
    async with open_shop() as h:
        assert (await h.ask("GET", f"/connect/bigcommerce?site={SITE}")).status == 404
