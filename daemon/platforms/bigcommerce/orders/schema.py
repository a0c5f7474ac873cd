"""An order as the v2 API returns it: only the fields that we use. Amounts are text there, and exact here."""

from collections.abc import Sequence
from decimal import Decimal

import msgspec
from msgspec import Raw, Struct, structs
from msgspec.json import Decoder

from daemon.platforms.shared.rows import Shape, decode

Amount = Decimal | None


class OptionValue(Struct, frozen=True):
    """One option of a line, such as Colour: Red."""

    display_name: str | None = None
    display_value: str | None = None


class Discount(Struct, frozen=True):
    """A discount of a line."""

    amount: Decimal


class OrderLine(Struct, frozen=True):
    """A line of an order; a custom item has no variant and no SKU. Prices are for one piece, totals for all.

    The totals are in the API reference of v2 orders; the contract names only prices.
    """

    id: int
    quantity: int
    name: str | None = None
    sku: str | None = None
    product_id: int | None = None
    order_id: int | None = None
    order_address_id: int | None = None
    quantity_shipped: int | None = None
    quantity_refunded: int | None = None
    price_ex_tax: Amount = None
    price_inc_tax: Amount = None
    total_ex_tax: Amount = None
    total_inc_tax: Amount = None
    product_options: list[OptionValue] = []
    applied_discounts: list[Discount] = []


class Address(Struct, frozen=True):
    """A shipping or billing address (the names of its fields are inferred)."""

    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    street_1: str | None = None
    street_2: str | None = None
    city: str | None = None
    state: str | None = None
    zip: str | None = None
    country_iso2: str | None = None
    phone: str | None = None


class Consignment(Address, frozen=True):
    """A part of an order with one destination. Incomplete with a `warning`, or without `line_items`."""

    id: int | None = None
    line_items: list[OrderLine] | None = None
    shipping_method: str | None = None
    warning: object = msgspec.field(name="__warning__", default=None)

    @property
    def lines(self) -> list[OrderLine]:
        """The listed lines."""
        return self.line_items or []


class Consignments(Struct, frozen=True):
    """The parts of an order by delivery method; empty if the answer has only a link to them."""

    shipping: list[Consignment] = []
    pickups: list[Consignment] = []
    downloads: list[Consignment] = []

    @property
    def all(self) -> list[Consignment]:
        """All parts."""
        return [*self.shipping, *self.pickups, *self.downloads]

    @property
    def is_whole(self) -> bool:
        """True if all lines are listed."""
        return bool(self.all) and not any(part.warning or part.line_items is None for part in self.all)

    def holding(self, lines: Sequence[OrderLine]) -> "Consignments":
        """Return the same parts with `lines` assigned to them: by their ids, else to the first part."""
        kinds = {name: list(getattr(self, name)) for name in ("shipping", "pickups", "downloads")}
        if not self.all:
            kinds["shipping"] = [Consignment()]
        first = next(part for parts in kinds.values() for part in parts)
        named = {part.id for parts in kinds.values() for part in parts}

        def dealt(part: Consignment) -> Consignment:
            theirs = [line for line in lines if line.order_address_id == part.id and part.id is not None]
            strays = [line for line in lines if line.order_address_id not in named] if part is first else []
            return structs.replace(part, line_items=[*theirs, *strays], warning=None)

        return Consignments(**{name: [dealt(part) for part in parts] for name, parts in kinds.items()})


class Order(Struct, frozen=True, kw_only=True):
    """An order with its lines. Dates are RFC 2822; the mapping reports missing and invalid ones.

    Fields of every answer are required: an order without `items_shipped` must not be read as one without shipments.

    The order is paid in `default_currency_code`; `currency_code` is the displayed currency. This, and the costs of
    shipping, handling and wrapping, are from the API reference of v2 orders.
    """

    id: int
    status_id: int
    date_created: str | None = None
    date_modified: str | None = None
    customer_id: int | None
    default_currency_code: str | None = None
    total_inc_tax: Amount = None
    total_tax: Amount = None
    shipping_cost_ex_tax: Amount = None
    shipping_cost_inc_tax: Amount = None
    handling_cost_ex_tax: Amount = None
    handling_cost_inc_tax: Amount = None
    wrapping_cost_ex_tax: Amount = None
    wrapping_cost_inc_tax: Amount = None
    payment_status: str | None = None
    items_total: int
    items_shipped: int
    is_deleted: bool
    billing_address: Address | None = None
    consignments: Consignments | None

    @property
    def parts(self) -> Consignments:
        """The consignments, if included."""
        return self.consignments or Consignments()


class ShippedItem(Struct, frozen=True):
    """Pieces of a line in a shipment."""

    order_product_id: int
    quantity: int


class Shipment(Struct, frozen=True):
    """A shipment with its contents."""

    id: int
    items: list[ShippedItem]
    order_id: int | None = None
    tracking_number: str | None = None
    tracking_carrier: str | None = None
    tracking_link: str | None = None
    generated_tracking_link: str | None = None
    shipping_provider: str | None = None
    shipping_method: str | None = None


class _Notes(Struct, frozen=True):
    staff_notes: object = None


LINES = Shape(OrderLine, strict=False)
SHIPMENTS = Shape(Shipment)

ORDERS = Shape(Order, strict=False)

_NOTES = Decoder(_Notes)


def read_notes(raw: Raw) -> str:
    """Return the staff notes of an order with an id; "" if they are not text."""
    notes = decode(raw, _NOTES).staff_notes
    return notes if isinstance(notes, str) else ""
