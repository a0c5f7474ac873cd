"""The metafields of a store's products, variants and orders, and every edit of them (bigcommerce.md section 3).

A metafield is known by its resource, namespace and key. Setting one neither announces the resource nor moves its
`date_modified`: that either happens is not documented. It goes with its resource, without a word.
"""

from collections.abc import Sequence
from itertools import count

from daemon.sandbox.bigcommerce import events
from daemon.sandbox.bigcommerce.events import BigCommerceChronicle
from daemon.sandbox.record import Record, record

NAMESPACE = "sparklayer"
LONGEST = 65_535
"""Characters that a value may have."""

SCOPES = {"product": "store/product", "variant": "store/product/variant", "order": "store/order"}
"""Prefixes of the scopes, by type of resource."""

PERMISSIONS = ("app_only", "read", "write", "read_and_sf_access", "write_and_sf_access")


@record("id key value namespace permission_set resource_type resource_id date_created date_modified", description="")
class Metafield(Record):
    """A named text about a resource. One that is `app_only` is seen by the account that made it: not by this API's."""


class MetafieldBook:
    """The metafields of one store, by id."""

    def __init__(self, chronicle: BigCommerceChronicle) -> None:
        self._chronicle = chronicle
        self._ids = count(1)
        self.fields: dict[int, Metafield] = {}
        self._of: dict[tuple[str, int], dict[tuple[str, str], Metafield]] = {}

    def of(self, resource_type: str, resource_id: int) -> Sequence[Metafield]:
        """Return the metafields of a resource (`product`, `variant` or `order`)."""
        return tuple(self._of.get((resource_type, resource_id), {}).values())

    def texts(self, resource_type: str, resource_id: int, namespace: str = NAMESPACE) -> dict[str, str]:
        """Return the metafields of a resource in a namespace as {key: value}."""
        fields = self.of(resource_type, resource_id)
        return {field.key: field.value for field in fields if field.namespace == namespace}

    def set(
        self,
        resource_type: str,
        resource_id: int,
        key: str,
        value: str,
        *,
        namespace: str = NAMESPACE,
        permission_set: str = "read",
        silent: bool = False,
    ) -> int:
        """Give a resource a metafield, or the one it has another value; return its id."""
        if len(value) > LONGEST or permission_set not in PERMISSIONS:
            raise ValueError(f"a value has at most {LONGEST} characters, and a permission is one of {PERMISSIONS}")
        fields, now = self._of.setdefault((resource_type, resource_id), {}), self._chronicle.stamp()
        known = fields.get((namespace, key))
        field = known or Metafield(
            next(self._ids), key, value, namespace, permission_set, resource_type, resource_id, now, now
        )
        field.value, field.permission_set = value, permission_set
        field.date_modified = now if self._chronicle.stamping else field.date_modified
        fields[namespace, key] = self.fields[field.id] = field
        self._announce("updated" if known else "created", field, silent=silent)
        return int(field.id)

    def delete(self, metafield_id: int, *, silent: bool = False) -> None:
        """Delete a metafield."""
        field = self.fields.pop(metafield_id)
        del self._of[field.resource_type, field.resource_id][field.namespace, field.key]
        self._announce("deleted", field, silent=silent)

    def forget(self, resource_type: str, resource_id: int) -> None:
        """Take away the metafields of a resource that is no more."""
        for field in self._of.pop((resource_type, resource_id), {}).values():
            del self.fields[field.id]

    def _announce(self, verb: str, field: Metafield, *, silent: bool) -> None:
        head = SCOPES[field.resource_type]
        announced = events.metafield(head, verb, field.id, field.resource_type, field.resource_id)
        self._chronicle.announce(*announced, silent=silent)
