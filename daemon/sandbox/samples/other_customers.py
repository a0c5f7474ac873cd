"""Customers that SparkLayer shall not have: retail ones in a group and in none, and the guests' group. All made up."""

from collections.abc import Iterator

from daemon.sandbox.company import GUESTS, RETAIL, Customer

COUNTS = {"retail": (RETAIL, 12), "shopper": (0, 30), "guest": (GUESTS, 10)}
"""Name, group and number of the customers."""


def other_customers() -> Iterator[Customer]:
    """Return the customers, group by group."""
    for name, (group, count) in COUNTS.items():
        for number in range(1, count + 1):
            home = {"street": f"{number} Main Street", "city": "Bothell", "postcode": "98011"}
            state = {"state": "Washington", "country": "United States", "country_code": "US"}
            yield Customer(
                email=f"{name}-{number}@example.com",
                group=group,
                first_name=name.title(),
                last_name=f"Number {number}",
                addresses=[home | state] if number % 2 else [],
            )
