"""A store's orders with their lines, consignments and shipments, the sums over them, and every edit of them.

An order keeps what its lines were called and cost when it was placed; what becomes of the product changes nothing.
A cart id is kept as an order metafield, as SparkLayer's checkout is taken to do (inferred). Shipping and refunding
move the status as the control panel does. Amounts are exact decimals of the order's currency with four places, as
BigCommerce writes them. What a discount does is inferred: a line's totals are price times quantity, and discounts
lower the order's total without touching its tax.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import count
from typing import Any, Literal

from msgspec import structs

from daemon.sandbox.bigcommerce import events
from daemon.sandbox.bigcommerce.catalogue import Catalogue
from daemon.sandbox.bigcommerce.customer_book import Address, CustomerBook
from daemon.sandbox.bigcommerce.events import Event
from daemon.sandbox.bigcommerce.metafield_book import MetafieldBook
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


Taxed = Literal["ex_tax", "inc_tax"]
"""Without or with tax."""


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

    def total(self, kind: Taxed) -> Decimal:
        """Return the price of all pieces, before discounts."""
        return Decimal(getattr(self, f"price_{kind}") * self.quantity)


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

    def sums(self, kind: Taxed) -> dict[str, Decimal]:
        """Return the sums of the lines, of transport, and of both less discounts: without or with tax."""
        subtotal = sum((line.total(kind) for line in self.lines.values()), NOTHING)
        shipping = sum((getattr(consignment, f"cost_{kind}") for consignment in self.consignments), NOTHING)
        return {"subtotal": subtotal, "shipping_cost": shipping, "total": subtotal - self.discount + shipping}


FIRST = 101
"""The number of a store's first order."""

CART_KEY = "cart_id"


class OrderBook:
    """The orders of one store, by id."""

    def __init__(self, catalogue: Catalogue, customers: CustomerBook, metafields: MetafieldBook) -> None:
        self._catalogue, self._customers, self._metafields = catalogue, customers, metafields
        self.orders: dict[int, Order] = {}
        self._ids = {"order": count(FIRST), "line": count(1), "consignment": count(1), "shipment": count(1)}

    def get(self, order_id: int) -> Order:
        """Return an order. Raises KeyError."""
        return self.orders[order_id]

    def cart_id(self, order_id: int) -> str | None:
        """Return the cart id that the order's metafield has."""
        return self._metafields.texts("order", order_id).get(CART_KEY)

    def place(
        self,
        customer_id: int,
        lines: Sequence[Mapping[str, Any]],
        *,
        cart_id: str | None = None,
        staff_notes: str = "",
        currency: str | None = None,
        shown_in: str = "",
        payment_status: str = "",
        status_id: int = AWAITING_FULFILLMENT,
        tax_rate: float | str = 0,
        shipping: float | str = 0,
        payment_method: str = "Purchase order",
        silent: bool = False,
    ) -> int:
        """Place an order and return its id; customer 0 is a guest.

        Each of `lines` names a `sku` or `variant_id` of the catalogue, or is a custom item with a `name` (and `sku`);
        it may have `quantity`, `price`, `discount`, `options`, `to` (`shipping`, `pickup` or `download`), and `city`:
        where it goes, if not to the billing address. It is paid in `currency`; prices were shown in `shown_in`.
        `tax_rate` is a share such as 0.2; `shipping` is what transport costs, entered like the prices.
        """
        now, order_id = self._catalogue.now(), next(self._ids["order"])
        order = Order(
            id=order_id,
            customer_id=customer_id,
            status_id=status_id,
            created=now,
            modified=now,
            currency=currency or self._catalogue.currency,
            billing=self._address(customer_id),
            shown_in=shown_in,
            payment_method=payment_method,
            payment_status=payment_status,
            staff_notes=staff_notes,
        )
        for line in lines:
            self._add_line(order, shipping=shipping, tax_rate=tax_rate, **line)
        self.orders[order_id] = order
        self._catalogue.announce(events.order("created", order_id), silent=silent)
        if cart_id is not None:
            self._metafields.set("order", order_id, CART_KEY, cart_id, silent=silent)
        return order_id

    def add_line(self, order_id: int, *, tax_rate: float | str = 0, silent: bool = False, **line: Any) -> int:
        """Add a line, fields as in `place`, and return its id."""
        line_id = self._add_line(self.orders[order_id], shipping=0, tax_rate=tax_rate, **line)
        self._touch(order_id, silent=silent)
        return line_id

    def set_quantity(self, order_id: int, line_id: int, quantity: int, *, silent: bool = False) -> None:
        """Change how many pieces a line has; none takes the line away."""
        lines = self.orders[order_id].lines
        if quantity:
            lines[line_id].quantity = quantity
        else:
            del lines[line_id]
        self._touch(order_id, silent=silent)

    def set_staff_notes(self, order_id: int, notes: str, *, silent: bool = False) -> None:
        """Write what only the staff sees."""
        self.orders[order_id].staff_notes = notes
        self._touch(order_id, silent=silent)

    def set_status(self, order_id: int, status_id: int, *, silent: bool = False) -> None:
        """Give an order another of `STATUSES`."""
        self._touch(order_id, status_id=status_id, silent=silent)

    def cancel(self, order_id: int, *, silent: bool = False) -> None:
        """Cancel an order."""
        self.set_status(order_id, CANCELLED, silent=silent)

    def archive(self, order_id: int, *, silent: bool = False) -> None:
        """Archive an order: no list shows it unless asked for, but its own address does."""
        self.orders[order_id].is_deleted = True
        self._touch(order_id, events.order("archived", order_id), silent=silent)

    def ship(
        self,
        order_id: int,
        items: Mapping[int, int] | None = None,
        *,
        carrier: str = "",
        tracking_number: str = "",
        link: str = "",
        silent: bool = False,
    ) -> int:
        """Send a parcel and return its id; `items` has the pieces by line id, by default all left for one place."""
        order = self.orders[order_id]
        wanted = {int(line_id): parts_of for line_id, parts_of in (items or {}).items()} or _left(order)
        parcel = tuple((order.lines[line_id], parts_of) for line_id, parts_of in wanted.items())
        if not items:
            parcel = tuple(one for one in parcel if one[0].consignment_id == parcel[0][0].consignment_id)
        if not parcel or any(parts_of > line.quantity - line.quantity_shipped for line, parts_of in parcel):
            raise ValueError("there are not so many pieces left to ship")
        for line, parts_of in parcel:
            line.quantity_shipped += parts_of
        shipment = Shipment(
            id=next(self._ids["shipment"]),
            address_id=parcel[0][0].consignment_id,
            created=self._catalogue.now(),
            carrier=carrier,
            tracking_number=tracking_number,
            link=link,
            items=parcel,
        )
        order.shipments.append(shipment)
        done = not _left(order)
        order.shipped = shipment.created if done else None
        told = Event("store/shipment/created", {"type": "shipment", "id": shipment.id, "orderId": order_id})
        self._touch(order_id, told, status_id=SHIPPED if done else PARTLY_SHIPPED, silent=silent)
        return int(shipment.id)

    def refund(self, order_id: int, line_id: int, quantity: int, *, silent: bool = False) -> None:
        """Refund pieces of a line."""
        order = self.orders[order_id]
        line = order.lines[line_id]
        if not 0 < quantity <= line.quantity - line.quantity_refunded:
            raise ValueError("there are not so many pieces left to refund")
        line.quantity_refunded += quantity
        whole = all(line.quantity == line.quantity_refunded for line in order.lines.values())
        if order.payment_status:
            order.payment_status = "refunded" if whole else "partially refunded"
        told = events.order("refund/created", order_id)
        self._touch(order_id, told, status_id=REFUNDED if whole else PARTLY_REFUNDED, silent=silent)

    def _touch(self, order_id: int, *announced: Event, status_id: int | None = None, silent: bool) -> None:
        """Date an edit and announce it: what it is, that the order was updated, and its new status if it has one."""
        order = self.orders[order_id]
        if status_id is not None and status_id not in STATUSES:
            raise ValueError(f"no such status; there are {STATUSES}")
        if self._catalogue.stamping:
            order.modified = self._catalogue.now()
        told = [*announced, events.order("updated", order_id)]
        if status_id is not None and status_id != order.status_id:
            status = {"previous_status_id": order.status_id, "new_status_id": status_id}
            told.append(events.order("statusUpdated", order_id, status=status))
            order.status_id = status_id
        self._catalogue.announce(*told, silent=silent)

    def _add_line(
        self,
        order: Order,
        *,
        shipping: float | str,
        tax_rate: float | str,
        sku: str = "",
        variant_id: int | None = None,
        name: str = "",
        quantity: int = 1,
        price: float | str | None = None,
        discount: float | str = 0,
        options: Mapping[str, str] | None = None,
        to: Kind = "shipping",
        city: str = "",
    ) -> int:
        custom: dict[str, Any] = {"name": name, "sku": sku, "price": 0}
        known = custom if name else self._known(sku, variant_id)
        listed = known.pop("price")
        ex_tax, inc_tax = self._taxed(listed if price is None else price, tax_rate)
        line = OrderedLine(
            id=next(self._ids["line"]),
            consignment_id=self._consignment(order, to, city, self._taxed(shipping, tax_rate)).id,
            quantity=quantity,
            price_ex_tax=ex_tax,
            price_inc_tax=inc_tax,
            discounts=(Discount("coupon", amount(discount)),) if discount else (),
            **known,
        )
        line.options = line.options if options is None else tuple(options.items())
        order.lines[line.id] = line
        return int(line.id)

    def _known(self, sku: str, variant_id: int | None) -> dict[str, Any]:
        """Return what a line takes from the catalogue."""
        variant = self._catalogue.by_sku(sku) if variant_id is None else self._catalogue.variant(variant_id)
        return {
            "name": self._catalogue.entry(variant.product_id).product.name,
            "sku": variant.sku,
            "price": variant.calculated_price,
            "product_id": variant.product_id,
            "variant_id": variant.id,
            "options": tuple((value.option_display_name, value.label) for value in variant.option_values),
        }

    def _consignment(self, order: Order, kind: Kind, city: str, costs: tuple[Decimal, Decimal]) -> Consignment:
        address = structs.replace(order.billing, city=city) if city else order.billing
        same: list[Consignment] = [one for one in order.consignments if (one.kind, one.address) == (kind, address)]
        if same:
            return same[0]
        made = Consignment(id=next(self._ids["consignment"]), kind=kind, address=address)
        if kind == "shipping":
            made = structs.replace(made, method=FLAT_RATE, cost_ex_tax=costs[0], cost_inc_tax=costs[1])
        order.consignments.append(made)
        return made

    def _taxed(self, entered: float | str, rate: float | str) -> tuple[Decimal, Decimal]:
        """Return a price without and with tax."""
        factor = 1 + Decimal(str(rate))
        price = amount(entered)
        return (amount(price / factor), price) if self._catalogue.tax_inclusive else (price, amount(price * factor))

    def _address(self, customer_id: int) -> OrderAddress:
        person = self._customers.people.get(customer_id)
        if person is None:
            return OrderAddress(email="guest@example.com")
        customer = person.customer
        address = next(iter(person.addresses.values()), Address(0, customer_id))
        return OrderAddress(
            first_name=address.first_name or customer.first_name,
            last_name=address.last_name or customer.last_name,
            company=address.company or customer.company,
            street_1=address.address1,
            street_2=address.address2,
            city=address.city,
            state=address.state_or_province,
            zip=address.postal_code,
            country=address.country,
            country_iso2=address.country_code,
            phone=address.phone,
            email=customer.email,
        )


def _left(order: Order) -> dict[int, int]:
    """Return the pieces of an order that no parcel has had, by line id."""
    shipped = {consignment.id for consignment in order.consignments if consignment.kind == "shipping"}
    lines = [line for line in order.lines.values() if line.consignment_id in shipped]
    return {line.id: line.quantity - line.quantity_shipped for line in lines if line.quantity > line.quantity_shipped}
