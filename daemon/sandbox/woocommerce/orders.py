"""Orders and refunds as the REST API shows them, and their routes, with the list of all refunds.

Amounts have `dp` decimals, the shop's own number if not asked: with 0 decimals a line of 27.97 is shown as "28"
(woocommerce-more.md, Orders). A line keeps its name; SKU and the parent's name are the product's present ones. Once
that is deleted, its id is 0 and the SKU null (recorded). A line's `price` is a float, with the noise of a division.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

from daemon.sandbox.message import Request, Response, route
from daemon.sandbox.woocommerce.answers import (
    INVALID_ID,
    NAMESPACE,
    Query,
    answer,
    fixed,
    invalid,
    item_links,
    php_number,
    refused,
    symbol,
)
from daemon.sandbox.woocommerce.catalogue import BILLING, TRASH, Catalogue, Order, OrderLine, Refund
from daemon.sandbox.woocommerce.order_book import STATUSES
from daemon.sandbox.woocommerce.product_shapes import dated, dates, meta_rows, own
from daemon.sandbox.woocommerce.resource import (
    Body,
    Resource,
    SortKeys,
    by_position,
    decoded,
    fields,
    listed,
    meta_cut,
    number,
    typed,
)

VERSION = "11.0.1"
_RATE_ID = 1


def order_shape(catalogue: Catalogue, order: Order, dp: int | None = None) -> dict[str, Any]:
    """Return an order with amounts of `dp` decimals."""
    decimals = catalogue.decimals if dp is None else dp
    text = partial(fixed, decimals=decimals)
    key = f"wc_order_{order.id:013}"
    paid, completed = (_both(catalogue, name, getattr(order, name)) for name in ("paid", "completed"))
    stamped = dates(catalogue, order.created, order.modified)
    discount = _sum(line.subtotal - line.total for line in order.lines.values())
    discount_tax = _sum(line.subtotal_tax - line.total_tax for line in order.lines.values())
    return {
        "id": order.id,
        "parent_id": 0,
        "status": order.status,
        "currency": order.currency,
        "version": VERSION,
        "prices_include_tax": order.prices_include_tax,
        "date_created": stamped["date_created"],
        "date_modified": stamped["date_modified"],
        "discount_total": text(discount),
        "discount_tax": text(discount_tax),
        "shipping_total": text(order.shipping),
        "shipping_tax": text(order.shipping_tax),
        "cart_tax": text(order.cart_tax),
        "total": text(order.total),
        "total_tax": text(order.total_tax),
        "customer_id": order.customer_id,
        "order_key": key,
        "billing": _address(order.billing, "email", "phone"),
        "shipping": _address(order.address, "phone"),
        "payment_method": "cod",
        "payment_method_title": "Offline",
        "transaction_id": "",
        "customer_ip_address": "",
        "customer_user_agent": "",
        "created_via": order.created_via,
        "customer_note": order.customer_note,
        "date_completed": completed[0],
        "date_paid": paid[0],
        "cart_hash": "",
        "number": str(order.id),
        "meta_data": meta_rows(order.meta),
        "line_items": [_line(catalogue, line, decimals, taxed=bool(order.tax_rate)) for line in order.lines.values()],
        "tax_lines": [_tax_line(order, decimals)] if order.tax_rate else [],
        "shipping_lines": [_shipping_line(order, decimals)],
        "fee_lines": [_fee_line(fee, decimals, taxed=bool(order.tax_rate)) for fee in order.fees],
        "coupon_lines": [_coupon_line(order, discount, discount_tax, decimals)] if discount else [],
        "refunds": [_summary(refund, decimals) for refund in reversed(order.refunds)],
        "payment_url": f"{catalogue.home}/checkout/order-pay/{order.id}/?pay_for_order=true&key={key}",
        "is_editable": order.status in {"pending", "on-hold"},
        "needs_payment": order.status in {"pending", "failed"},
        "needs_processing": True,
        "date_created_gmt": stamped["date_created_gmt"],
        "date_modified_gmt": stamped["date_modified_gmt"],
        "date_completed_gmt": completed[1],
        "date_paid_gmt": paid[1],
        "currency_symbol": symbol(order.currency)[1],
        **_order_links(catalogue.home, order),
    }


def refund_shape(catalogue: Catalogue, refund: Refund, dp: int | None = None, *, parent: bool) -> dict[str, Any]:
    """Return a refund; in the list of all refunds with its `parent_id`."""
    decimals = catalogue.decimals if dp is None else dp
    links = item_links(
        catalogue.home,
        f"orders/{refund.order_id}/refunds/{refund.id}",
        up=f"orders/{refund.order_id}",
        allow=("GET", "DELETE"),
    )
    return {
        "id": refund.id,
        **({"parent_id": refund.order_id} if parent else {}),
        **dated(catalogue, "date_created", refund.created.gmt),
        "amount": fixed(refund.amount, decimals),
        "reason": refund.reason,
        "refunded_by": 1,
        "refunded_payment": False,
        "meta_data": [{"id": refund.id, "key": "_refund_type", "value": refund.kind}],
        "line_items": [_line(catalogue, line, decimals, taxed=bool(line.total_tax)) for line in refund.lines],
        "shipping_lines": [],
        "tax_lines": [],
        "fee_lines": [],
        **links,
    }


def _line(catalogue: Catalogue, line: OrderLine, decimals: int, *, taxed: bool) -> dict[str, Any]:
    text = partial(fixed, decimals=decimals)
    product, variation = catalogue.tops.get(line.product_id), catalogue.variations.get(line.variation_id)
    sold = variation or product
    meta = [(name.lower(), option, name, option) for name, option in line.options.items()]
    if line.reduced_stock:
        meta.append(("_reduced_stock", *(str(line.reduced_stock), "_reduced_stock", str(line.reduced_stock))))
    if line.refunded_item:
        meta.append(("_refunded_item_id", *(str(line.refunded_item), "_refunded_item_id", str(line.refunded_item))))
    shown = ("key", "value", "display_key", "display_value")
    return {
        "id": line.id,
        "name": line.name,
        "product_id": product.id if product else 0,
        "variation_id": variation.id if variation else 0,
        "quantity": line.quantity,
        "tax_class": "",
        "subtotal": text(line.subtotal),
        "subtotal_tax": text(line.subtotal_tax),
        "total": text(line.total),
        "total_tax": text(line.total_tax),
        "taxes": [{"id": _RATE_ID, "total": text(line.total_tax), "subtotal": text(line.subtotal_tax)}] * taxed,
        "meta_data": [
            {"id": line.id * 10 + place, **dict(zip(shown, row, strict=True))} for place, row in enumerate(meta)
        ],
        "sku": own(catalogue, sold, "sku") if sold else None,
        "global_unique_id": "",
        "price": php_number(float(line.total) / line.quantity),
        "image": {"id": "", "src": ""},
        "parent_name": product.name if product and variation else None,
    }


def _fee_line(fee: OrderLine, decimals: int, *, taxed: bool) -> dict[str, Any]:
    tax = fixed(fee.total_tax, decimals)
    return {
        "id": fee.id,
        "name": fee.name,
        "tax_class": "",
        "tax_status": "taxable",
        "amount": "",
        "total": fixed(fee.total, decimals),
        "total_tax": tax,
        "taxes": [{"id": _RATE_ID, "total": tax, "subtotal": ""}] * taxed,
        "meta_data": [],
    }


def _coupon_line(order: Order, discount: Decimal, tax: Decimal, decimals: int) -> dict[str, Any]:
    return {
        "id": order.id * 10 + 3,
        "code": "trade",
        "discount": fixed(discount, decimals),
        "discount_tax": fixed(tax, decimals),
        "meta_data": [],
        "discount_type": "fixed_cart",
        "nominal_amount": php_number(float(discount)),
        "free_shipping": False,
    }


def _tax_line(order: Order, decimals: int) -> dict[str, Any]:
    return {
        "id": order.id * 10 + 1,
        "rate_code": "TAX-1",
        "rate_id": _RATE_ID,
        "label": "Tax",
        "compound": False,
        "tax_total": fixed(order.cart_tax, decimals),
        "shipping_tax_total": fixed(order.shipping_tax, decimals),
        "rate_percent": php_number(float(order.tax_rate * 100)),
        "meta_data": [],
    }


def _shipping_line(order: Order, decimals: int) -> dict[str, Any]:
    tax = fixed(order.shipping_tax, decimals)
    return {
        "id": order.id * 10 + 2,
        "method_title": "Flat rate",
        "method_id": "flat_rate",
        "instance_id": "1",
        "total": fixed(order.shipping, decimals),
        "total_tax": tax,
        "taxes": [{"id": _RATE_ID, "total": tax, "subtotal": ""}] if order.tax_rate else [],
        "tax_status": "taxable",
        "meta_data": [],
    }


def _summary(refund: Refund, decimals: int) -> dict[str, Any]:
    total, tax = fixed(-refund.amount, decimals), fixed(Decimal(0), decimals)
    return {"id": refund.id, "reason": refund.reason, "total": total, "total_tax": tax}


def _order_links(home: str, order: Order) -> dict[str, Any]:
    links = item_links(home, f"orders/{order.id}")
    href = links["_links"]["self"][0]["href"]
    if order.customer_id:
        links["_links"]["customer"] = [{"href": f"{home}{NAMESPACE}/customers/{order.customer_id}"}]
    links["_links"]["email_templates"] = [{"embeddable": True, "href": f"{href}/actions/email_templates"}]
    return links


def _address(address: dict[str, str], *more: str) -> dict[str, str]:
    return {name: address.get(name, "") for name in (*BILLING, *more)}


def _both(catalogue: Catalogue, name: str, gmt: datetime | None) -> tuple[str | None, ...]:
    return tuple(dated(catalogue, name, gmt).values())


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, Decimal(0))


ASKED = ("any", TRASH, "auto-draft", *STATUSES)
"""Words of `status`."""
_WRITTEN = {
    "status": "string",
    "customer_id": "integer",
    "currency": "string",
    "customer_note": "string",
    "billing": "object",
    "line_items": "array",
    "meta_data": "array",
}


class Orders(Resource[Order]):
    """Orders below `/orders`."""

    collection, plural, trashes = "/orders", "Orders", True
    missing = ("woocommerce_rest_shop_order_invalid_id", INVALID_ID)

    def rows(self, **_parents: int) -> Mapping[int, Order]:
        """Return the orders by id."""
        return self._shop.orders.orders

    def chosen(self, query: Query, **_parents: int) -> Sequence[Order]:
        """Return the orders that pass the filters."""
        shop, words = self._shop, query.words("status", ASKED) or ["any"]
        # One `any` among others makes the others void.
        shown = set(STATUSES) if "any" in words else set(words)
        modified = query.span(shop, "modified_after", "modified_before", hpos=shop.hpos)
        created = query.span(shop, "after", "before", hpos=shop.hpos)
        customer = query.number("customer", None)
        return [
            row
            for row in shop.orders.orders.values()
            if row.status in shown
            and customer in {None, row.customer_id}
            and (modified is None or modified(row.modified))
            and (created is None or created(row.created))
        ]

    def orderby(self, query: Query) -> SortKeys:
        """Return the words of `orderby`."""
        return _refund_keys(query) | {
            "title": lambda row: row.id,
            "slug": lambda row: row.id,
            "modified": lambda row: (row.modified.gmt, row.id),
        }

    def shown(self, item: Order, query: Query | None = None) -> Body:
        """Return an order."""
        return meta_cut(query, order_shape(self._shop, item, query.number("dp", None) if query else None))

    def create(self, body: Body, **_parents: int) -> Body:
        """Place an order."""
        given = typed(body, _WRITTEN)
        lines = [
            {"product_id": row.get("variation_id") or row["product_id"], "quantity": row.get("quantity", 1)}
            for row in given.pop("line_items", [])
        ]
        meta = {row["key"]: row["value"] for row in given.pop("meta_data", [])}
        status, customer_id = given.pop("status", "pending"), given.pop("customer_id", 0)
        _check_status(status)
        orders = self._shop.orders
        return self.shown(orders.get(orders.place(customer_id, lines, status=status, meta=meta, by_rest=True, **given)))

    def update(self, item: Order, body: Body) -> Body:
        """Change status, lines' quantities and meta data, announced as the one edit that it is."""
        given, book = typed(body, _WRITTEN), self._shop.orders
        status, changed = given.get("status"), any(name in given for name in ("line_items", "meta_data"))
        for row in given.get("line_items") or []:
            book.set_quantity(item.id, row["id"], row["quantity"], silent=True)
        for row in given.get("meta_data") or []:
            book.set_meta(item.id, row["key"], row.get("value"), silent=True)
        if status is not None and status != item.status:
            _check_status(status)
            book.set_status(item.id, status)
        else:
            book.save(item.id, dated=self._shop.hpos or not changed)
        return self.shown(item)

    def remove(self, item: Order) -> None:
        """Delete an order permanently."""
        self._shop.orders.delete(item.id)

    def trash(self, item: Order) -> None:
        """Move an order to the trash."""
        self._shop.orders.trash(item.id)

    @route("GET", "/refunds")
    def _all_refunds(self, request: Request) -> Response:
        rows = [refund for order in self._shop.orders.orders.values() for refund in order.refunds]
        return self._refunds_page(request, rows, parent=True)

    @route("GET", "/orders/{order_id}/refunds")
    def _refunds(self, request: Request, order_id: str) -> Response:
        return self._refunds_page(request, self.find(number(order_id)).refunds, parent=False)

    def _refunds_page(self, request: Request, rows: list[Refund], *, parent: bool) -> Response:
        query = Query(request.query)
        show = partial(refund_shape, self._shop, dp=query.number("dp", None), parent=parent)
        return listed(request, self._shop.home, rows, show, _refund_keys(query), self.default)

    @route("POST", "/orders/{order_id}/refunds")
    def _refund(self, request: Request, order_id: str) -> Response:
        order, body = self.find(number(order_id)), decoded(request)
        items = {row["id"]: row["quantity"] for row in body.get("line_items") or []}
        refund_id = self._shop.orders.refund(order.id, items, amount=body.get("amount"), reason=body.get("reason", ""))
        return answer(refund_shape(self._shop, _of(order, refund_id), parent=False), 201)

    @route("GET", "/orders/{order_id}/refunds/{refund_id}")
    def _get_refund(self, request: Request, order_id: str, refund_id: str) -> Response:
        refund, query = _of(self.find(number(order_id)), number(refund_id)), Query(request.query)
        return answer(fields(query, refund_shape(self._shop, refund, query.number("dp", None), parent=False)))

    @route("DELETE", "/orders/{order_id}/refunds/{refund_id}")
    def _delete_refund(self, request: Request, order_id: str, refund_id: str) -> Response:
        order = self.find(number(order_id))
        refund = _of(order, number(refund_id))
        if not Query(request.query).flag("force"):
            raise refused("woocommerce_rest_trash_not_supported", "Refunds do not support trashing.", 501)
        before = refund_shape(self._shop, refund, parent=False)
        self._shop.orders.delete_refund(order.id, refund.id)
        return answer(before)


def _refund_keys(query: Query) -> dict[str, Callable[[Any], Any]]:
    """Return the words of `orderby` of refunds, which orders have too."""
    return {"date": lambda row: (row.created.gmt, row.id), "id": lambda row: row.id, "include": by_position(query)}


def _of(order: Order, refund_id: int) -> Refund:
    refunds: dict[int, Refund] = {refund.id: refund for refund in order.refunds}
    if refund_id in refunds:
        return refunds[refund_id]
    raise refused("woocommerce_rest_shop_order_refund_invalid_id", INVALID_ID, 404)


def _check_status(status: Any) -> None:
    if status not in STATUSES:
        raise invalid("status", f"status is not one of {', '.join(STATUSES)}.", "rest_not_in_enum")
