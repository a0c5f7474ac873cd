"""Bugs of the WooCommerce adapter that are planted to see whether the simulator finds them.

Each patches the function that decides the thing; what finds it are the checks that hold for every platform.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from unittest import mock

from msgspec import Raw

from daemon.model import Change, ExternalId, Kind
from daemon.platforms.base import Delivery
from daemon.platforms.shared.rows import read_id
from daemon.platforms.woocommerce import walk, webhooks
from daemon.platforms.woocommerce.customers.members import Membership, first_role
from daemon.platforms.woocommerce.customers.reader import CustomerReader
from daemon.platforms.woocommerce.orders import reader as orders
from daemon.platforms.woocommerce.products import reader as products
from daemon.platforms.woocommerce.reader import changed_since

DELIVERY_ID = b"x-wc-webhook-delivery-id"


def _delivery_ids_trusted() -> Any:
    """Take a delivery whose id was seen for a repetition."""
    read, seen = webhooks.WooCommerceWebhooks.read, set[bytes]()

    def once(self: Any, headers: Mapping[bytes, bytes], body: bytes) -> Delivery:
        delivery = read(self, headers, body)
        known = headers[DELIVERY_ID] in seen
        seen.add(headers[DELIVERY_ID])
        return Delivery(changes=(), scope=delivery.scope) if known else delivery

    return mock.patch.object(webhooks.WooCommerceWebhooks, "read", once)


def _first_role_trusted() -> Any:
    """Take the role that a customer's record shows for its only one."""

    async def shown(self: CustomerReader, rows: Sequence[Raw], _lane: Any) -> Membership:
        members = frozenset(read_id(raw) for raw in rows if self._roles.is_b2b(first_role(raw)))
        return Membership(members=members, refuted=frozenset())

    return mock.patch.object(CustomerReader, "_b2b", shown)


@contextlib.contextmanager
def _variation_taken_for_a_product() -> Iterator[None]:
    """Take the id of a variation for that of a product, in deliveries and in what the API returns for it."""

    def alone(kind: Kind, content: Any) -> tuple[Change, ...]:
        return () if content.id is None else (Change(kind, ExternalId(str(content.id))),)

    with (
        mock.patch.object(webhooks, "_changes", alone),
        mock.patch.object(products, "parent_of", return_value=None),
    ):
        yield


@contextlib.contextmanager
def _no_overlap_between_pages() -> Iterator[None]:
    """Begin each page where the last one has ended, whatever was trashed meanwhile."""
    with mock.patch.object(walk, "OVERLAP", 0), mock.patch.object(walk, "_joins", return_value=True):
        yield


@contextlib.contextmanager
def _zone_without_flag() -> Iterator[None]:
    """Ask for changes since a time with a zone, without the flag that has it compared with GMT."""

    def zoned(since: float) -> dict[str, str]:
        return {"modified_after": f"{changed_since(since)['modified_after']}Z"}

    with mock.patch.object(products, "changed_since", zoned), mock.patch.object(orders, "changed_since", zoned):
        yield


BUGS: Mapping[str, Callable[[], Any]] = {
    planted.__name__.strip("_").replace("_", "-"): planted
    for planted in (
        _zone_without_flag,
        _delivery_ids_trusted,
        _first_role_trusted,
        _variation_taken_for_a_product,
        _no_overlap_between_pages,
    )
}
"""By name: what returns the patch that plants each of them."""

FOUND: Mapping[str, tuple[int, str]] = {
    "zone-without-flag": (3, "not equal"),
    "delivery-ids-trusted": (2, "accepted before it was committed"),
    "first-role-trusted": (1, "in the store all the time is gone"),
    "variation-taken-for-a-product": (12, "accepted before it was committed"),
    "no-overlap-between-pages": (3, "has not seen"),
}
"""By bug: a seed that finds it, and words of the breach that it causes."""
