"""Customers through the real process: every change of them arrives, and so does that they are B2B customers no more.

Attributes tell nobody that they changed, so they arrive with the next read of everything.
"""

from collections.abc import Callable, Mapping

from daemon.sandbox import Store
from daemon.sandbox.bigcommerce.customer_book import NO_GROUP
from daemon.sandbox.company import GUESTS, RETAIL, WHOLESALE
from tests.e2e.harness import OpenHarness
from tests.e2e.trade import BUYER, HEAD, HOME, PARENT, SHOP, problems, trade_store


def _swap(store: Store) -> None:
    first, second = (store.customers.get(one).email for one in (HEAD, SHOP))
    store.customers.update(HEAD, email=second)
    store.customers.update(SHOP, email=first)


def _a_new_group(store: Store) -> None:
    store.customers.set_group(SHOP, store.customers.add_group("Gold"))
    store.customers.set_attribute(SHOP, "group", "gold")


def _a_family(store: Store) -> None:
    child = store.customers.add("child@example.com", group_id=WHOLESALE)
    parent = store.customers.add("parent@example.com", group_id=WHOLESALE)
    store.customers.set_attribute(child, PARENT, str(parent))


def _again(store: Store) -> None:
    old = store.customers.by_email("head@example.com")
    store.customers.delete(old.id)
    store.customers.add(old.email, group_id=WHOLESALE, addresses=[HOME])


def _relieved(store: Store) -> None:
    old = store.customers.by_email("head@example.com")
    store.customers.update(BUYER, email=old.email, customer_group_id=WHOLESALE)
    store.customers.update(old.id, email="private@example.com", customer_group_id=NO_GROUP)


def _many_addresses(store: Store) -> None:
    for number in range(12):
        store.customers.add_address(SHOP, **HOME | {"address2": f"Door {number}"})


def _first_address(store: Store, customer: int) -> int:
    return int(next(iter(store.customers.people[customer].addresses)))


EDITS: Mapping[str, Callable[[Store], object]] = {
    "renamed": lambda store: store.customers.update(HEAD, first_name="Ann", last_name="Lee", company="Lee & Sons"),
    "company name taken away": lambda store: store.customers.update(HEAD, company=""),
    "joins a group": lambda store: store.customers.set_group(BUYER, WHOLESALE),
    "goes to another group": lambda store: store.customers.set_group(BUYER, RETAIL),
    "leaves for the guests": lambda store: store.customers.set_group(BUYER, GUESTS),
    "joins again": lambda store: store.customers.set_group(BUYER, WHOLESALE),
    "leaves": lambda store: store.customers.set_group(BUYER, NO_GROUP),
    "joins a group that nobody has heard of": _a_new_group,
    "e-mail": lambda store: store.customers.update(SHOP, email="Shop@Example.org"),
    "e-mails swapped": _swap,
    "address added": lambda store: store.customers.add_address(HEAD, **HOME | {"address2": "Yard"}),
    "address changed": lambda store: store.customers.update_address(_first_address(store, HEAD), city="Bristol"),
    "address emptied in part": lambda store: store.customers.update_address(_first_address(store, HEAD), address2=""),
    "address deleted": lambda store: store.customers.delete_address(_first_address(store, HEAD)),
    "more than ten addresses": _many_addresses,
    "one of many deleted": lambda store: store.customers.delete_address(_first_address(store, SHOP)),
    "a child and its parent after it": _a_family,
    "parent leaves": lambda store: store.customers.set_group(HEAD, NO_GROUP),
    "parent comes back": lambda store: store.customers.set_group(HEAD, WHOLESALE),
    "deleted": lambda store: store.customers.delete(SHOP),
    "added with the e-mail of the deleted": lambda store: store.customers.add(
        "head@example.com", group_id=WHOLESALE, addresses=[HOME]
    ),
    "deleted and added again at once": _again,
    "one joins with the e-mail of one who leaves": _relieved,
    "group deleted": lambda store: store.customers.delete_group(WHOLESALE),
}


async def test_every_edit_arrives(harness: OpenHarness) -> None:
    """One after the other, in one store, so that each starts from what the ones before it have left."""
    async with harness(trade_store()) as h:
        await h.first_sync()
        for name, edit in EDITS.items():
            edit(h.store)
            await h.settle()
            assert h.unequal == [], name
        await h.until(lambda: not problems(h, "customers"))
        assert h.state.comparable()["customers"] == {}, "nobody is in a group any more"
