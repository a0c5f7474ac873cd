"""The edits that can be ordered by name over the control interface: `set_title`, `orders.set_tracking`, ..."""

from collections.abc import Callable, Iterator
from typing import Any

from daemon.sandbox.woocommerce.shop import Shop

VERBS = frozenset(
    {
        *("set", "add", "delete", "move", "trash", "restore", "empty", "rename"),
        *("update", "place", "refund", "cancel"),
    }
)
"""Prefix of an edit's name."""

Edit = Callable[..., Any]


def edits(shop: Shop) -> dict[str, Edit]:
    """Return every edit of the shop and, with the part's name in front, of its parts."""
    parts = {"": shop, "customers.": shop.customers, "orders.": shop.orders}
    return {prefix + name: edit for prefix, part in parts.items() for name, edit in _of(part)}


def _of(part: object) -> Iterator[tuple[str, Edit]]:
    return ((name, getattr(part, name)) for name in dir(type(part)) if name.split("_")[0] in VERBS)
