"""Short builders of a bench's customers."""

from typing import Any

from daemon.entities import Address, Customer
from daemon.model import AddressId, ExternalId
from tests.engine.fakes import Bench

HOME = Address(address_line1="1 High Street", city="Bath", country_code="GB")


def customer(external_id: str, **fields: Any) -> Customer:
    known: dict[str, Any] = {
        "email": f"buyer{external_id}@example.com",
        "addresses": {AddressId(f"{external_id}1"): HOME},
    }
    return Customer(external_id=ExternalId(external_id), **{**known, **fields})


def held(bench: Bench) -> dict[str, Any]:
    found: dict[str, Any] = bench.site.state.comparable()["customers"]
    return found


def emails(bench: Bench) -> dict[str, str]:
    return {external_id: one["email"] for external_id, one in held(bench).items()}


async def put(bench: Bench, *customers: Customer) -> None:
    bench.shop.put(*customers)
    await bench.change(*(one.external_id for one in customers))
    await bench.work()


def refused_writes(bench: Bench) -> list[str]:
    """Return SparkLayer's refusals, except the 404s for customers not created yet."""
    return [one for one in bench.refused if not one.startswith("GET ")]


async def lose_ledger(bench: Bench) -> None:
    for table in ("ledger", "owners"):
        await bench.harness.alter(table, "connection_id = 999")
