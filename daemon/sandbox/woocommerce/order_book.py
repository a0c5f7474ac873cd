"""A shop's orders, and every edit of them with what it moves and announces.

Without HPOS neither meta data nor lines move an order's date, and what shipment plugins write announces nothing
either; the deletion of a refund never does anything (the table of woocommerce-more.md, Orders). Amounts are exact to
six decimals; a line's tax is the rest of its gross price, so that sums fit.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from daemon.sandbox.woocommerce.catalogue import TRASH, Catalogue, Event, Order, OrderLine, Refund
from daemon.sandbox.woocommerce.customer_book import CustomerBook

STATUSES = ("pending", "processing", "on-hold", "completed", "cancelled", "refunded", "failed", "checkout-draft")
"""Statuses of orders that are not in the trash (recordings, index)."""

TAKES_STOCK = ("processing", "on-hold", "completed")
PAID = ("processing", "completed")
CART_KEY = "sparklayer_cart_id"
TRACKING_KEY = "_wc_shipment_tracking_items"

_SIX = Decimal("0.000001")


class OrderBook:
    """The orders of one shop, by id."""

    def __init__(self, catalogue: Catalogue, customers: CustomerBook) -> None:
        self._catalogue, self._customers = catalogue, customers
        self.orders: dict[int, Order] = {}
        self._paying: set[int] = set()

    def get(self, order_id: int) -> Order:
        """Return an order, also one in the trash. Raises KeyError."""
        return self.orders[order_id]

    def paying(self, customer_id: int) -> bool:
        """Return true if a customer has an order that was completed."""
        return customer_id in self._paying

    def place(
        self,
        customer_id: int,
        lines: Sequence[Mapping[str, Any]],
        *,
        cart_id: str | None = None,
        status: str = "processing",
        currency: str | None = None,
        tax_rate: float | str = 0,
        shipping: float | str = 0,
        takes_stock: bool = True,
        meta: Mapping[str, Any] | None = None,
        by_rest: bool = False,
        silent: bool = False,
        **fields: Any,
    ) -> int:
        """Place an order and return its id; customer 0 is a guest.

        Each of `lines` names a `sku` or `product_id` (a variation's too), or has a `name` alone, which makes it a fee;
        it may have `quantity`, `price` and `discount`. Prices and `shipping` are entered with tax if the shop's are.
        `tax_rate` is a share such as 0.2. By REST an order is announced as created and as updated (recorded).
        """
        now, order_id = self._catalogue.moment(), self._catalogue.new_id()
        customer = self._customers.people.get(customer_id)
        billing = {"email": "guest@example.com"}
        if customer:
            billing = {**customer.billing, "email": customer.billing.get("email") or customer.email}
        order = Order(
            id=order_id,
            status=status,
            currency=currency or self._catalogue.currency,
            created=now,
            modified=now,
            customer_id=customer_id,
            prices_include_tax=self._catalogue.tax_inclusive,
            tax_rate=Decimal(str(tax_rate)),
            created_via="rest-api" if by_rest else "checkout",
            paid=now.gmt if status in PAID else None,
            **{"billing": billing, "address": dict(customer.shipping) if customer else {}} | fields,
        )
        order.shipping, order.shipping_tax = self._split(shipping, order)
        for line in lines:
            self._add_line(order, **line)
        for key, value in ({CART_KEY: cart_id} | dict(meta or {})).items():
            self._catalogue.write_meta(order.meta, key, value)
        self.orders[order_id] = order
        if status == "completed":
            self._paying.add(customer_id)
        events = [Event("order.created", order_id), *([Event("order.updated", order_id)] if by_rest else [])]
        self._catalogue.announce(*events, silent=silent)
        if takes_stock:
            self._take_stock(order, silent=silent)
        return order_id

    def set_status(self, order_id: int, status: str, *, silent: bool = False) -> None:
        """Give an order another of `STATUSES`; those in `TAKES_STOCK` take stock."""
        if status not in STATUSES:
            raise ValueError(f"no such status; there are {', '.join(STATUSES)}")
        order, now = self.orders[order_id], self._catalogue.moment()
        order.status = status
        order.paid = order.paid or (now.gmt if status in PAID else None)
        order.completed = order.completed or (now.gmt if status == "completed" else None)
        if order.completed:
            self._paying.add(order.customer_id)
        self._touch(order, silent=silent)
        self._take_stock(order, silent=silent)

    def save(self, order_id: int, *, dated: bool = True, silent: bool = False) -> None:
        """Save an order as it is: by REST a body without a change is announced as well."""
        self._touch(self.orders[order_id], silent=silent, dated=dated)

    def cancel(self, order_id: int, *, silent: bool = False) -> None:
        """Cancel an order."""
        self.set_status(order_id, "cancelled", silent=silent)

    def set_meta(self, order_id: int, key: str, value: Any, *, by_plugin: bool = False, silent: bool = False) -> None:
        """Write meta data by REST or `save()`, or as shipment plugins do (`save_meta_data()`); None takes it away."""
        order, hpos = self.orders[order_id], self._catalogue.hpos
        self._catalogue.write_meta(order.meta, key, value)
        self._touch(order, silent=silent or (by_plugin and not hpos), dated=hpos)

    def set_tracking(
        self, order_id: int, carrier: str, number: str, link: str = "", *, added: bool = False, silent: bool = False
    ) -> None:
        """Note a parcel as shipment plugins do, instead of those known or `added` to them.

        A link is written as the shipment plugin's own page does; the recordings have none.
        """
        rows = [row.value for row in self.orders[order_id].meta if row.key == TRACKING_KEY] if added else []
        parcel = {
            "tracking_provider": carrier,
            "tracking_number": number,
            "date_shipped": str(int(self._catalogue.clock())),
            "tracking_id": f"{order_id:08x}{len(rows[0]) if rows else 0:08x}",
        } | ({"custom_tracking_link": link} if link else {})
        self.set_meta(order_id, TRACKING_KEY, [*(rows[0] if rows else ()), parcel], by_plugin=True, silent=silent)

    def set_quantity(self, order_id: int, line_id: int, quantity: int, *, silent: bool = False) -> None:
        """Change a line's quantity, and its totals in proportion; none takes the line away."""
        order = self.orders[order_id]
        line = order.lines[line_id]
        if quantity:
            for name in ("total", "total_tax", "subtotal", "subtotal_tax"):
                setattr(line, name, _exact(getattr(line, name) * quantity / line.quantity))
            line.quantity = quantity
        else:
            del order.lines[line_id]
        self._touch(order, silent=silent, dated=self._catalogue.hpos)

    def add_line(self, order_id: int, *, silent: bool = False, **line: Any) -> int:
        """Add a line, fields as in `place`, and return its id."""
        order = self.orders[order_id]
        line_id = self._add_line(order, **line)
        self._touch(order, silent=silent, dated=self._catalogue.hpos)
        return line_id

    def add_note(self, order_id: int, note: str) -> None:
        """Write a note: moves no date, announces nothing."""
        self.orders[order_id].notes.append(note)

    def refund(
        self,
        order_id: int,
        items: Mapping[int, int] | None = None,
        *,
        amount: float | str | None = None,
        reason: str = "",
        silent: bool = False,
    ) -> int:
        """Refund a quantity of some lines, an amount alone, or all that is left; return the refund's id.

        An order whose whole total is refunded becomes `refunded`.
        """
        order, wanted = self.orders[order_id], {int(line): quantity for line, quantity in (items or {}).items()}
        for line_id, quantity in wanted.items():
            if not 0 < quantity <= order.lines[line_id].quantity - _refunded(order, line_id):
                raise ValueError("the line has not that much left to refund")
        lines = [self._part(order.lines[line_id], quantity) for line_id, quantity in wanted.items()]
        left = order.total - order.refunded
        paid_back = -sum((line.total + line.total_tax for line in lines), Decimal(0)) if lines else left
        paid_back = paid_back if amount is None else Decimal(str(amount))
        refund = Refund(
            id=self._catalogue.new_id(),
            order_id=order_id,
            created=self._catalogue.moment(),
            amount=paid_back,
            reason=reason,
            kind="full" if paid_back >= left else "partial",
            lines=lines,
        )
        order.refunds.append(refund)
        order.status = "refunded" if refund.kind == "full" else order.status
        self._touch(order, silent=silent)
        return int(refund.id)

    def delete_refund(self, order_id: int, refund_id: int) -> None:
        """Delete a refund: moves no date and announces nothing, with HPOS and without."""
        order = self.orders[order_id]
        order.refunds = [refund for refund in order.refunds if refund.id != refund_id]

    def trash(self, order_id: int, *, silent: bool = False) -> None:
        """Move an order to the trash; without HPOS that announces a product with the order's id as well."""
        order = self.orders[order_id]
        order.former_status, order.status = order.status, TRASH
        events = [Event("order.deleted", order_id)]
        if not self._catalogue.hpos:
            events.append(Event("product.deleted", order_id))
        self._touch(order, *events, silent=silent)

    def restore(self, order_id: int, *, silent: bool = False) -> None:
        """Take an order out of the trash on the admin page."""
        order = self.orders[order_id]
        order.status = order.former_status
        self._touch(order, Event("order.restored", order_id), silent=silent)

    def delete(self, order_id: int) -> None:
        """Delete an order permanently: announces nothing (recorded)."""
        del self.orders[order_id]

    def _touch(self, order: Order, *events: Event, silent: bool, dated: bool = True) -> None:
        if dated and self._catalogue.stamping:
            order.modified = self._catalogue.moment()
        self._catalogue.announce(*(events or [Event("order.updated", order.id)]), silent=silent)

    def _add_line(
        self,
        order: Order,
        *,
        sku: str = "",
        product_id: int | None = None,
        name: str = "",
        quantity: int = 1,
        price: float | str | None = None,
        discount: float | str = 0,
        **_elsewhere: Any,
    ) -> int:
        known: dict[str, Any] = {"name": name}
        listed: float | str = 0
        if not name:
            product = self._catalogue.by_sku(sku) if product_id is None else self._catalogue.product(product_id)
            parent = self._catalogue.products.get(product.parent_id)
            listed = product.price or 0
            known = {
                "name": product.name if parent is None else f"{parent.name} - {product.name}",
                "product_id": product.parent_id or product.id,
                "variation_id": product.id if parent else 0,
                "options": product.options,
            }
        entered = Decimal(str(listed if price is None else price)) * quantity
        total, tax = self._split(entered - Decimal(str(discount)), order)
        subtotal, subtotal_tax = self._split(entered, order)
        line = OrderLine(
            id=self._catalogue.new_id("line"),
            quantity=quantity,
            total=total,
            total_tax=tax,
            subtotal=subtotal,
            subtotal_tax=subtotal_tax,
            **known,
        )
        if name:
            order.fees.append(line)
        else:
            order.lines[line.id] = line
        return int(line.id)

    def _split(self, entered: float | str | Decimal, order: Order) -> tuple[Decimal, Decimal]:
        """Return an entered amount as net and tax."""
        amount, factor = Decimal(str(entered)), 1 + order.tax_rate
        if order.prices_include_tax:
            net = _exact(amount / factor)
            return net, _exact(amount) - net
        return _exact(amount), _exact(amount * order.tax_rate)

    def _part(self, line: OrderLine, quantity: int) -> OrderLine:
        """Return a refund's line for a quantity of an order's line."""
        share = Decimal(-quantity) / line.quantity
        return OrderLine(
            id=self._catalogue.new_id("line"),
            name=line.name,
            quantity=-quantity,
            total=_exact(line.total * share),
            total_tax=_exact(line.total_tax * share),
            subtotal=_exact(line.subtotal * share),
            subtotal_tax=_exact(line.subtotal_tax * share),
            product_id=line.product_id,
            variation_id=line.variation_id,
            refunded_item=line.id,
        )

    def _take_stock(self, order: Order, *, silent: bool) -> None:
        """Take the stock of lines that have not taken theirs; each product is announced and dated (recorded)."""
        for line in order.lines.values() if order.status in TAKES_STOCK else ():
            product = self._catalogue.products.get(line.variation_id or line.product_id)
            keeper = self._catalogue.stock_keeper(product) if product else None
            if keeper is None or line.reduced_stock:
                continue
            line.reduced_stock = line.quantity
            keeper.stock_quantity -= line.quantity
            kind = "variation" if keeper.parent_id else "product"
            stock_set = Event(f"action.woocommerce_{kind}_set_stock", keeper.id)
            self._catalogue.touch(keeper, Event("product.updated", keeper.id), stock_set, silent=silent)


def _refunded(order: Order, line_id: int) -> int:
    lines = (line for refund in order.refunds for line in refund.lines)
    return sum(-int(line.quantity) for line in lines if line.refunded_item == line_id)


def _exact(amount: Decimal) -> Decimal:
    return amount.quantize(_SIX)
