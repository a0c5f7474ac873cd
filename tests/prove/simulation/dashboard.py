"""People at work in SparkLayer's Dashboard and storefront: what they enter there is not the daemon's to change.

    dashboard.edit()                   # one customer gets another price list, credit, address, ...
    dashboard.place(cart)              # an order waits for the platform's confirmation
    dashboard.lost()                   # what the daemon took away, as lines
    dashboard.without_edits(customers) # what the site holds, less what was entered by hand

A customer is edited only while the daemon does not work on it: an edit between its GET and its PUT is lost, and the
docs say so. The balance of an account is the exception. The daemon never has a reason to send it, so it changes at any
time.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from attrs import define, field

from daemon.sandbox.message import Response
from daemon.sandbox.sparklayer.api import State
from daemon.sandbox.sparklayer.record import Record
from tests.prove.simulation.faults import SITE
from tests.prove.simulation.network import Call

CREDIT = "payment_on_account"
NICKNAME = "By hand"
BUYING = 0.5
"""The share of reads of a customer during which it buys something on account."""


@define(eq=False)
class Dashboard:
    """Edits the site, and remembers what was entered."""

    state: State
    chance: random.Random
    busy: Callable[[str, str], bool]
    """Tells if the daemon works on an entity, by its kind and id."""
    _entered: dict[str, dict[str, Any]] = field(factory=dict)
    """Fields by the customer's own id in SparkLayer."""
    _placed: dict[str, Record] = field(factory=dict)
    _edits: int = 0

    def edit(self) -> str | None:
        """Edit a customer; return what was edited, None when nobody can be edited now."""
        ours = [customer for customer in self.state.customers.customers.values() if customer.external_id]
        if not ours:
            return None
        customer = self.chance.choice(ours)
        entered = self._entered.get(customer.id, {})
        self._edits += 1
        if self.busy("customers", str(customer.external_id)):
            return None
        name, value = self.chance.choice(self._values())
        self._entered[customer.id] = {**entered, name: value}
        self._store(customer, {name: value})
        return name

    def sent(self, call: Call) -> None:
        """Nothing has happened yet."""

    def answered(self, call: Call, response: Response) -> None:
        """All has happened already."""

    def over(self, call: Call) -> None:
        """All has happened already."""

    def done(self, call: Call, response: Response) -> None:
        """Change the balance of a customer that was read just now: it buys something at this very moment."""
        if call.side != SITE or call.request.method != "GET" or "/customers/" not in call.request.path:
            return
        found = msgspec.json.decode(response.body) if response.status == HTTPStatus.OK else {}
        entered = self._entered.get(found.get("id", ""), {})
        if CREDIT in entered and self.chance.random() < BUYING:
            self._edits += 1
            entered[CREDIT] = {**entered[CREDIT], "balance": self._edits}
            self._store(self.state.customers.customers[found["id"]], {CREDIT: entered[CREDIT]})

    def place(self, cart: str) -> None:
        """Place an order in the storefront."""
        self._edits += 1
        self.state.purchases.place(cart, reference=f"PO-{self._edits}")
        placed = self.state.purchases.find("sparklayer", cart)
        assert placed is not None  # it was placed just now
        self._placed[cart] = placed

    def lost(self) -> Iterator[str]:
        """Tell what was entered and is not there any more, though its customer or order is."""
        for own_id, entered in self._entered.items():
            customer = self.state.customers.customers.get(own_id)
            for name, value in entered.items() if customer is not None else ():
                if (held := _held(customer, name)) != value:
                    yield f"customer {own_id}'s {name}, {value} by hand, is {held}"
        for cart, before in self._placed.items():
            now = self.state.purchases.find("sparklayer", cart)
            if now is None or any(getattr(now, name) != getattr(before, name) for name in _SPARKLAYERS):
                yield f"order {cart} lost something of {', '.join(_SPARKLAYERS)}"

    def without_edits(self, customers: Mapping[str, Any]) -> dict[str, Any]:
        """Return comparable customers without what was entered by hand."""
        entered = {
            str(customer.external_id): self._entered.get(customer.id, {})
            for customer in self.state.customers.customers.values()
        }
        return {key: _less(customer, entered.get(key, {})) for key, customer in customers.items()}

    def _values(self) -> list[tuple[str, Any]]:
        word = f"by-hand-{self._edits}"
        return [
            ("price_lists", [word]),
            ("sales_agent_groups", [word]),
            ("discount_percentage", self._edits % 90 + 1),
            ("tax_exempt", True),
            (CREDIT, {"credit_limit": 500, "balance": self._edits, "net_terms": 14}),
            ("addresses", word),
        ]

    def _store(self, customer: Record, fields: Mapping[str, Any]) -> None:
        """Write fields as the Dashboard does: all others stay."""
        if street := fields.get("addresses"):
            kept = [address for address in customer.addresses if address.nickname != NICKNAME]
            by_hand = {"address_line1": street, "city": "Leeds", "country_code": "GB", "nickname": NICKNAME}
            fields = {**fields, "addresses": [*kept, by_hand]}
        self.state.customers.edit(customer.id, **fields)


_SPARKLAYERS = ("customer_identifiers", "payment_method", "customer_reference", "custom_fields", "metadata")
"""Fields of a purchase that the platform never sends."""


def _held(customer: Record | None, name: str) -> Any:
    if customer is None:
        return None
    if name == "addresses":
        return next((address.address_line1 for address in customer.addresses if address.nickname == NICKNAME), None)
    value = getattr(customer, name)
    if name != CREDIT:
        return value
    return {part: value.get(part) for part in ("credit_limit", "balance", "net_terms")} if value else None


def _less(customer: Mapping[str, Any], entered: Mapping[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in customer.items() if name not in entered or name == "addresses"}
    addresses = {key: address for key, address in customer["addresses"].items() if address.get("nickname") != NICKNAME}
    return {**rest, "addresses": addresses}
