"""Calls one shop's API: one method for each type of call, each through the shop's throttle.

Every unexpected answer becomes a failure of `daemon.errors`: see `daemon.platforms.woocommerce.refusal`. Each read says
that it wants JSON, also of errors, and none of the shop's cache (`_skip_cache`), which may be stale.
"""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from attrs import field, frozen
from msgspec import Raw, Struct
from msgspec.json import Decoder

from daemon.errors import Failure, Retry, Side
from daemon.model import Lane
from daemon.platforms.shared.client import StoreClient
from daemon.platforms.shared.rows import decode, with_ids
from daemon.platforms.woocommerce.refusal import is_page, refusal, unreadable
from daemon.platforms.woocommerce.settings import WooCommerceSettings
from daemon.transport.client import Observe
from daemon.transport.http import Answer, Api, Transport
from daemon.transport.throttle import LatencyPolicy, Limiter
from daemon.transport.throttle.latency import MOST_AT_ONCE

T = TypeVar("T")

API = "woocommerce"
BASE = "/wp-json/wc/v3"
TIMEOUT = 60.0
"""Seconds. A page of 100 orders takes 4 seconds on a small shop without load; a busy one is many times slower."""

RAW_LIST = Decoder(list[Raw])
RAW = Decoder(Raw)
OBJECT = Decoder(dict[str, Any])

_TOTAL = "x-wp-total"


class _Currency(Struct, frozen=True):
    code: str


_CURRENCY = Decoder(_Currency)


@frozen(kw_only=True)
class Listed:
    """One answer with a list: its rows, and the number of all matches if the server tells it."""

    rows: list[Raw] = field(repr=False)
    total: int | None


class Client(StoreClient):
    """Calls below `{store_url}/wp-json/wc/v3`."""

    narrowing = ("include",)

    def __init__(self, settings: WooCommerceSettings, transport: Transport | None, observe: Observe) -> None:
        self._secrets = settings.secrets
        pair = f"{settings.consumer_key.reveal()}:{settings.consumer_secret.reveal()}"
        headers = {"Authorization": f"Basic {b64encode(pair.encode()).decode()}", "Accept": "application/json"}
        api = Api(
            f"{settings.store_url}{BASE}",
            headers=headers,
            connections=MOST_AT_ONCE,
            timeout=TIMEOUT,
            transport=transport,
        )
        limiter = Limiter(api=API, side=Side.PLATFORM, policy=LatencyPolicy(), concurrency=MOST_AT_ONCE, reserved=1)
        super().__init__(API, api, limiter, observe)

    async def probe(self) -> None:
        """Read the shop's currency."""
        await self.currency()

    async def currency(self) -> str:
        """Return the code of the shop's currency."""
        answer = await self.get("/data/currencies/current", _CURRENCY, lane=Lane.LIVE, query={"_fields": "code"})
        return answer.code

    def refusal(self, answer: Answer, _path: str) -> Failure:
        """Return the failure that an answer (not 2xx) to a read means."""
        return refusal(answer, self._secrets)

    async def read(self, method: str, path: str, lane: Lane, query: Mapping[str, str] | None) -> Answer:
        """Make one call that changes nothing, past the shop's cache."""
        return await super().read(method, path, lane, {**(query or {}), "_skip_cache": "1"})

    async def get(self, path: str, decoder: Decoder[T], *, lane: Lane, query: Mapping[str, str] | None = None) -> T:
        """Read and decode one answer."""
        return _decoded(await self.read("GET", path, lane, query), decoder)

    async def page(self, path: str, *, lane: Lane, query: Mapping[str, str]) -> Listed:
        """Read one page of a list. Raises Retry for an empty one without a total, until `ShortAnswers` believes it."""
        answer = await self.read("GET", path, lane, query)
        counted = answer.headers.get(_TOTAL, "").strip()
        total = int(counted) if counted.isascii() and counted.isdigit() else None
        rows = _decoded(answer, RAW_LIST)
        # WooCommerce counts every list, so a cache or a gateway may have sent it; or a proxy keeps all totals back.
        is_uncounted = total is None and not with_ids(rows)
        if (is_uncounted or total is not None) and self._short_answers.about(0, path, int(is_uncounted), 0):
            raise Retry("WooCommerce's list is empty and has no total", reason="list_uncounted")
        return Listed(rows=rows, total=total)

    async def options(self, path: str, decoder: Decoder[T], *, lane: Lane) -> T:
        """Read the description of a path."""
        return _decoded(await self.read("OPTIONS", path, lane, None), decoder)

    async def write(
        self,
        method: str,
        path: str,
        *,
        lane: Lane,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Make one call that changes something; return the decoded answer."""
        content = None if body is None else msgspec.json.encode(body)
        answer = await self._api.send(method, path, lane, body=content, query=query)
        if not answer.ok:
            raise refusal(answer, self._secrets, writes=True)
        return _decoded(answer, OBJECT)


def _decoded(answer: Answer, decoder: Decoder[T]) -> T:
    if is_page(answer):
        raise unreadable(answer, ValueError("a web page"))
    try:
        return decode(answer.body, decoder)
    except (ValueError, RecursionError) as error:
        raise unreadable(answer, error) from None
