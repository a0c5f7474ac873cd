"""Explains an entity: the content of both sides, what would be sent, and why. Nothing is sent to SparkLayer.

The store is read, and the database. The answers are JSON values, and may contain personal data.
"""

import contextlib
from typing import Any

import msgspec
from attrs import asdict

from daemon.admin.history import of_entity
from daemon.admin.reasons import Case, Reason, nothing_known, reasons
from daemon.engine.explanation import find
from daemon.engine.runner import ConnectionRunner
from daemon.entities import Issue
from daemon.errors import Failure
from daemon.issues import bounded
from daemon.model import ExternalId, Kind
from daemon.platforms.base import Match
from daemon.storage import overview


async def explain(runner: ConnectionRunner, kind: Kind, external_id: str) -> dict[str, Any]:
    """Explain the entity with this id; `trouble` is why it could not be read or mapped, else None."""
    context, id_ = runner.context, ExternalId(external_id)
    told, trouble = None, None
    try:
        told = await runner.pipelines[kind].explain(id_)
        trouble = told.trouble
    except Failure as error:
        trouble = str(error)
    noted = await context.storage.read(overview.noted, context.connection.id, kind, id_)
    content: Any = context.vault.decrypt(noted.issue) if noted.issue else {"problems": []}
    blocked = context.blocked(kind)
    case = Case(
        site=str(context.connection.site),
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
    mapped = told and told.mapped
    store = mapped and {
        "name": mapped.name,
        "url": mapped.url,
        "value": msgspec.to_builtins(mapped.value, str_keys=True),
        "problems": [{"code": problem.code, "message": problem.message} for problem in bounded(mapped.issues)],
    }
    return {
        "site": case.site,
        "kind": kind.value,
        "id": external_id,
        "trouble": trouble,
        "why": [asdict(reason) for reason in reasons(case)],
        "settlements": await of_entity(context.storage, context.connection.id, kind, id_, case.now),
        "belongs_to": told and told.belongs_to,
        "store": store,
        "ledger": told and told.ledger_content,
        "sure": told is not None and told.row is not None and told.row.fingerprint is not None,
        "would_send": [{"what": step.what, "why": step.why} for step in (told.steps if told else ())],
    }


async def explain_called(runner: ConnectionRunner, kind: Kind, text: str) -> dict[str, Any]:
    """Explain the entity that people call `text`; if there are several, return only their list.

    The list is {"site", "kind", "text", "matches"}. An entity that neither side has is explained as such.
    """
    context = runner.context
    about: dict[str, Any] = {"site": str(context.connection.site), "kind": kind.value, "text": text, "trouble": None}
    try:
        matched = await find(context, kind, text.strip())
    except Failure as error:
        why = Reason("unreadable", f"{context.platform_type.label} cannot be asked now: {error}")
        return {**about, "trouble": str(error), "matches": [], "why": [asdict(why)]}
    if not matched:
        return {**about, "matches": [], "why": [asdict(nothing_known(kind, text, context.platform_type.label))]}
    if len(matched) > 1:
        names = [match.name or await _name(runner, kind, match) for match in matched]
        return {**about, "matches": [_shown(match, name) for match, name in zip(matched, names, strict=True)]}
    told = await explain(runner, kind, matched[0].external_id)
    name = matched[0].name or (told["store"] or {}).get("name", "")
    return {**about, "matches": [_shown(matched[0], name)], **told}


def _shown(match: Match, name: str) -> dict[str, str]:
    return {"id": match.external_id, "by": match.by, "name": name}


async def _name(runner: ConnectionRunner, kind: Kind, match: Match) -> str:
    """Return the name of an entity that was found by its id or in SparkLayer; "" if the store has no name for it."""
    with contextlib.suppress(Failure):
        told = await runner.pipelines[kind].explain(match.external_id)
        return told.mapped.name if told.mapped else ""
    return ""
