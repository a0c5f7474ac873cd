"""Calls one shop's API: one method for each type of call, each through the shop's throttle.

Every unexpected answer becomes a failure of `daemon.errors`: see `daemon.platforms.woocommerce.refusal`. The keys are
sent in a header and appear nowhere else. Each read says that it wants JSON, also of errors, and none of the shop's
cache (`_skip_cache`), which may be stale.
"""

import re
from base64 import b64encode
from collections.abc import Hashable, Mapping
from functools import partial
from typing import Any, TypeVar

import msgspec
from attrs import field, frozen
from msgspec import Raw
from msgspec.json import Decoder

from daemon.errors import Retry, Side
from daemon.model import Lane
from daemon.platforms.shared.rows import decode, with_ids
from daemon.platforms.shared.short_answers import ShortAnswers
from daemon.platforms.woocommerce.refusal import SCOPE_MISSING, is_page, refusal, unreadable
from daemon.platforms.woocommerce.settings import WooCommerceSettings
from daemon.transport.client import Observe, ThrottledApi
from daemon.transport.http import Answer, Api, Transport
from daemon.transport.throttle import LatencyPolicy, Limiter, Scopes
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
_ID = re.compile(r"/\d+")


@frozen(kw_only=True)
class Listed:
    """One answer with a list: its rows, and the number of all matches if the server tells it."""

    rows: list[Raw] = field(repr=False)
    total: int | None


class Client:
    """Calls below `{store_url}/wp-json/wc/v3`."""

    def __init__(self, settings: WooCommerceSettings, transport: Transport | None, observe: Observe) -> None:
        self.limiter = Limiter(
            api=API, side=Side.PLATFORM, policy=LatencyPolicy(), concurrency=MOST_AT_ONCE, reserved=1
        )
        self._secrets = settings.secrets
        self._scopes = Scopes()
        self._short_answers = ShortAnswers()
        pair = f"{settings.consumer_key.reveal()}:{settings.consumer_secret.reveal()}"
        headers = {"Authorization": f"Basic {b64encode(pair.encode()).decode()}", "Accept": "application/json"}
        api = Api(
            f"{settings.store_url}{BASE}",
            headers=headers,
            connections=MOST_AT_ONCE,
            timeout=TIMEOUT,
            transport=transport,
        )
        self._api = ThrottledApi(API, api, self.limiter, observe)

    async def get(self, path: str, decoder: Decoder[T], *, lane: Lane, query: Mapping[str, str] | None = None) -> T:
        """Read and decode one answer."""
        return _decoded(await self._read("GET", path, lane=lane, query=query), decoder)

    async def page(self, path: str, *, lane: Lane, query: Mapping[str, str]) -> Listed:
        """Read one page of a list. Raises Retry for an empty one without a total, until `ShortAnswers` believes it."""
        answer = await self._read("GET", path, lane=lane, query=query)
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
        return _decoded(await self._read("OPTIONS", path, lane=lane, query=None), decoder)

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

    async def _read(self, method: str, path: str, *, lane: Lane, query: Mapping[str, str] | None) -> Answer:
        async with self._scopes.turn(_operation_of(path), partial(_entities_of, path, query)) as turn:
            answer = await self._api.send(method, path, lane, query={**(query or {}), "_skip_cache": "1"})
            failure = None if answer.ok else refusal(answer, self._secrets)
            failure = turn.judged(failure, forbidden=failure is not None and failure.reason == SCOPE_MISSING)
        if failure is not None:
            raise failure
        return answer

    async def aclose(self) -> None:
        """Close the connections."""
        await self._api.aclose()


def _operation_of(path: str) -> str:
    """Return the path with placeholders for its ids."""
    return _ID.sub("/{}", path)


def _entities_of(path: str, query: Mapping[str, str] | None) -> frozenset[Hashable]:
    """Return the ids in the path and the query of a call."""
    included = (query or {}).get("include", "")
    return frozenset(_ID.findall(path)) | {f"/{id_}" for id_ in included.split(",") if id_}


def _decoded(answer: Answer, decoder: Decoder[T]) -> T:
    if is_page(answer):
        raise unreadable(answer, ValueError("a web page"))
    try:
        return decode(answer.body, decoder)
    except (ValueError, RecursionError) as error:
        raise unreadable(answer, error) from None
