"""The customers of a run, and what becomes of them by chance."""

import random

from attrs import define

from daemon.sandbox.company import GUESTS, RETAIL, WHOLESALE
from tests.prove.simulation.stores.base import Trade
from tests.prove.simulation.words import PERSONAL, Words

PARENT = "sparklayer_parent_customer_id"


@define(eq=False)
class Clientele:
    """Edits the customers of a store."""

    trade: Trade
    chance: random.Random
    words: Words

    def add_customer(self, *, silent: bool) -> None:
        homes = [self._home() for _ in range(self.chance.randint(0, 2))]
        self.trade.add_customer(
            f"{self.words.new(PERSONAL)}@example.com".lower(),
            group=self.chance.choice([WHOLESALE, WHOLESALE, RETAIL]),
            first_name=self.words.new(PERSONAL),
            last_name=self.words.new(PERSONAL),
            company=self.words.new(PERSONAL),
            homes=homes,
            attributes=self._some_parent() if self.chance.random() < 0.3 else {},
            silent=silent,
        )

    def _home(self) -> dict[str, str]:
        words = {name: self.words.new(PERSONAL) for name in ("street", "city", "first_name", "last_name")}
        return {**words, "postcode": "BA1 1AA", "country_code": "GB"}

    def rename_customer(self, *, silent: bool) -> None:
        if (customer := self.anybody()) is not None:
            self.trade.update_customer(customer, first_name=self.words.new(PERSONAL), silent=silent)

    def change_email(self, *, silent: bool) -> None:
        if (customer := self.anybody()) is not None:
            email = f"{self.words.new(PERSONAL)}@example.com".lower()
            self.trade.update_customer(customer, email=email, silent=silent)

    def move_home(self, *, silent: bool) -> None:
        customer = self.anybody()
        if customer is None:
            return
        homes = self.trade.homes(customer)
        act = self.chance.choice(["add", "update", "delete"]) if homes else "add"
        if act == "add":
            self.trade.add_home(customer, self._home(), silent=silent)
        elif act == "update":
            chosen = self.chance.choice(homes)
            self.trade.move_home(customer, chosen, self.words.new(PERSONAL), silent=silent)
        else:
            self.trade.delete_home(customer, self.chance.choice(homes), silent=silent)

    def regroup(self, *, silent: bool) -> None:
        if (customer := self.anybody()) is not None:
            group = self.chance.choice([WHOLESALE, RETAIL, GUESTS])
            self.trade.set_group(customer, group, silent=silent)

    def exclude_most(self) -> list[str]:
        """Move all but one of the B2B customers to the guests at once, by mistake and silently; return their ids."""
        chosen = sorted(self.trade.trading())[1:]
        for customer in chosen:
            self.trade.set_group(int(customer), GUESTS, silent=True)
        return chosen

    def delete_customer(self, *, silent: bool) -> None:
        if len(self.trade.people()) > 2 and (customer := self.anybody()) is not None:
            self.trade.delete_customer(customer, silent=silent)

    def set_parent(self, *, silent: bool) -> None:
        """Link somebody to any other one, so that there may be circles, or to nobody."""
        if (child := self.anybody()) is not None:
            self._follow(child, self._some_parent().get(PARENT) if self.chance.random() < 0.7 else None, silent=silent)

    def _some_parent(self) -> dict[str, str]:
        somebody = self.anybody()
        return {} if somebody is None else {PARENT: str(somebody)}

    def _follow(self, child: int, parent: str | None, *, silent: bool) -> None:
        self.trade.set_attribute(child, PARENT, parent)
        self.trade.update_customer(child, silent=silent)  # as an import does it: attributes alone tell nobody

    def set_attribute(self, *, silent: bool) -> None:
        del silent  # it is, always
        if (customer := self.anybody()) is not None:
            self.trade.set_attribute(customer, "sparklayer_accounting_id", self.words.new("AC-"))

    def anybody(self) -> int | None:
        """Return a customer, if there is one."""
        people = self.trade.people()
        return self.chance.choice(people) if people else None
