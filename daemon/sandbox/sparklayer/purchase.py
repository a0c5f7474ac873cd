"""A purchase as it may be written: everything at once, whatever is unknown is refused (sparklayer.md section 6).

Money is a decimal text with its currency. What is inferred: the types of packages, the keys of tracking, lines, files
and custom fields, those of an address beyond its first line, city and country, and that a customer may be named by
the platform's id.
"""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from daemon.sandbox.sparklayer.body import Currency, Text, Written

Number = Annotated[str, Meta(pattern=r"^-?\d+(\.\d+)?$")]
PackageType = Literal[
    "incoming", "processing", "shipped", "part_shipped", "returned", "complete", "cancelled", "on_hold"
]


class Money(Written):
    """An exact amount."""

    number: Number
    currency: Currency


class TaxLine(Written):
    """A tax."""

    title: str | UnsetType = UNSET
    amount: Money | UnsetType = UNSET
    rate: float | UnsetType = UNSET


class Total(Written):
    """What a line costs."""

    total_net: Money | UnsetType = UNSET
    total_tax: Money | UnsetType = UNSET
    total_gross: Money | UnsetType = UNSET
    discount_net: Money | UnsetType = UNSET


class Attribute(Written):
    """A choice that was made for a line."""

    key: str
    value: str


class Line(Written, kw_only=True):
    """A line of a package."""

    identifiers: dict[str, str] | UnsetType = UNSET
    name_parent: str | UnsetType = UNSET
    quantity: int | UnsetType = UNSET
    custom_attributes: list[Attribute] | UnsetType = UNSET
    line_total: Total | UnsetType = UNSET
    tax_lines: list[TaxLine] | UnsetType = UNSET


class Address(Written, kw_only=True):
    """Where a purchase goes, or its bill."""

    title: str | UnsetType = UNSET
    first_name: str | UnsetType = UNSET
    last_name: str | UnsetType = UNSET
    company: str | UnsetType = UNSET
    address_line1: str | UnsetType = UNSET
    address_line2: str | UnsetType = UNSET
    city: str | UnsetType = UNSET
    region_code: str | UnsetType = UNSET
    postal_code: str | UnsetType = UNSET
    country_code: str | UnsetType = UNSET
    phone: str | UnsetType = UNSET
    mobile: str | UnsetType = UNSET


class Method(Written):
    """How a package is shipped, and what that costs."""

    name: str | UnsetType = UNSET
    line_total: Total | UnsetType = UNSET


class Shipment(Written):
    """A parcel on its way."""

    carrier: str | UnsetType = UNSET
    carrier_id: str | UnsetType = UNSET
    tracking_number: str | UnsetType = UNSET
    tracking_url: str | UnsetType = UNSET


class FileIds(Written):
    """What a customer calls a file."""

    visible: str | UnsetType = UNSET


class FileData(Written):
    """Where a file is."""

    type: str | UnsetType = UNSET
    uri: str | UnsetType = UNSET


class AccountingFile(Written, kw_only=True):
    """An invoice, or another paper."""

    identifiers: FileIds | UnsetType = UNSET
    data: FileData | UnsetType = UNSET
    file_type: str | UnsetType = UNSET


class CustomField(Written):
    """What was asked at the checkout."""

    name: str
    value: str | UnsetType = UNSET


class Metadata(Written):
    """What integrations note for themselves."""

    name: str
    value: str | UnsetType = UNSET


class PackageIds(Written):
    """What SparkLayer calls a package."""

    sparklayer_package_id: str | UnsetType = UNSET


class Package(Written, kw_only=True):
    """A part of an order that has one fate."""

    identifiers: PackageIds | UnsetType = UNSET
    type: PackageType | UnsetType = UNSET
    line_items: list[Line] | UnsetType = UNSET
    shipping_method: Method | UnsetType = UNSET
    shipping_address: Address | UnsetType = UNSET
    shipments: list[Shipment] | UnsetType = UNSET
    accounting_files: list[AccountingFile] | UnsetType = UNSET


class Ids(Written):
    """What a purchase is called: by its cart, the platform, the merchant's books, and the customer."""

    sparklayer: str | UnsetType = UNSET
    platform: str | UnsetType = UNSET
    internal: str | UnsetType = UNSET
    visible: str | UnsetType = UNSET


class CustomerIds(Written):
    """Who buys, and who did so for them."""

    sparklayer: str | UnsetType = UNSET
    sparklayer_impersonator: str | UnsetType = UNSET
    sparklayer_child: str | UnsetType = UNSET
    sparklayer_sales_rep: str | UnsetType = UNSET
    platform: str | UnsetType = UNSET


class Dates(Written):
    """When a purchase was made, and when anything of it changed."""

    created_at: Text | UnsetType = UNSET
    updated_at: Text | UnsetType = UNSET
    placed_at: Text | UnsetType = UNSET


class PurchaseWrite(Written, kw_only=True):
    """A purchase as it may be written."""

    type: Literal["cart", "quote", "awaiting_approval", "order_unconfirmed", "order"]
    purchase_identifiers: Ids
    customer_identifiers: CustomerIds
    payment_method: Literal["invoice", "on_account", "platform_upfront"] | UnsetType = UNSET
    dates: Dates
    customer_reference: str | UnsetType = UNSET
    currency_code: Currency | UnsetType = UNSET
    total_paid: Money | UnsetType = UNSET
    tax_lines: list[TaxLine] | UnsetType = UNSET
    revision_date: str | UnsetType = UNSET
    billing_address: Address | UnsetType = UNSET
    packages: list[Package]
    accounting_files: list[AccountingFile]
    custom_fields: list[CustomField]
    metadata: list[Metadata]
