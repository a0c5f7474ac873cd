"""Sees to it that SparkLayer is never told that something is gone which is in the store, and was there all the time.

What SparkLayer was told of is believed in until an answer of the store could have shown that it is otherwise: whoever
has not been able to see that it is gone has no reason to remove it, and it does not help that the next look adds it
again. Another SKU counts as otherwise, since it may have been somebody else's; so does a SKU on two variants.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

import msgspec
from attrs import define, field

from daemon.entities import Status
from daemon.sandbox.message import Response
from tests.prove.simulation.faults import SHOP
from tests.prove.simulation.network import Call
from tests.prove.simulation.stores.base import Premises

Key = tuple[str, str]
"""Its sort and its id."""

_WRITES = re.compile(
    r"/api/(?:v1/(?P<kind>products|purchases)(?:/sparklayer)?|v2/customers/platform)(?:/(?P<id>[^/]+))?$"
)

_DISCONTINUED, _CANCELLED = Status.DISCONTINUED.value, "cancelled"


@define(eq=False)
class Removals:
    """Watches every request. `breach` is told what must not have happened."""

    premises: Premises
    breach: Callable[..., None]
    _believed: dict[Key, str] = field(factory=dict)
    """Entities that SparkLayer knows, and the SKU that it has for a variant."""

    def sent(self, call: Call) -> None:
        """Nothing is decided yet."""

    def answered(self, call: Call, response: Response) -> None:
        """All was decided already."""

    def over(self, call: Call) -> None:
        """All was decided already."""

    def done(self, call: Call, response: Response) -> None:
        """Note what the store could have shown, or what SparkLayer was told."""
        if call.side == SHOP:
            there = self.premises.there()
            self._believed = {key: sku for key, sku in self._believed.items() if there.get(key) == sku}
        elif response.status < 300:
            for key, sku in _told(call):
                if sku is None and self._believed.pop(key, None) is not None:
                    self.breach("SparkLayer was told that what is in the store all the time is gone:", *key)
                elif sku is not None:
                    self._believed[key] = sku


def _told(call: Call) -> Iterator[tuple[Key, str | None]]:
    """Return what a request tells SparkLayer of, with the SKU of what has one; None of what is gone."""
    request = call.request
    found = _WRITES.match(request.path)
    if found is None or request.method not in {"POST", "PATCH", "PUT", "DELETE"}:
        return
    kind, external_id = found["kind"] or "customers", unquote(found["id"] or "")
    if kind == "customers":
        yield (kind, external_id), None if request.method == "DELETE" else ""
    elif kind == "products" and request.method != "DELETE":
        yield from _variants(msgspec.json.decode(request.body))
    elif kind == "purchases" and external_id:
        packages = msgspec.json.decode(request.body).get("packages") or []
        gone = packages and all(package["type"] == _CANCELLED for package in packages)
        yield (kind, external_id), None if gone else ""


def _variants(product: Mapping[str, Any]) -> Iterator[tuple[Key, str | None]]:
    for variant in product.get("variants", ()):
        gone = variant.get("status") == _DISCONTINUED
        yield ("variants", variant["external_id"]), None if gone else variant.get("sku", "")
