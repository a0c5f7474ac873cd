"""Customers that SparkLayer shall not have: retail ones in a group and in none, and the guests' group. All made up."""

from daemon.sandbox.bigcommerce.customer_records import NO_GROUP
from daemon.sandbox.bigcommerce.store import Store
from daemon.sandbox.samples.groups import GUESTS, RETAIL

COUNTS = {"retail": (RETAIL, 12), "shopper": (NO_GROUP, 30), "guest": (GUESTS, 10)}
"""What they are called, their group, and how many there are."""


def add_other_customers(store: Store) -> None:
    """Add the customers to a store that has the groups."""
    for name, (group_id, count) in COUNTS.items():
        for number in range(1, count + 1):
            home = {"address1": f"{number} Main Street", "city": "Bothell", "postal_code": "98011"}
            state = {"state_or_province": "Washington", "country": "United States", "country_code": "US"}
            who = {"first_name": name.title(), "last_name": f"Number {number}"}
            store.customers.add(
                f"{name}-{number}@example.com",
                group_id=group_id,
                first_name=who["first_name"],
                last_name=who["last_name"],
                addresses=[home | state | who] if number % 2 else [],
                silent=True,
            )
