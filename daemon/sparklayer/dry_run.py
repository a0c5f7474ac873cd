"""A site for dry runs: its reads are SparkLayer's own, and its writes are noted here and never sent.

    site, writes = sparklayer.dry_run()

A write gets the answer that SparkLayer would give, as far as reads can tell: an entity that is there is a duplicate, or
is missing. Not known before a write is sent: a refusal for its content, and a SKU that another product has. The writes
of one dry run build on each other: the site shows them to later reads.
"""

import math
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, unquote

import msgspec
from attrs import define, field

from daemon.errors import Duplicate, Missing
from daemon.model import ExternalId, Kind, Lane
from daemon.sparklayer import customers, pricing, products, purchases, settings, stock, sync_log
from daemon.sparklayer.client import Client, encode_json
from daemon.sparklayer.inferred import PRODUCT_BY_EXTERNAL_ID
from daemon.sparklayer.operation import Control, Operation
from daemon.transport.http import Answer

Body = Any

MOST_SHOWN = 1000
"""Reads remembered until the write that follows them; memory must not grow with the site."""

SET_UP: Mapping[str, str] = {
    pricing.CREATE_LIST.name: "make the price list",
    pricing.UPDATE_LIST.name: "set the price list's currency or display of tax",
    stock.CREATE_LOCATION.name: "make a stock location",
}
"""Writes that prepare the site and belong to no entity, in words."""


@define(eq=False)
class DryWrites:
    """The writes of a dry run."""

    calls: Counter[str] = field(factory=Counter)
    """Number of writes by SparkLayer's name of the operation."""
    created: set[tuple[Kind, ExternalId]] = field(factory=set)
    """Entities that SparkLayer does not have."""


class DryClient(Client):
    """Reads by another client of the same site, in the backfill lane, and keeps the writes to itself."""

    def __init__(self, live: Client) -> None:  # no `super`: nothing is sent but by `live`
        self._live = live
        self.writes = DryWrites()
        self._shown: dict[str, Answer | None] = {}
        """The latest answer by path, None for a missing entity."""
        self._lists: dict[str, Body] = {}
        self._locations: list[Body] = []
        self._emails: dict[str, str | None] = {}
        """E-mail addresses of the customers written here, in lower case; None: deleted."""
        self._without_stock: set[str] = set()
        """SKUs whose stock was deleted here."""
        self._rehearsed: Mapping[str, Callable[[str, Body], Awaitable[Answer]]] = {
            products.CREATE.name: self._create_product,
            products.UPDATE.name: self._update_product,
            stock.SET.name: self._set_stock,
            stock.DELETE.name: self._delete_stock,
            stock.CREATE_LOCATION.name: self._create_location,
            pricing.CREATE_LIST.name: self._create_list,
            pricing.UPDATE_LIST.name: self._update_list,
            pricing.SET.name: _done,
            customers.PUT.name: self._put_customer,
            customers.DELETE.name: self._delete_customer,
            purchases.PUT.name: self._put_purchase,
            settings.PATCH.name: _done,
            settings.PUT.name: _done,
        }

    def expect(self, control: Control, ids: Iterable[str]) -> None:
        """Remember nothing: the entities of a dry run need not be in SparkLayer."""

    async def call(
        self, operation: Operation, path: str, lane: Lane, body: bytes | None = None, before: float = math.inf
    ) -> Answer:
        """Read from SparkLayer, or note a write. Raises as `Client.call` does."""
        del lane, before  # live work goes first, and a write leaves at no time
        if operation.method == "GET" or operation is stock.FETCH:
            return await self._read(operation, path, body)
        if operation in {sync_log.PUT, sync_log.PATCH}:
            return await _done(path, None)
        answer = await self._rehearsed[operation.name](path, msgspec.json.decode(body or b"null"))
        self.writes.calls[operation.name] += 1
        return answer

    async def _read(self, operation: Operation, path: str, body: bytes | None = None) -> Answer:
        """Read, and show what was written here."""
        slug = path.removeprefix(f"{pricing.PRICE_LISTS}/").partition("/")[0]
        if operation in {pricing.GET_LIST, pricing.READ} and slug in self._lists:
            return _json([] if operation is pricing.READ else self._lists[slug])
        if operation is customers.READ:
            return await self._read_customer(path)
        if operation is stock.FETCH:
            rows = msgspec.json.decode((await self._live.call(operation, path, Lane.BACKFILL, body)).body)
            return _json([row for row in rows if row["sku"] not in self._without_stock])
        answer = await self._show(operation, path)
        if answer is None:
            raise _missing()
        if operation is stock.LIST_LOCATIONS and self._locations:
            return _json([*msgspec.json.decode(answer.body), *self._locations])
        return answer

    async def _show(self, operation: Operation, path: str) -> Answer | None:
        """Ask SparkLayer, and remember the answer for the write that follows; None: it has no such entity."""
        try:
            answer = await self._live.call(operation, path, Lane.BACKFILL)
        except Missing:
            answer = None
        self._shown.pop(path, None)
        self._shown[path] = answer
        if len(self._shown) > MOST_SHOWN:
            del self._shown[next(iter(self._shown))]
        return answer

    async def _is_there(self, operation: Operation, path: str) -> bool:
        """Return True if SparkLayer has an entity, by the read just before or by one of now."""
        answer = self._shown.pop(path) if path in self._shown else await self._show(operation, path)
        return answer is not None

    async def _create_product(self, _path: str, body: Body) -> Answer:
        key = Kind.PRODUCTS, ExternalId(body["external_id"])
        read = PRODUCT_BY_EXTERNAL_ID.format(quote(key[1], safe=""))
        if key in self.writes.created or await self._show(products.GET, read) is not None:
            raise Duplicate("SparkLayer has the product already", reason="duplicate")
        self.writes.created.add(key)
        return _json(body)

    async def _update_product(self, path: str, body: Body) -> Answer:
        if (Kind.PRODUCTS, ExternalId(body["external_id"])) not in self.writes.created and not await self._is_there(
            products.GET, path
        ):
            raise _missing()
        return _json(body)

    async def _set_stock(self, path: str, body: Body) -> Answer:
        self._without_stock.difference_update(row["sku"] for row in body)
        return await _done(path, body)

    async def _delete_stock(self, path: str, body: Body) -> Answer:
        self._without_stock.update(body["skus"])
        return await _done(path, body)

    async def _create_list(self, _path: str, body: Body) -> Answer:
        self._lists[quote(body["slug"], safe="")] = body
        return _json(body)

    async def _update_list(self, path: str, body: Body) -> Answer:
        slug = path.removeprefix(f"{pricing.PRICE_LISTS}/")
        if slug in self._lists:
            self._lists[slug] |= body
        return _json({"slug": unquote(slug), **body})

    async def _create_location(self, _path: str, body: Body) -> Answer:
        self._locations.append({"id": "of-a-dry-run", **body})
        return _json(self._locations[-1])

    async def _read_customer(self, path: str) -> Answer:
        lookup, identifier = _lookup(path)
        if lookup == "platform":
            is_deleted = self._emails.get(identifier, "") is None
            answer = None if is_deleted else await self._show(customers.READ, path)
            if answer is None and self._emails.get(identifier):
                answer = _json({"external_id": identifier, "email": self._emails[identifier], "addresses": []})
        else:
            answer = await self._show(customers.READ, path)
            if answer is not None and self._has_left(_field(answer, "external_id"), identifier):
                answer = None
        if answer is None:
            raise _missing()
        return answer

    def _has_left(self, external_id: str, email: str) -> bool:
        """Return True if a customer of this e-mail address in SparkLayer has another one since a write here."""
        return self._emails.get(external_id, email.lower()) != email.lower()

    async def _put_customer(self, path: str, body: Body) -> Answer:
        external_id, email = str(body["external_id"]), str(body["email"]).lower()
        is_linked = _lookup(path)[0] != "platform"
        shown = self._shown.pop(path, None)
        is_new = shown is None and external_id not in self._emails and not is_linked
        if not is_linked and (shown is None or _field(shown, "email").lower() != email):
            other = await self._show(customers.READ, f"{customers.PATH}/email/{quote(body['email'], safe='')}")
            owner = None if other is None else _field(other, "external_id")
            if owner is not None and owner != external_id and not self._has_left(owner, email):
                raise Duplicate("another customer has the e-mail address", reason="duplicate")
        self._emails[external_id] = email
        if is_new:
            self.writes.created.add((Kind.CUSTOMERS, ExternalId(external_id)))
        return _json(body, HTTPStatus.CREATED if is_new else HTTPStatus.OK)

    async def _delete_customer(self, path: str, _body: Body) -> Answer:
        if not await self._is_there(customers.READ, path):
            raise _missing()
        self._emails[_lookup(path)[1]] = None
        return await _done(path, None)

    async def _put_purchase(self, path: str, body: Body) -> Answer:
        if not await self._is_there(purchases.READ, path):
            self.writes.created.add((Kind.ORDERS, ExternalId(str(body["purchase_identifiers"]["platform"]))))
        return _json(body)


async def _done(_path: str, _body: Body) -> Answer:
    return Answer(HTTPStatus.NO_CONTENT, {}, b"")


def _json(body: Body, status: HTTPStatus = HTTPStatus.OK) -> Answer:
    return Answer(status, {"content-type": "application/json"}, encode_json(body))


def _missing() -> Missing:
    return Missing("SparkLayer has no such entity", reason="http_404")


def _lookup(path: str) -> tuple[str, str]:
    lookup, _, identifier = path.removeprefix(f"{customers.PATH}/").partition("/")
    return lookup, unquote(identifier)


def _field(answer: Answer, name: str) -> str:
    return str(msgspec.json.decode(answer.body).get(name) or "")
