"""Refused webhooks in the log: one line a minute for each connection, without content."""

import logging
from typing import Any

import pytest
import structlog
import trio
from trio.testing import MockClock

from daemon.listener.http.messages import Request
from daemon.listener.webhooks import Webhooks
from daemon.model import Site
from tests.listener.test_webhooks import GOOD, JSON, SITE, Shop

REFUSALS: dict[str, dict[str, Any]] = {
    "refused": {"headers": {b"content-type": JSON, b"x-secret": b"wrong-secret"}},
    "malformed": {"body": b'{"scope": "personal-text"}'},
    "unknown_site": {"site": "personal-site"},
}


@pytest.mark.holds("O8")
@pytest.mark.parametrize("reason", REFUSALS)
async def test_refusals_leave_one_line_a_minute_without_content(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture, reason: str
) -> None:
    """For each connection; one that is not known is not named, since anybody may ask for any."""
    asked = {"headers": {b"content-type": JSON, b"x-secret": b"hunter2"}, "body": GOOD, **REFUSALS[reason]}
    shop = Shop(sites={SITE, Site("test", "jones")})
    webhooks = Webhooks(shop, shop.metrics)

    async def refuse(env: str, times: int) -> None:
        for _ in range(times):
            request = Request("POST", "/", "", asked["headers"], asked["body"], keep_alive=True)
            response = await webhooks.receive(request, env, str(asked.get("site", "jones")))
            assert response.status >= 400

    known = reason != "unknown_site"
    with caplog.at_level(logging.DEBUG), structlog.testing.capture_logs() as lines:
        await refuse("live", 1000)
        await refuse("test", 1 if known else 0)
        await trio.sleep(61)
        await refuse("live", 2)
    places = ["live/jones", "test/jones", "live/jones"] if known else [None, None]
    assert [(line["event"], line["log_level"], line["reason"]) for line in lines] == [
        ("webhooks refused", "warning", reason) for _ in places
    ]
    assert [line.get("site") for line in lines] == places
    assert [line["times"] for line in lines] == ([1, 1, 1000] if known else [1, 1000])
    assert "personal" not in str(lines)
    assert "secret" not in str(lines)
    assert caplog.records == []
