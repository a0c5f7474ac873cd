"""Customers with their addresses (sparklayer.md section 5).

A PUT replaces the whole customer: it clears omitted fields and deletes omitted addresses. So a customer is read
directly before it (`replaced`), and everything that the platform does not own is written back unchanged: a price
list, a group, a credit limit or an address that was entered by hand. SparkLayer's own ids and times are never written
back, nor is the balance of a payment on account, which changes with every order.

The operation that reads a customer is documented, but not its path. That it equals the path of PUT and DELETE is
inferred.
"""

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any
from urllib.parse import quote

import msgspec
from attrs import asdict, frozen

from daemon.entities import Credit, Customer
from daemon.errors import Missing
from daemon.model import AddressId, ExternalId, Lane
from daemon.sparklayer.client import Client, encode_json, without_none
from daemon.sparklayer.inferred import NET_TERMS
from daemon.sparklayer.operation import CUSTOMER as CONTROL
from daemon.sparklayer.operation import NOTHING, About, Operation

Body = dict[str, Any]

CUSTOMER = CONTROL.answers
READ = Operation(name="getCustomer", method="GET", answers=CUSTOMER, control=CONTROL, about=About.PATH)
PUT = Operation(
    name="upsertCustomer",
    method="PUT",
    answers=CUSTOMER,
    creating=True,
    conflicting=True,
    control=CONTROL,
    about=About.PATH,
)
DELETE = Operation(name="deleteCustomer", method="DELETE", answers=NOTHING, control=CONTROL, about=About.PATH)
PATH = "/api/v2/customers"

BASE_GROUP = "base"
"""The group that every site has, for new customers."""

AGENT_ROLES = frozenset({"sales-agent", "sales-admin"})
PARENT = "parent_customer_id"
CREDIT = "payment_on_account"
BALANCE = "balance"
NOT_CARRIED = frozenset({"id", "legacy_id", "created_at", "updated_at", "addresses", CREDIT})
DEFAULT_ADDRESSES = ("default_billing_address_id", "default_shipping_address_id")
SHIPPING_ADDRESSES = "available_shipping_addresses"


@frozen(kw_only=True)
class CustomerWrite:
    """A write of a customer. `email` may be a placeholder.

    `gone` holds the names (see `sent`) that the last write had and this customer lacks: this write leaves them out.
    `vanished` are addresses of the last write that the customer no longer has.
    """

    customer: Customer
    email: str
    gone: AbstractSet[str] = frozenset()
    vanished: frozenset[AddressId] = frozenset()


class Customers:
    """Reads and writes customers of one site, by the platform's id or by e-mail address."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def read(self, external_id: ExternalId, lane: Lane) -> Body | None:
        """Return a customer, or None if there is none. Raises Retry for another or an incomplete customer."""
        return await self._read("platform", external_id, lane, lambda held: held.external_id == external_id)

    async def read_by_email(self, email: str, lane: Lane) -> Body | None:
        """Return the customer with an e-mail address (in any case), or None. Raises as `read` does."""
        return await self._read("email", email, lane, lambda held: (held.email or "").lower() == email.lower())

    async def put(self, external_id: ExternalId, body: Body, lane: Lane, before: float) -> bool:
        """Create or replace a customer `before` a time of trio's clock, in one attempt; return True if it was created.

        Raises Duplicate if another customer has its e-mail address, or the external id of one of its addresses.
        """
        answer = await self._client.call(PUT, _path("platform", external_id), lane, encode_json(body), before)
        return answer.status == 201  # noqa: PLR2004  documented: 200 is a replacement

    async def put_by_email(self, email: str, body: Body, lane: Lane, before: float) -> None:
        """Replace the customer with an e-mail address, and link it to the external id in `body`. Else as `put`."""
        await self._client.call(PUT, _path("email", email), lane, encode_json(body), before)

    async def delete(self, external_id: ExternalId, lane: Lane) -> None:
        """Delete a customer. Raises Missing if there is none."""
        await self._client.call(DELETE, _path("platform", external_id), lane)

    async def _read(
        self, lookup: str, identifier: str, lane: Lane, is_it: Callable[["_HeldCustomer"], bool]
    ) -> Body | None:
        def is_asked_for(held: _HeldCustomer) -> bool:
            return is_it(held) and held.addresses is not None

        try:
            return await self._client.read_whole(READ, _path(lookup, identifier), lane, _HeldCustomer, is_asked_for)
        except Missing:
            return None


class _HeldAddress(msgspec.Struct):
    id: str | None = None
    external_id: str | None = None


class _HeldCustomer(msgspec.Struct):
    """The types that a customer's fields in SparkLayer must have, so that they can be written back."""

    email: str | None = None
    external_id: str | None = None
    role: str | None = None
    addresses: list[_HeldAddress] | None = None
    default_billing_address_id: str | None = None
    default_shipping_address_id: str | None = None
    available_shipping_addresses: list[str] | None = None
    payment_on_account: Body | None = None


def sent(customer: Customer) -> frozenset[str]:
    """Return the names of the optional fields in a write of `customer`; a credit's as `payment_on_account.balance`."""
    own = _optional(customer)
    return frozenset(own) | {f"{CREDIT}.{name}" for name in _credit(customer.payment_on_account)}


def still_sent(customer: Customer, before: Iterable[str]) -> frozenset[str]:
    """Return the names of the fields that SparkLayer may have from us after a write of `customer`.

    Those in `before`, of an earlier write, are still there if the platform's value cannot be read.
    """
    return sent(customer).union(name for name in before if name.partition(".")[0] in customer.unreadable)


def is_agent(held: Mapping[str, Any]) -> bool:
    """Return True for a sales agent's account, which is never linked, written or deleted. Pure."""
    return held.get("role") in AGENT_ROLES


def merged(write: CustomerWrite, held: Mapping[str, Any] | None) -> Body:
    """Return the body to write, given the customer in SparkLayer (None if there is none). Pure."""
    customer, before = write.customer, without_none(held or {})
    kept = {name: value for name, value in before.items() if name not in NOT_CARRIED | write.gone}
    addresses = _addresses(write, before.get("addresses") or [])
    credit = _carried_credit(write, before.get(CREDIT) or {}) | _credit(customer.payment_on_account)
    return {
        "group": BASE_GROUP,
        **_with_known_addresses(kept, addresses),
        "external_id": customer.external_id,
        "email": write.email,
        "first_name": customer.first_name,
        "last_name": customer.last_name,
        "company_name": customer.company_name,
        **_optional(customer),
        **({CREDIT: credit} if credit else {}),
        "addresses": addresses,
    }


def _optional(customer: Customer) -> Body:
    fields = {
        "group": customer.group,
        "accounting_id": customer.accounting_id,
        "sales_agent_groups": customer.sales_agent_groups,
        "price_lists": customer.price_lists,
        "discount_percentage": customer.discount_percentage,
        PARENT: customer.parent,
    }
    return {name: value for name, value in fields.items() if value is not None and value != ()}


def _credit(credit: Credit | None) -> Body:
    if credit is None:
        return {}
    fields = {
        "credit_limit": credit.limit,
        BALANCE: credit.balance,
        "currency_code": credit.currency,
        NET_TERMS: credit.net_terms,
    }
    return without_none(fields)


def _carried_credit(write: CustomerWrite, held: Mapping[str, Any]) -> Body:
    # SparkLayer changes the balance with each order: writing the old one back would undo an order placed meanwhile.
    return {
        name: value
        for name, value in held.items()
        if name != BALANCE and value is not None and f"{CREDIT}.{name}" not in write.gone
    }


def _addresses(write: CustomerWrite, held: list[Body]) -> list[Body]:
    """Return the platform's addresses, followed by the addresses that it never had."""
    known = {address.get("external_id"): address for address in held}
    own = [
        {**without_none(known.get(key, {})), "external_id": key, **asdict(address)}
        for key, address in write.customer.addresses.items()
    ]
    ours = write.customer.addresses.keys() | write.vanished
    return [*own, *(without_none(address) for address in held if address.get("external_id") not in ours)]


def _with_known_addresses(kept: Body, addresses: list[Body]) -> Body:
    """Return `kept` without references to deleted addresses."""
    ids = {address.get(name) for address in addresses for name in ("id", "external_id")} - {None}
    result = {name: value for name, value in kept.items() if name not in DEFAULT_ADDRESSES or value in ids}
    if SHIPPING_ADDRESSES in result:
        result[SHIPPING_ADDRESSES] = [one for one in result[SHIPPING_ADDRESSES] if one in ids]
    return result


def _path(lookup: str, identifier: str) -> str:
    return f"{PATH}/{lookup}/{quote(identifier, safe='')}"
