"""Customers as the REST API shows them: with the first of their roles only."""

import hashlib
from typing import Any

from daemon.sandbox.woocommerce.catalogue import Catalogue
from daemon.sandbox.woocommerce.links import item_links
from daemon.sandbox.woocommerce.product_shapes import dates, meta_rows
from daemon.sandbox.woocommerce.records import BILLING, Customer


def customer_shape(catalogue: Catalogue, customer: Customer, *, paying: bool) -> dict[str, Any]:
    """Return a customer; `paying` says if an order of theirs was completed."""
    avatar = hashlib.sha256(customer.email.lower().encode()).hexdigest()
    return {
        "id": customer.id,
        **dates(catalogue, customer.created, customer.modified),
        "email": customer.email,
        "first_name": customer.first_name,
        "last_name": customer.last_name,
        "role": next(iter(customer.roles), ""),
        "username": customer.username,
        "billing": _address(customer.billing) | {name: customer.billing.get(name, "") for name in ("email", "phone")},
        "shipping": _address(customer.shipping) | {"phone": customer.shipping.get("phone", "")},
        "is_paying_customer": paying,
        "avatar_url": f"https://secure.gravatar.com/avatar/{avatar}?s=96&d=mm&r=g",
        "meta_data": meta_rows(customer.meta),
        **item_links(catalogue.home, f"customers/{customer.id}"),
    }


def _address(address: dict[str, str]) -> dict[str, str]:
    return {name: address.get(name, "") for name in BILLING}
