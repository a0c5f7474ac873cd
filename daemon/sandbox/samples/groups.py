"""The customer groups of the sample stores, by what they are; their ids are the same in every sample."""

from daemon.sandbox.bigcommerce.store import Store

RETAIL, GUESTS, WHOLESALE = 1, 2, 3


def add_groups(store: Store) -> None:
    """Add the groups to a store that has none."""
    added = [
        store.customers.add_group("Retail", default=True),
        store.customers.add_group("Guests", guests=True),
        store.customers.add_group("Wholesale"),
    ]
    if added != [RETAIL, GUESTS, WHOLESALE]:
        raise ValueError("the store had groups")
