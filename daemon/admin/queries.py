"""Answers about one connection: issues, parked changes, held removals, and the reasons for an entity's state.

Shown as JSON values, and read from the database, so that it is the same whether the daemon runs or not; only the
explanation asks the store too. What it shows may be about persons: it goes to who has the admin token, or the file.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from attrs import asdict

from daemon.admin.reasons import Case, Reason, nothing_known, reasons
from daemon.engine.explanation import Explanation
from daemon.engine.lookup import find
from daemon.engine.runner import ConnectionRunner
from daemon.entities import Issue
from daemon.errors import Failure
from daemon.issues import bounded
from daemon.model import ExternalId, Kind
from daemon.storage import issues as issue_table
from daemon.storage import noted as noted_table
from daemon.storage import parked as parked_table
from daemon.storage import removals as removal_table
from daemon.storage.connections import Stored
from daemon.storage.database import Storage
from daemon.storage.parked import Choice
from daemon.storage.removals import Allow
from daemon.storage.vault import Vault

ACTIONS = {"retry": parked_table.retry, "drop": parked_table.drop}


async def open_issues(storage: Storage, vault: Vault, stored: Stored, kinds: Iterable[Kind]) -> list[dict[str, Any]]:
    """Return the open issues of a connection, kind by kind, the oldest first."""
    found = []
    for kind in kinds:
        for external_id, since, encrypted in await storage.read(issue_table.listed, stored.id, kind):
            content: Any = vault.decrypt(encrypted)
            problems = [{"code": code, "message": message} for code, message in content["problems"]]
            known = {"name": content["name"], "url": content["url"], "since": since, "problems": problems}
            found.append({"site": str(stored.site), "kind": kind.value, "id": external_id, **known})
    return found


async def parked_changes(storage: Storage, vault: Vault, stored: Stored) -> list[dict[str, Any]]:
    """Return the parked changes of a connection, the oldest first."""
    return [
        {
            "site": str(stored.site),
            "kind": one.kind.value,
            "id": one.external_id,
            "attempts": one.attempts,
            "since": one.since,
            "error": vault.decrypt(one.encrypted) if one.encrypted else "",
        }
        for one in await storage.read(parked_table.parked, stored.id)
    ]


async def change_parked(
    storage: Storage, stored: Stored, action: str, kind: Kind | None, ids: Sequence[str], now: float
) -> int:
    """Have parked changes tried again, or give them up (see `ACTIONS`); return how many. Raises StorageTrouble."""
    choice = Choice(connection_id=stored.id, kind=kind, ids=[ExternalId(one) for one in ids], now=now)
    return await storage.write(ACTIONS[action], choice)


async def held_removals(storage: Storage, vault: Vault, stored: Stored, kinds: Iterable[Kind]) -> list[dict[str, Any]]:
    """Return the removals that wait for a person, kind by kind. `name` is empty where the store told none."""
    return [
        {
            "site": str(stored.site),
            "kind": kind.value,
            "id": one.external_id,
            "variant": one.variant or None,
            "name": vault.decrypt(one.encrypted) if one.encrypted else "",
            "cause": one.cause,
            "since": one.since,
        }
        for kind in kinds
        for one in await storage.read(removal_table.listed, stored.id, kind)
    ]


async def allow_removals(storage: Storage, stored: Stored, kind: Kind, ids: Sequence[str], now: float) -> int:
    """Let held removals go; return of how many entities. Raises StorageTrouble."""
    allow = Allow(connection_id=stored.id, kind=kind, ids=[ExternalId(one) for one in ids], now=now)
    return await storage.write(removal_table.allow, allow)


async def explain(stored: Stored, runner: ConnectionRunner, kind: Kind, external_id: str) -> dict[str, Any]:
    """Return what the store says of an entity, what the ledger says, what would be sent, without sending it, and why.

    The `trouble` that kept it from being read is None otherwise.
    """
    context, id_ = runner.context, ExternalId(external_id)
    told, trouble = None, None
    try:
        told = await runner.pipelines[kind].explain(id_)
        trouble = told.trouble
    except Failure as error:
        trouble = str(error)
    noted = await context.storage.read(noted_table.noted, stored.id, kind, id_)
    content: Any = context.vault.decrypt(noted.issue) if noted.issue else {"problems": []}
    blocked = context.blocked(kind)
    case = Case(
        site=str(stored.site),
        kind=kind,
        external_id=external_id,
        platform=context.platform_type.label,
        now=context.now(),
        told=told,
        trouble=trouble,
        noted=noted,
        error=str(context.vault.decrypt(noted.change.encrypted)) if noted.change and noted.change.encrypted else "",
        issue=[Issue(code=code, message=message) for code, message in content["problems"]],
        blocked=None if blocked is None else f"{blocked.side.value}: {blocked.reason}",
    )
    return {
        "site": str(stored.site),
        "kind": kind.value,
        "id": external_id,
        "trouble": trouble,
        "why": [asdict(one) for one in reasons(case)],
        **_sides(told),
    }


def _sides(told: Explanation | None) -> dict[str, Any]:
    """Return what each side says, as JSON values."""
    mapped = told and told.mapped
    store = mapped and {
        "name": mapped.name,
        "url": mapped.url,
        "value": msgspec.to_builtins(mapped.value, str_keys=True),
        "problems": [{"code": problem.code, "message": problem.message} for problem in bounded(mapped.issues)],
    }
    return {
        "belongs_to": told and told.belongs_to,
        "store": store,
        "ledger": told and told.ledger_content,
        "sure": told is not None and told.row is not None and told.row.fingerprint is not None,
        "would_send": [{"what": step.what, "why": step.why} for step in (told.steps if told else ())],
    }


async def explain_called(stored: Stored, runner: ConnectionRunner, kind: Kind, text: str) -> dict[str, Any]:
    """Explain what a person calls `text`; of several only the list: {"site", "kind", "text", "matches"}.

    What nobody knows is explained as such.
    """
    about: dict[str, Any] = {"site": str(stored.site), "kind": kind.value, "text": text, "trouble": None}
    try:
        found = await find(runner.context, kind, text.strip())
    except Failure as error:
        why = Reason("unreadable", f"{runner.context.platform_type.label} cannot be asked now: {error}")
        return {**about, "trouble": str(error), "matches": [], "why": [asdict(why)]}
    matches = [{"id": one.external_id, "by": one.by, "name": one.name} for one in found]
    if not matches:
        return {**about, "matches": [], "why": [asdict(nothing_known(kind, text, runner.context.platform_type.label))]}
    if len(matches) > 1:
        return {**about, "matches": matches}
    return {**about, "matches": matches, **await explain(stored, runner, kind, matches[0]["id"])}
