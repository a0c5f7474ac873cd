"""The page that gives keys, what it posts to an application, and what becomes of the key."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest

ASKED = {
    "app_name": "Ignite Sync",
    "scope": "read_write",
    "user_id": "state-1",
    "return_url": "https://app.example/back?a=1",
    "callback_url": "http://daemon/callback?state=1",
}


def url(**changes: str) -> str:
    return f"/wc-auth/v1/authorize?{urlencode({**ASKED, **changes})}"


async def approve(shop: Any, path: str) -> str:
    shop.woocommerce.authorization.poster = shop.inbox
    return str(await shop.woocommerce.authorization.approve(f"http://shop.example{path}"))


async def test_an_approval_posts_a_key_that_works(running: Any) -> None:
    async with running() as shop:
        page = await shop.client.get(url())
        back = await approve(shop, url())
        ((target, headers, body),) = shop.inbox.received
        given = json.loads(body)
        shop.client.auth = (given["consumer_key"], given["consumer_secret"])
        assert (await shop.ask("GET", "/products")).status_code == 200
    assert (page.status_code, target) == (200, ASKED["callback_url"])
    assert given.keys() == {"key_id", "user_id", "consumer_key", "consumer_secret", "key_permissions"}
    assert (given["user_id"], given["key_permissions"]) == ("state-1", "read_write")
    assert headers["user-agent"] == "WordPress/7.1; http://shop.example"
    assert not any("signature" in name for name in headers)
    assert back == "https://app.example/back?a=1&success=1&user_id=state-1"


@pytest.mark.parametrize("status", [201, 204, 302, 400, 500, None])
async def test_only_200_lets_the_key_live(running: Any, status: int | None) -> None:
    async with running() as shop:
        shop.inbox.script = [status]
        with pytest.raises(PermissionError, match="Access denied"):
            await approve(shop, url())
        assert list(shop.woocommerce.keys.known) == ["ck_sandbox"]


@pytest.mark.parametrize("lacking", [*ASKED, "https"])
async def test_a_page_that_lacks_something_is_refused(running: Any, lacking: str) -> None:
    path = url() if lacking == "https" else url(**{lacking: ""})
    async with running(plain_callbacks=lacking != "https") as shop:
        assert (await shop.client.get(path)).status_code == 401
        with pytest.raises(ValueError, match=r"Missing|SSL"):
            await approve(shop, path)
    assert shop.inbox.received == []
