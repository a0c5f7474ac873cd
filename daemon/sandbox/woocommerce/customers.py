"""The routes of customers. A list is of one role, `customer` by default; nothing finds them by date (recorded).

A customer is shown with the first of the roles only.
"""

import hashlib
from typing import Any

from daemon.sandbox.message import Request, Response
from daemon.sandbox.router import route
from daemon.sandbox.woocommerce.answers import answer, item_links, refused
from daemon.sandbox.woocommerce.bodies import Body, batched, decoded, number, typed
from daemon.sandbox.woocommerce.catalogue import Catalogue
from daemon.sandbox.woocommerce.listing import by_position, fields, listed
from daemon.sandbox.woocommerce.product_shapes import dates, meta_rows
from daemon.sandbox.woocommerce.products import write_meta_data
from daemon.sandbox.woocommerce.query import Query
from daemon.sandbox.woocommerce.records import BILLING, Customer
from daemon.sandbox.woocommerce.shop import Shop


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


_WRITTEN = {
    "email": "string",
    "first_name": "string",
    "last_name": "string",
    "billing": "object",
    "shipping": "object",
    "username": "string",
    "meta_data": "array",
}


class Customers:
    """Customers below `/customers`."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop

    @route("GET", "/customers")
    @route("HEAD", "/customers")
    def _list(self, request: Request) -> Response:
        query, book = Query(request.query), self._shop.customers
        role = query.choice("role", ("all", *self._shop.roles), "customer")
        included, excluded = set(query.ids("include")), set(query.ids("exclude"))
        email = query.text("email")
        rows = [
            row
            for row in book.with_role(role)
            if (not included or row.id in included) and row.id not in excluded and (not email or row.email == email)
        ]
        return listed(
            request,
            rows,
            self._shown,
            home=self._shop.home,
            orderby={
                "id": lambda row: row.id,
                "include": by_position(query),
                "name": lambda row: (row.username, row.id),
                "registered_date": lambda row: (row.created.gmt, row.id),
            },
            default=("name", "asc"),
        )

    @route("OPTIONS", "/customers")
    def _options(self, _request: Request) -> Response:
        """Answer the route's parameters; `role` lists the shop's roles (woocommerce-more.md, Customers)."""
        role = {"type": "string", "default": "customer", "enum": ["all", *self._shop.roles], "required": False}
        endpoints = [{"methods": ["GET"], "args": {"role": role}}, {"methods": ["POST"], "args": {}}]
        return answer({"namespace": "wc/v3", "methods": ["GET", "POST"], "endpoints": endpoints})

    @route("GET", "/customers/{customer_id}")
    def _get(self, request: Request, customer_id: str) -> Response:
        return answer(fields(Query(request.query), self._shown(self._find(number(customer_id)))))

    @route("POST", "/customers")
    def _post(self, request: Request) -> Response:
        return answer(self._create(decoded(request)), 201)

    @route("PUT", "/customers/{customer_id}")
    @route("POST", "/customers/{customer_id}")
    @route("PATCH", "/customers/{customer_id}")
    def _put(self, request: Request, customer_id: str) -> Response:
        return answer(self._update(number(customer_id), decoded(request)))

    @route("DELETE", "/customers/{customer_id}")
    def _remove(self, request: Request, customer_id: str) -> Response:
        return answer(self._delete(number(customer_id), forced=bool(Query(request.query).flag("force"))))

    @route("POST", "/customers/batch")
    def _batch(self, request: Request) -> Response:
        return batched(
            request,
            create=self._create,
            update=self._update,
            delete=lambda customer_id: self._delete(customer_id, forced=True),
        )

    def _create(self, body: Body) -> Body:
        given = self._written(body)
        if "email" not in given:
            raise refused("rest_missing_callback_param", "Missing parameter(s): email", 400, params=["email"])
        customer_id = self._shop.customers.add(**given)
        write_meta_data(self._shop, self._shop.customers.get(customer_id).meta, body)
        return self._shown(self._shop.customers.get(customer_id))

    def _update(self, customer_id: int, body: Body) -> Body:
        customer = self._find(customer_id)
        given = self._written(body, customer)
        write_meta_data(self._shop, customer.meta, body)
        self._shop.customers.update(customer_id, **given)
        return self._shown(customer)

    def _delete(self, customer_id: int, *, forced: bool) -> Body:
        customer = self._find(customer_id)
        if not forced:
            raise refused("woocommerce_rest_trash_not_supported", "Customers do not support trashing.", 501)
        before = self._shown(customer)
        self._shop.customers.delete(customer_id)
        return before

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

    def _find(self, customer_id: int) -> Customer:
        customer = self._shop.customers.people.get(customer_id)
        if customer is None:
            raise refused("wc_user_invalid_id", "Invalid user ID.", 404)
        return customer

    def _shown(self, customer: Customer) -> dict[str, Any]:
        return customer_shape(self._shop, customer, paying=self._shop.orders.paying(customer.id))
