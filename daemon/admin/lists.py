"""Lists for people, as JSON values: open issues, parked changes, held removals.

All are read from the database, connection by connection and kind by kind, the oldest first.
"""

from collections.abc import Iterable
from typing import Any

from daemon.admin.shapes import IssueShown, ParkedShown, ProblemText, RemovalShown, kind_name
from daemon.model import Kind
from daemon.storage import issues, parked, removals
from daemon.storage.connections import Stored
from daemon.storage.database import Storage
from daemon.storage.vault import Vault


async def open_issues(
    storage: Storage, vault: Vault, chosen: Iterable[Stored], kinds: Iterable[Kind]
) -> list[IssueShown]:
    """Return what merchants must fix."""
    items: list[IssueShown] = []
    for stored in chosen:
        for kind in kinds:
            for external_id, since, encrypted in await storage.read(issues.listed, stored.id, kind):
                content: Any = vault.decrypt(encrypted)
                problems: list[ProblemText] = [
                    {"code": code, "message": message} for code, message in content["problems"]
                ]
                items.append(
                    {
                        "site": str(stored.site),
                        "kind": kind_name(kind),
                        "id": external_id,
                        "name": content["name"],
                        "url": content["url"],
                        "since": since,
                        "problems": problems,
                    }
                )
    return items


async def parked_changes(storage: Storage, vault: Vault, chosen: Iterable[Stored]) -> list[ParkedShown]:
    """Return the changes that used up their retries."""
    return [
        {
            "site": str(stored.site),
            "kind": kind_name(change.kind),
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
    """Return the removals that wait for a person. `name` is empty where the store gave none."""
    return [
        {
            "site": str(stored.site),
            "kind": kind_name(kind),
            "id": removal.external_id,
            "variant": removal.variant or None,
            "name": str(vault.decrypt(removal.encrypted)) if removal.encrypted else "",
            "cause": removal.cause,
            "since": removal.since,
        }
        for stored in chosen
        for kind in kinds
        for removal in await storage.read(removals.listed, stored.id, kind)
    ]
