"""A store's orders as values: lines, consignments, shipments, and the sums over them.

Amounts are exact decimals of the order's currency with four places, as BigCommerce writes them; how they are shown
is told in `order_shapes`. What a discount does is inferred: a line's totals are price times quantity, and discounts
lower the order's total without touching its tax.
"""

from decimal import Decimal
from typing import Literal

from daemon.sandbox.record import Record, record

STATUSES = {
    0: "Incomplete",
    1: "Pending",
    2: "Shipped",
    3: "Partially Shipped",
    4: "Refunded",
    5: "Cancelled",
    6: "Declined",
    7: "Awaiting Payment",
    8: "Awaiting Pickup",
    9: "Awaiting Shipment",
    10: "Completed",
    11: "Awaiting Fulfillment",
    12: "Manual Verification Required",
    13: "Disputed",
    14: "Partially Refunded",
}
"""bigcommerce.md section 7."""

INCOMPLETE, SHIPPED, PARTLY_SHIPPED, REFUNDED, CANCELLED, DECLINED = 0, 2, 3, 4, 5, 6
AWAITING_PAYMENT, COMPLETED, AWAITING_FULFILLMENT, PARTLY_REFUNDED = 7, 10, 11, 14

NOTHING = Decimal("0.0000")

FLAT_RATE = "Flat rate"
"""Shipping method of a consignment."""

Kind = Literal["shipping", "pickup", "download"]
"""Way of a consignment to the customer."""


def amount(value: float | str | Decimal) -> Decimal:
    """Return an amount with four places."""
    return Decimal(str(value)).quantize(NOTHING)


@record(
    "",
    first_name="",
    last_name="",
    company="",
    street_1="",
    street_2="",
    city="",
    state="",
    zip="",
    country="",
    country_iso2="",
    phone="",
    email="",
)
class OrderAddress(Record):
    """Billing or shipping address of an order; its field names differ from a customer's address."""


@record("id amount")
class Discount(Record):
    """Discount of a line, over all its pieces and without tax."""


@record(
    "id consignment_id name sku quantity price_ex_tax price_inc_tax",
    product_id=0,
    variant_id=None,
    quantity_shipped=0,
    quantity_refunded=0,
    options=(),
    discounts=(),
)
class OrderedLine(Record):
    """So many pieces of one thing. A custom item has no product (0) and no variant."""

    @property
    def total_ex_tax(self) -> Decimal:
        """Price of all pieces without tax, before discounts."""
        total: Decimal = self.price_ex_tax * self.quantity
        return total

    @property
    def total_inc_tax(self) -> Decimal:
        """Price of all pieces with tax, before discounts."""
        total: Decimal = self.price_inc_tax * self.quantity
        return total


@record("id kind address", method="", cost_ex_tax=NOTHING, cost_inc_tax=NOTHING)
class Consignment(Record):
    """Lines that go the same way."""


@record("id address_id created carrier tracking_number link items")
class Shipment(Record):
    """A parcel; `items` has the pieces of each line."""


@record(
    "id customer_id status_id created modified currency billing",
    shown_in="",
    payment_method="",
    payment_status="",
    staff_notes="",
    customer_message="",
    shipped=None,
    is_deleted=False,
    lines={},
    consignments=[],
    shipments=[],
)
class Order(Record):
    """An order. Times are in seconds since the epoch; prices were shown in `shown_in`, if not in the currency paid."""

    @property
    def discount(self) -> Decimal:
        """Sum of the discounts of all lines."""
        return sum((discount.amount for line in self.lines.values() for discount in line.discounts), NOTHING)

    def sums(self, kind: Literal["ex_tax", "inc_tax"]) -> dict[str, Decimal]:
        """Return the sums of the lines, of transport, and of both less discounts: without or with tax."""
        subtotal = sum((getattr(line, f"total_{kind}") for line in self.lines.values()), NOTHING)
        shipping = sum((getattr(consignment, f"cost_{kind}") for consignment in self.consignments), NOTHING)
        return {"subtotal": subtotal, "shipping_cost": shipping, "total": subtotal - self.discount + shipping}

    def consignment(self, kind: Kind, address: OrderAddress) -> Consignment | None:
        """Return the consignment of a kind that goes to an address."""
        wanted = (kind, address)
        return next((one for one in self.consignments if (one.kind, one.address) == wanted), None)

    def to_ship(self) -> list[OrderedLine]:
        """Return the lines that parcels are made of."""
        shipped = {consignment.id for consignment in self.consignments if consignment.kind == "shipping"}
        return [line for line in self.lines.values() if line.consignment_id in shipped]
