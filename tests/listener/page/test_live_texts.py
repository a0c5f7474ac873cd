"""An open page after its live texts have come says what a page loaded now would say, or that it is out of date."""

import itertools
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

import pytest

from daemon.listener.page.views import spots
from daemon.model.operators import Operator
from tests.listener.page.browser import ANNA, BEN, open_page
from tests.listener.page.test_page import PAGE
from tests.listener.page.test_views import RUN, connection, kind

LONG_AGO = 86_400.0
"""A time whose distance from now, in words, stays the same during a test."""

REFUSED: dict[str, Any] = {"blocked": "platform: credentials", "blocked_since": LONG_AGO}
THROTTLE = {"api": "Fake", "waiting": 0, "in_flight": 0, "breaker": "closed", "held_seconds": 0.0}
STUCK = {"held_up": 1, "held_up_by": [{"id": "7", "attempts": 3, "error": "refused"}]}


def webhooks(*missing: str, trouble: str | None = None) -> dict[str, Any]:
    return {"trouble": trouble, "missing": [{"scope": scope, "why": "too many"} for scope in missing]}


STATES: Mapping[str, dict[str, Any]] = {
    "working": connection(last_webhook=LONG_AGO, webhooks=webhooks()),
    "no webhook yet": connection(webhooks=webhooks()),
    "a later webhook": connection(last_webhook=3 * LONG_AGO, webhooks=webhooks()),
    "blocked": connection(**REFUSED, webhooks=webhooks()),
    "paused": connection(state="paused", paused_since=LONG_AGO),
    "a kind blocked": connection(products=kind(**REFUSED)),
    "a kind blocked by something else": connection(products=kind(**REFUSED | {"blocked": "sparklayer: forbidden"})),
    "a webhook missing": connection(webhooks=webhooks("orders")),
    "another one missing": connection(webhooks=webhooks("products")),
    "two missing": connection(webhooks=webhooks("orders", "products")),
    "webhooks not checked": connection(webhooks=webhooks(trouble="refused")),
    "a full sync of unknown size": connection(products=kind(full_sync=RUN | {"total_hint": None, "seen": 0})),
    "a full sync of known size": connection(products=kind(full_sync=RUN)),
    "a full sync that waits": connection(products=kind(full_sync=RUN | STUCK)),
    "a refused page": connection(products=kind(full_sync=RUN, refused={"reason": "HTTP 500", "seconds": 70.0})),
    "a full sync ended": connection(products=kind(full_sync=RUN | {"finished_at": LONG_AGO, "succeeded": True})),
    "a later one failed": connection(
        products=kind(full_sync=RUN | {"id": 4, "finished_at": 2 * LONG_AGO, "succeeded": False})
    ),
    "worked on": connection(throttles=[THROTTLE]),
}

LIVE = ("working", "no webhook yet", "a later webhook", "blocked", "a webhook missing", "webhooks not checked")
"""States between which nobody has to load the page again."""


class Shown(HTMLParser):
    """A page as a list of its parts, after `texts` of the site were put in as live.js does it."""

    def __init__(self, page: str, texts: Mapping[str, str]) -> None:
        super().__init__()
        self.parts: list[object] = []
        self._texts = texts
        self._replaces = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        text = self._texts.get(values.get("data-spot") or "")
        if text is not None and tag == "progress":
            values = {name: value for name, value in values.items() if name != "hidden"}
            values |= {"value": text or "0"} | ({} if text else {"hidden": None})
        elif text is not None:
            self._replaces = True
        if text is not None and "badge" in (values.get("class") or ""):
            values["class"] = f"badge {self._texts['level']}"
        values.pop("data-shape", None)
        self.parts += [(tag, values), *([text] if self._replaces and text else [])]

    def handle_endtag(self, tag: str) -> None:
        self._replaces = False
        self.parts.append(tag)

    def handle_data(self, data: str) -> None:
        if not self._replaces:
            self.parts.append(data)


async def seen(path: str) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """Return the page of each state, and its live texts."""
    present: list[dict[str, Any]] = []

    async def status(_params: dict[str, Any], _operator: Operator) -> Any:
        return {"connections": present}

    pages = {}
    async with open_page(instead={("GET", "/admin/status"): status}) as page:
        browser = await page.operator(BEN if path == "/" else ANNA)
        for name, state in STATES.items():
            present[:] = [state]
            pages[name] = (await browser.get(path)).text
        now = page.harness.lifecycle.now()
        return pages, {name: spots(state, now) for name, state in STATES.items()}


@pytest.mark.parametrize("path", ["/", PAGE])
async def test_live_texts_make_an_open_page_that_of_now_or_it_is_out_of_date(path: str) -> None:
    pages, texts = await seen(path)
    for before, after in itertools.permutations(STATES, 2):
        assert f'data-shape="{texts[before]["shape"]}"' in pages[before] or path == "/"
        if path == "/" or texts[before]["shape"] == texts[after]["shape"]:
            assert Shown(pages[before], texts[after]).parts == Shown(pages[after], {}).parts, f"{before} -> {after}"
    assert len({texts[name]["shape"] for name in LIVE}) == 1
