"""The edits that can be ordered by name over the control interface: `set_title`, `customers.set_group`, ..."""

from collections.abc import Callable, Iterator
from typing import Any

from daemon.sandbox.bigcommerce.store import Store

VERBS = frozenset(
    {
        *("set", "add", "delete", "move", "recreate", "rotate"),
        *("update", "define"),
        *("place", "ship", "refund", "cancel", "archive"),
    }
)
"""Prefix of an edit's name."""

Edit = Callable[..., Any]


def edits(store: Store) -> dict[str, Edit]:
    """Return every edit of the store and, with the part's name in front, of its parts."""
    parts = {"": store, "customers.": store.customers, "metafields.": store.metafields, "orders.": store.orders}
    return {prefix + name: edit for prefix, part in parts.items() for name, edit in _of(part)}


def _of(part: object) -> Iterator[tuple[str, Edit]]:
    return ((name, getattr(part, name)) for name in dir(type(part)) if name.split("_")[0] in VERBS)
