"""Builds the writers of one connection."""

from collections.abc import Mapping
from typing import Any

from daemon.engine.context import ConnectionContext
from daemon.engine.writers.customers.writer import CustomerWriter
from daemon.engine.writers.orders import OrderWriter
from daemon.engine.writers.products.terms import SiteTerms
from daemon.engine.writers.products.writer import ProductWriter
from daemon.engine.writers.store import StoreWriter
from daemon.engine.writers.writer import Writer
from daemon.model import Kind


def build_writers(context: ConnectionContext) -> Mapping[Kind, Writer[Any, Any]]:
    """Return the writers of the kinds that are synced, and give each to its kind's state, for the hooks."""
    # The price list is the products', and keeps the currency that the store's settings name.
    terms = SiteTerms(context)
    writers: tuple[Writer[Any, Any], ...] = (
        StoreWriter(context, terms),
        ProductWriter(context, terms),
        CustomerWriter(context),
        OrderWriter(context),
    )
    for writer in writers:
        if writer.kind in context.kind_states:
            context.kind_states[writer.kind].writer = writer
    return {writer.kind: writer for writer in writers if writer.kind in context.kind_states}
