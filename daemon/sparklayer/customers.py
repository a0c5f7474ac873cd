"""Customers with their addresses (sparklayer.md section 5).

Every write lists all addresses, so that it is right whether SparkLayer's PATCH merges `addresses` or replaces them;
those that vanished are deleted one by one besides. An optional field is left out while nobody has ever sent it, and
sent as explicitly empty once it was: what leaving it out of a PATCH means is not documented.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec
from attrs import asdict, frozen

from daemon.model import Address, AddressId, Credit, Customer, ExternalId, Lane
from daemon.sparklayer.client import Client, encode_json
from daemon.sparklayer.failures import Operation
from daemon.sparklayer.inferred import ADDRESSES, CLEARED_FIELDS, CLEARED_OF_CREDIT, CUSTOMERS, NET_TERMS
from daemon.sparklayer.own_words import NOTHING, many_with, one_with

CUSTOMER = one_with("id", "external_id", "email")
CREATE = Operation(name="createCustomer", method="POST", answers=CUSTOMER, keyed=True)
UPDATE = Operation(name="updateCustomer", method="PATCH", answers=CUSTOMER, keyed=True, concurrent=True)
DELETE = Operation(name="deleteCustomer", method="DELETE", answers=NOTHING)
LIST_ADDRESSES = Operation(name="listCustomerAddresses", method="GET", answers=many_with("id", "external_id"))
DELETE_ADDRESS = Operation(name="deleteCustomerAddress", method="DELETE", answers=NOTHING)

OPTIONAL = frozenset(CLEARED_FIELDS)
"""The fields that a customer may lack."""

CREDIT = "payment_on_account"
CREDIT_PARTS = {f"{CREDIT}.{name}": name for name in CLEARED_OF_CREDIT}

CLEARABLE = OPTIONAL | CREDIT_PARTS.keys()
"""Everything of a customer that SparkLayer may hold and must be told when it is gone."""


@frozen(kw_only=True)
class CustomerWrite:
    """What is sent of a customer. `email` may be a placeholder; `cleared` has names as of `sent`, to be sent empty."""

    customer: Customer
    email: str
    cleared: frozenset[str] = frozenset()


class Customers:
    """Writes customers of one site."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def create(self, write: CustomerWrite, lane: Lane) -> None:
        """POST a customer. Raises Duplicate when its external id, its e-mail or an address's id is taken."""
        await self._client.call(CREATE, CUSTOMERS, lane, encode_json(body(write)))

    async def update(self, write: CustomerWrite, lane: Lane) -> None:
        """PATCH a customer by its external id. Raises Missing when there is none, Duplicate as `create`."""
        await self._client.call(UPDATE, _path(write.customer.external_id), lane, encode_json(body(write)))

    async def delete(self, external_id: ExternalId, lane: Lane) -> None:
        """Delete a customer. Raises Missing when there is none."""
        await self._client.call(DELETE, _path(external_id), lane)

    async def delete_address(self, external_id: ExternalId, address: AddressId, lane: Lane) -> None:
        """Delete an address of a customer. Raises Missing when there is none."""
        path = f"{_path(external_id)}{ADDRESSES}/{quote(address, safe='')}"
        await self._client.call(DELETE_ADDRESS, path, lane)

    async def addresses_of(self, external_id: ExternalId, lane: Lane) -> list[AddressId]:
        """Read the external ids of the addresses that SparkLayer holds of a customer. Raises Missing."""
        path = f"{_path(external_id)}{ADDRESSES}"
        held = await self._client.read(LIST_ADDRESSES, path, lane, list[_Address])
        return [AddressId(address.external_id) for address in held if address.external_id]


class _Address(msgspec.Struct):
    external_id: str | None = None


def sent(customer: Customer) -> frozenset[str]:
    """Return which optional fields a write of `customer` contains, and parts of them: `payment_on_account.balance`."""
    optional = _optional(customer)
    return frozenset(optional) | {part for part, name in CREDIT_PARTS.items() if name in optional.get(CREDIT, ())}


def body(write: CustomerWrite) -> dict[str, Any]:
    """Return what is sent of a customer. Pure."""
    customer = write.customer
    content = {
        "external_id": customer.external_id,
        "email": write.email,
        "first_name": customer.first_name,
        "last_name": customer.last_name,
        "company_name": customer.company_name,
        "group": customer.group,
        "addresses": [_address(key, address) for key, address in customer.addresses.items()],
        **{name: CLEARED_FIELDS[name] for name in sorted(write.cleared & OPTIONAL)},
        **_optional(customer),
    }
    gone = {name: CLEARED_OF_CREDIT[name] for part, name in CREDIT_PARTS.items() if part in write.cleared}
    return content | {CREDIT: gone | content[CREDIT]} if gone else content


def _optional(customer: Customer) -> Mapping[str, Any]:
    fields = {
        "accounting_id": customer.accounting_id,
        "sales_agent_groups": customer.sales_agent_groups,
        "price_lists": customer.price_lists,
        "discount_percentage": customer.discount_percentage,
        CREDIT: _credit(customer.payment_on_account) if customer.payment_on_account else None,
        "parent_customer_id": customer.parent,
    }
    return {name: value for name, value in fields.items() if value is not None and value != ()}


def _credit(credit: Credit) -> dict[str, Any]:
    fields = {
        "credit_limit": credit.limit,
        "balance": credit.balance,
        "currency_code": credit.currency,
        NET_TERMS: credit.net_terms,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _address(key: AddressId, address: Address) -> dict[str, Any]:
    return {"external_id": key, **asdict(address)}


def _path(external_id: ExternalId) -> str:
    return f"{CUSTOMERS}/{quote(external_id, safe='')}"
