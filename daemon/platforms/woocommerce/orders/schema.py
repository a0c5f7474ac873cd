"""An order as the API returns it: only the fields that we use. Amounts are texts there, with six decimals (`dp`)."""

from typing import Any

import msgspec
from msgspec import Raw, Struct
from msgspec.json import Decoder

from daemon.errors import Retry
from daemon.platforms.shared.rows import UNEXPECTED, Shape, decode
from daemon.platforms.woocommerce.values import Address, Meta, first_of, text_of

DECIMALS = {"dp": "6"}
"""Without it, amounts come rounded to the decimals in the shop's settings (woocommerce-more.md, Orders)."""

REFUNDED_LINE = "_refunded_item_id"
TRACKING = "_wc_shipment_tracking_items"


class LineMeta(Meta, frozen=True):
    """A meta field of a line, with the words that customers see, such as Finish: Brass."""

    display_key: Any = None
    display_value: Any = None


class OrderLine(Struct, frozen=True, kw_only=True):
    """A line of an order. `total` is net and for all pieces, after discounts."""

    id: int
    name: str
    quantity: int
    sku: str | None
    total: str
    total_tax: str
    meta_data: list[LineMeta]


class Cost(Struct, frozen=True, kw_only=True):
    """A fee or a way of shipping."""

    total: str
    total_tax: str
    method_title: str | None = None


class RefundRef(Struct, frozen=True):
    """A refund as the order shows it; `total` is negative."""

    id: int
    total: str


class RefundedLine(Struct, frozen=True, kw_only=True):
    """Refunded pieces of a line: their number is negative, or 0 if only money was refunded."""

    quantity: int
    meta_data: list[Meta]

    @property
    def line(self) -> int | None:
        """The id of the line of the order, or None."""
        text = text_of(first_of(self.meta_data, REFUNDED_LINE)) or ""
        return int(text) if text.isascii() and text.isdigit() else None


class Refund(Struct, frozen=True, kw_only=True):
    """A refund with its lines."""

    id: int
    line_items: list[RefundedLine]


class Order(Struct, frozen=True, kw_only=True):
    """An order. Its dates are GMT without a zone; the mapping reports missing and invalid ones."""

    id: int
    number: str
    status: str
    currency: str
    date_created_gmt: str | None
    date_modified_gmt: str | None
    date_paid_gmt: str | None
    customer_id: int
    total: str
    total_tax: str
    billing: Address
    shipping: Address
    line_items: list[OrderLine]
    shipping_lines: list[Cost]
    fee_lines: list[Cost]
    refunds: list[RefundRef]
    meta_data: list[Meta]


class Tracking(Struct, frozen=True):
    """One item of the shipment tracking plugin's meta field; its other fields vary by plugin."""

    tracking_provider: Any = None
    custom_tracking_provider: Any = None
    tracking_number: Any = None
    custom_tracking_link: Any = None

    def text(self, name: str) -> str:
        """Return a field that is a text or a number; "" for any other."""
        value = getattr(self, name)
        return "" if isinstance(value, list | dict) else (text_of(value) or "").strip()


class _Meta(Struct, frozen=True):
    meta_data: list[Meta]


FIELDS = ",".join(Order.__struct_encode_fields__)
REFUND_FIELDS = ",".join(Refund.__struct_encode_fields__)
REFUNDS: Shape[Refund] = Shape(Refund)

ORDERS: Shape[Order] = Shape(Order)

_META = Decoder(_Meta)


def read_cart(raw: Raw, key: str) -> str:
    """Return SparkLayer's cart id of an order; "" if there is none. Raises Retry if the answer has no meta fields."""
    try:
        fields = decode(raw, _META).meta_data
    except msgspec.DecodeError as error:
        # Taking it for an order of another channel would remove it from SparkLayer.
        raise Retry(f"WooCommerce lists an order without meta fields: {error}", reason=UNEXPECTED) from None
    return (text_of(first_of(fields, key)) or "").strip()
