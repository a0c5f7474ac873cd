"""The AdventureWorks company as a whole: its catalogue, its customers, rules for ordering, and orders."""

from msgspec.structs import replace

from daemon.sandbox.company import Company
from daemon.sandbox.samples.adventureworks import catalogue
from daemon.sandbox.samples.trade_customers import other_customers, trade_customers
from daemon.sandbox.samples.trade_orders import SCRIPT, trade_orders


def adventureworks() -> Company:
    """Return the company."""
    first, *others = catalogue()
    company = Company(
        name="Adventure Works Cycles",
        products=[replace(first, foreign={"rrp": "1"}), *others],
        customers=[*trade_customers(), *other_customers()],
    )
    return replace(company, orders=list(trade_orders(company)))


def excerpt() -> Company:
    """Return the company with only the first customers and their orders, what these sold, and what has no SKU."""
    company = adventureworks()
    orders = company.orders[: len(SCRIPT)]
    sold = {line["sku"] for order in orders for line in order.lines if "sku" in line}
    return replace(
        company,
        products=[product for product in company.products if {row.sku for row in product.variants} & {"", *sold}],
        customers=company.customers[: len(SCRIPT)],
        orders=orders,
    )
