"""A shop's customers, and every edit of them with what it moves and announces (woocommerce-more.md, Customers).

A role given by code moves no date and announces nothing; through the profile page it does both. User meta moves the
date and announces nothing. A deletion is announced only if the customer's first role is `customer`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from daemon.sandbox.woocommerce.catalogue import BILLING, Catalogue, Customer, Event


class CustomerBook:
    """The users of one shop, by id; the first is the administrator."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self.people: dict[int, Customer] = {}
        self.add("admin@shop.example", roles=["administrator"], username="admin", silent=True)

    def get(self, customer_id: int) -> Customer:
        """Return a customer. Raises KeyError."""
        return self.people[customer_id]

    def by_email(self, email: str) -> Customer:
        """Return the customer with `email`. Raises KeyError."""
        return {customer.email: customer for customer in self.people.values()}[email]

    def with_role(self, role: str) -> list[Customer]:
        """Return the customers that have a role among others, by id; `all` is any."""
        return [each for each in self.people.values() if role == "all" or role in each.roles]

    def add(
        self,
        email: str,
        *,
        roles: Sequence[str] = ("customer",),
        billing: Mapping[str, str] | None = None,
        shipping: Mapping[str, str] | None = None,
        meta: Mapping[str, Any] | None = None,
        username: str = "",
        silent: bool = False,
        **fields: Any,
    ) -> int:
        """Add a customer and return the id; announced as created and as updated (recorded)."""
        now, customer_id = self._catalogue.moment(), self._catalogue.new_id("user")
        customer = Customer(
            id=customer_id,
            email=email,
            username=username or email.partition("@")[0],
            created=now,
            modified=now,
            roles=list(roles),
            billing=_address(billing, "email", "phone"),
            shipping=_address(shipping, "phone"),
            **fields,
        )
        self.people[customer_id] = customer
        for key, value in (meta or {}).items():
            self._catalogue.write_meta(customer.meta, key, value)
        events = (Event("customer.created", customer_id), Event("customer.updated", customer_id))
        self._catalogue.announce(*events, silent=silent)
        return customer_id

    def update(self, customer_id: int, *, silent: bool = False, **fields: Any) -> None:
        """Change fields: email, first_name, last_name; `billing` and `shipping` have the parts that change."""
        customer = self.people[customer_id]
        for name in ("billing", "shipping"):
            if name in fields:
                fields[name] = getattr(customer, name) | dict(fields[name])
        for name, value in fields.items():
            setattr(customer, name, value)
        self._touch(customer, Event("customer.updated", customer_id), silent=silent)

    def set_meta(self, customer_id: int, key: str, value: Any, *, by_rest: bool = False) -> None:
        """Write user meta, None takes it away; by REST it is announced, by a plugin it moves the date only."""
        customer = self.people[customer_id]
        self._catalogue.write_meta(customer.meta, key, value)
        self._touch(customer, Event("customer.updated", customer_id), silent=not by_rest)

    def set_roles(self, customer_id: int, roles: Sequence[str]) -> None:
        """Give a customer these roles by code: moves no date, announces nothing. The API shows the first only."""
        self.people[customer_id].roles = list(roles)

    def move_role(self, customer_id: int, role: str, *, silent: bool = False) -> None:
        """Give a customer one role through the profile page."""
        customer = self.people[customer_id]
        customer.roles = [role]
        self._touch(customer, Event("customer.updated", customer_id), silent=silent)

    def delete(self, customer_id: int, *, silent: bool = False) -> None:
        """Delete a customer, always permanently."""
        customer = self.people.pop(customer_id)
        # The hook looks at the role that the object shows.
        events = [Event("customer.deleted", customer_id)] if customer.roles[:1] == ["customer"] else []
        self._catalogue.announce(*events, silent=silent)

    def add_role(self, role: str) -> None:
        """Add a role to the shop; no user has it yet."""
        self._catalogue.roles.append(role)

    def delete_role(self, role: str) -> None:
        """Take a role away from the shop and its customers: moves no date, announces nothing."""
        self._catalogue.roles.remove(role)
        for customer in self.with_role(role):
            customer.roles.remove(role)

    def _touch(self, customer: Customer, event: Event, *, silent: bool) -> None:
        if self._catalogue.stamping:
            customer.modified = self._catalogue.moment()
        self._catalogue.announce(event, silent=silent)


def _address(given: Mapping[str, str] | None, *more: str) -> dict[str, str]:
    return {name: (given or {}).get(name, "") for name in (*BILLING, *more)}
