"""BigCommerce's customers, their addresses and attributes, and customer groups, with the field names of its JSON.

Source: bigcommerce.md section 5. How dates are written there is not documented: as the products' are.
"""

from typing import Any

from attrs import define, field
from msgspec import Struct

NO_GROUP = 0


class FormField(Struct, frozen=True):
    """What a customer filled in; a text, a number or a list."""

    name: str
    value: Any


class Address(Struct):
    """A customer's address. `address1` may be empty, in spite of being required."""

    id: int
    customer_id: int
    first_name: str = ""
    last_name: str = ""
    company: str = ""
    address1: str = ""
    address2: str = ""
    city: str = ""
    state_or_province: str = ""
    postal_code: str = ""
    country: str = ""
    country_code: str = ""
    phone: str = ""
    address_type: str = "residential"


class Attribute(Struct, frozen=True):
    """A name that values can be given under."""

    id: int
    name: str
    type: str
    date_created: str
    date_modified: str


class AttributeValue(Struct):
    """A customer's value of an attribute; the name is in `Attribute` only."""

    id: int
    attribute_id: int
    customer_id: int
    attribute_value: str
    date_created: str
    date_modified: str


class Customer(Struct):
    """A customer without what `include` adds."""

    id: int
    email: str
    date_created: str
    date_modified: str
    first_name: str = ""
    last_name: str = ""
    company: str = ""
    phone: str = ""
    notes: str = ""
    tax_exempt_category: str = ""
    customer_group_id: int = NO_GROUP
    address_count: int = 0
    attribute_count: int = 0
    store_credit_amounts: tuple[Any, ...] = ()
    accepts_product_review_abandoned_cart_emails: bool = False
    origin_channel_id: int = 1
    channel_ids: tuple[int, ...] | None = None


class CategoryAccess(Struct, frozen=True):
    """Which categories a group sees."""

    type: str


class Group(Struct):
    """A customer group, as v2 shows it."""

    id: int
    name: str
    date_created: str
    date_modified: str
    is_default: bool = False
    is_group_for_guests: bool = False
    category_access: CategoryAccess = CategoryAccess("all")
    discount_rules: tuple[Any, ...] = ()


@define
class Person:
    """A customer with what `include` adds."""

    customer: Customer
    addresses: dict[int, Address] = field(factory=dict)
    attributes: dict[int, AttributeValue] = field(factory=dict)
    """By the attribute's id: a customer has one value of each."""
    form_fields: tuple[FormField, ...] = ()

    def settle(self) -> None:
        """Count what the customer has."""
        self.customer.address_count = len(self.addresses)
        self.customer.attribute_count = len(self.attributes)
