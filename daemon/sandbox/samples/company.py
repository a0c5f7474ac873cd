"""The AdventureWorks company as a whole: its catalogue, its customers, rules for ordering, and orders."""

from daemon.sandbox.bigcommerce.store import Store
from daemon.sandbox.samples.adventureworks import adventureworks_catalogue
from daemon.sandbox.samples.groups import add_groups
from daemon.sandbox.samples.order_rules import add_order_rules
from daemon.sandbox.samples.other_customers import add_other_customers
from daemon.sandbox.samples.trade_customers import add_trade_customers
from daemon.sandbox.samples.trade_orders import add_orders

OPENED = 1_767_225_600
"""When everything but the orders came into being: 2026-01-01T00:00:00Z."""


def adventureworks() -> Store:
    """Return the store, filled."""
    store = adventureworks_catalogue()
    with store.at(OPENED):
        add_groups(store)
        add_trade_customers(store)
        add_other_customers(store)
        add_order_rules(store)
    add_orders(store, since=OPENED)
    return store
