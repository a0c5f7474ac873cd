"""The routes of customers. A list is of one role, `customer` by default; nothing finds them by date (recorded).

A customer is shown with the first of the roles only.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from daemon.sandbox.message import Request, Response, route
from daemon.sandbox.woocommerce.answers import Query, answer, item_links, refused
from daemon.sandbox.woocommerce.catalogue import BILLING, Customer
from daemon.sandbox.woocommerce.product_shapes import dates, meta_rows
from daemon.sandbox.woocommerce.products import write_meta_data
from daemon.sandbox.woocommerce.resource import Body, Resource, SortKeys, by_position, typed

_WRITTEN = {
    "email": "string",
    "first_name": "string",
    "last_name": "string",
    "billing": "object",
    "shipping": "object",
    "username": "string",
    "meta_data": "array",
}


class Customers(Resource[Customer]):
    """Customers below `/customers`."""

    collection, plural, default = "/customers", "Customers", ("name", "asc")
    missing = ("wc_user_invalid_id", "Invalid user ID.")

    def rows(self, **_parents: int) -> Mapping[int, Customer]:
        """Return the customers by id."""
        return self._shop.customers.people

    def chosen(self, query: Query, **_parents: int) -> Sequence[Customer]:
        """Return the customers of a role."""
        email = query.text("email")
        people = self._shop.customers.with_role(query.choice("role", ("all", *self._shop.roles), "customer"))
        return [row for row in people if not email or row.email == email]

    def orderby(self, query: Query) -> SortKeys:
        """Return the words of `orderby`."""
        return {
            "id": lambda row: row.id,
            "include": by_position(query),
            "name": lambda row: (row.username, row.id),
            "registered_date": lambda row: (row.created.gmt, row.id),
        }

    @route("OPTIONS", "/customers")
    def _options(self, _request: Request) -> Response:
        """Answer the route's parameters; `role` lists the shop's roles (woocommerce-more.md, Customers)."""
        role = {"type": "string", "default": "customer", "enum": ["all", *self._shop.roles], "required": False}
        endpoints = [{"methods": ["GET"], "args": {"role": role}}, {"methods": ["POST"], "args": {}}]
        return answer({"namespace": "wc/v3", "methods": ["GET", "POST"], "endpoints": endpoints})

    def create(self, body: Body, **_parents: int) -> Body:
        """Make a customer."""
        given = self._written(body)
        if "email" not in given:
            raise refused("rest_missing_callback_param", "Missing parameter(s): email", 400, params=["email"])
        customer = self._shop.customers.get(self._shop.customers.add(**given))
        write_meta_data(self._shop, customer.meta, body)
        return self.shown(customer)

    def update(self, item: Customer, body: Body) -> Body:
        """Change a customer."""
        given = self._written(body, item)
        write_meta_data(self._shop, item.meta, body)
        self._shop.customers.update(item.id, **given)
        return self.shown(item)

    def remove(self, item: Customer) -> None:
        """Delete a customer."""
        self._shop.customers.delete(item.id)

    def _written(self, body: Body, customer: Customer | None = None) -> dict[str, Any]:
        given = typed(body, _WRITTEN)
        given.pop("meta_data", None)
        email = given.get("email")
        if email is not None and "@" not in email:
            raise refused("customer_invalid_email", "Invalid email address", 400)
        if any(other.email == email and other is not customer for other in self._shop.customers.people.values()):
            words = f"An account is already registered with {email}. Please log in or use a different email address."
            raise refused("registration-error-email-exists", words, 400)
        return given

    def shown(self, item: Customer, _query: Query | None = None) -> Body:
        """Return a customer, with the first of the roles only."""
        home, avatar = self._shop.home, hashlib.sha256(item.email.lower().encode()).hexdigest()
        return {
            "id": item.id,
            **dates(self._shop, item.created, item.modified),
            "email": item.email,
            "first_name": item.first_name,
            "last_name": item.last_name,
            "role": next(iter(item.roles), ""),
            "username": item.username,
            "billing": {name: item.billing.get(name, "") for name in (*BILLING, "email", "phone")},
            "shipping": {name: item.shipping.get(name, "") for name in (*BILLING, "phone")},
            "is_paying_customer": self._shop.orders.paying(item.id),
            "avatar_url": f"https://secure.gravatar.com/avatar/{avatar}?s=96&d=mm&r=g",
            "meta_data": meta_rows(item.meta),
            **item_links(home, f"customers/{item.id}"),
        }
