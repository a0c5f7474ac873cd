"""Lists for people, as JSON values: open issues, parked changes, held removals.

All are read from the database, connection by connection and kind by kind, the oldest first.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from daemon.admin.shapes import IssueShown, ParkedShown, RemovalShown
from daemon.engine.writers.products.diff import ProductParts
from daemon.model import ExternalId, Kind
from daemon.storage import issues, ledger, parked, removals
from daemon.storage.connections import Stored
from daemon.storage.database import Storage
from daemon.storage.vault import Vault

MOST_SKUS = 3
"""SKUs that stand in place of a product's name."""

_decoder = msgspec.msgpack.Decoder(ProductParts)


async def open_issues(
    storage: Storage, vault: Vault, chosen: Iterable[Stored], kinds: Iterable[Kind]
) -> list[IssueShown]:
    """Return what merchants must fix."""
    items: list[IssueShown] = []
    for stored in chosen:
        for kind in kinds:
            for external_id, since, encrypted in await storage.read(issues.listed, stored.id, kind):
                content: Any = vault.decrypt(encrypted)
                items.append(
                    {
                        "site": str(stored.site),
                        "kind": kind,
                        "id": external_id,
                        "name": content["name"],
                        "url": content["url"],
                        "since": since,
                        "problems": [{"code": code, "message": message} for code, message in content["problems"]],
                    }
                )
    return items


async def parked_changes(storage: Storage, vault: Vault, chosen: Iterable[Stored]) -> list[ParkedShown]:
    """Return the changes that used up their retries."""
    return [
        {
            "site": str(stored.site),
            "kind": change.kind,
            "id": change.external_id,
            "attempts": change.attempts,
            "since": change.since,
            "error": str(vault.decrypt(change.encrypted)) if change.encrypted else "",
        }
        for stored in chosen
        for change in await storage.read(parked.parked, stored.id)
    ]


async def held_removals(
    storage: Storage, vault: Vault, chosen: Iterable[Stored], kinds: Iterable[Kind]
) -> list[RemovalShown]:
    """Return the removals that wait for a person.

    The store names no deleted entity. Then `name` has the SKUs of a product, and is empty for the other kinds.
    """
    items: list[RemovalShown] = []
    for stored in chosen:
        for kind in kinds:
            held = await storage.read(removals.listed, stored.id, kind)
            entries = await _unnamed_products(storage, stored, held) if kind is Kind.PRODUCTS else {}
            items += [
                {
                    "site": str(stored.site),
                    "kind": kind,
                    "id": removal.external_id,
                    "variant": removal.variant or None,
                    "name": str(vault.decrypt(removal.encrypted))
                    if removal.encrypted
                    else _by_skus(removal, entries.get(removal.external_id)),
                    "cause": removal.cause,
                    "since": removal.since,
                }
                for removal in held
            ]
    return items


async def _unnamed_products(
    storage: Storage, stored: Stored, held: Iterable[removals.Shown]
) -> dict[ExternalId, ProductParts]:
    """Return what SparkLayer was told of the products without a name."""
    ids = {removal.external_id for removal in held if not removal.encrypted}
    rows = await storage.read(ledger.look_up, stored.id, Kind.PRODUCTS, ids) if ids else {}
    return {external_id: _decoder.decode(row.parts) for external_id, row in rows.items()}


def _by_skus(removal: removals.Shown, entry: ProductParts | None) -> str:
    """Return the first SKUs of a product, or of the variant that is removed, in place of a name."""
    if entry is None:
        return ""
    skus = sorted(entry.variants.get(removal.variant, ()) if removal.variant else entry.skus)
    more = f" and {len(skus) - MOST_SKUS} more" if len(skus) > MOST_SKUS else ""
    return f"SKU{'s' if len(skus) > 1 else ''} {', '.join(skus[:MOST_SKUS])}{more}" if skus else ""
