"""The audit log: who did what to which site, when, and with which result.

`perform` is the only way to an operation that changes something: it checks the operator's role, stores the action
before it begins, and its result afterwards, in the database and as a log line. Secret parameters are not kept.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from attrs import frozen

from daemon.admin.parameters import Params
from daemon.admin.shapes import AuditAnswer, AuditShown
from daemon.errors import CallerError, Invalid, NotAllowed, StorageTrouble
from daemon.model.operators import Operator, Role
from daemon.observability import request_ids
from daemon.observability.logging import log_storage_trouble
from daemon.storage import audit
from daemon.storage.audit import ActionResult, AuditChoice, OperatorAction
from daemon.storage.database import Storage
from daemon.storage.states import AuditOutcome
from daemon.storage.vault import Vault

log = structlog.get_logger()

KEPT_PARAMETERS = ("action", "refresh", "allow_removals", "ids", "store_id", "days")
"""The other parameters that are stored. Of the rest some are secret, so a new one is left out until it stands here."""

MOST_IDS = 100
"""Ids of entities that one row keeps; `changed` or `allowed` in the answer counts them all."""

KEPT_ANSWER = ("run", "changed", "allowed", "state", "until")

LOGGED_NUMBERS = ("refresh", "allow_removals", "days")
LOGGED_WORDS = frozenset({"retry", "drop"})
"""The parameters that the log line has too, and the words of `action`: other texts are the caller's, and stay out."""

MOST_ROWS = 500
MOST_DIGITS = 9
"""Digits of an action's id: far more actions than one database sees, and well within an engine's integers."""


@frozen(kw_only=True)
class AuditLog:
    """Performs actions and keeps them; `now` is the wall clock."""

    storage: Storage
    vault: Vault
    now: Callable[[], float]

    async def perform(
        self, action: str, operation: Callable[[Params], Awaitable[Any]] | None, params: Params, operator: Operator
    ) -> Any:
        """Perform an operation for an operator. Raises NotAllowed if the role does not allow it.

        Without an operation, something is only kept that has happened, which every role may do.
        """
        kept = {name: params[name] for name in KEPT_PARAMETERS if name in params}
        if isinstance(kept.get("ids"), list):
            kept["ids"] = kept["ids"][:MOST_IDS]
        started = OperatorAction(
            at=self.now(),
            operator=operator.name,
            action=action,
            site=_short(params.get("site")),
            kind=_short(params.get("kind")),
            request_id=request_ids.present(),
            encrypted=self.vault.encrypt({"parameters": kept}),
        )
        number = await self.storage.write(audit.begin, started)
        told: dict[str, Any] = {"error": "the daemon stopped, or failed"}
        outcome, answer = AuditOutcome.FAILED, None
        try:
            if operation is not None:
                _check(operator)
                answer = await operation(params)
            outcome, told = AuditOutcome.DONE, {"answer": None}
            if isinstance(answer, dict):
                told = {"answer": {name: answer[name] for name in KEPT_ANSWER if name in answer}}
        except CallerError as error:
            outcome, told = AuditOutcome.REFUSED, {"error": str(error)}
            raise
        except StorageTrouble as error:
            told = {"error": str(error)}
            raise
        except Exception as error:  # raised again: the audit log only names its class
            told = {"error": type(error).__name__}
            raise
        finally:
            fields = _logged(started, params, told.get("answer"))
            log.info("operator acted", operator=operator.name, action=action, outcome=outcome.value, **fields)
            encrypted = self.vault.encrypt({"parameters": kept, **told})
            try:
                await self.storage.write(audit.end, ActionResult(id=number, outcome=outcome, encrypted=encrypted))
            except StorageTrouble as trouble:  # what was done is done, and the row says that it was begun
                log_storage_trouble(trouble)
        return answer

    async def note(self, operator: Operator, action: str) -> None:
        """Keep a login or a logout."""
        await self.perform(action, None, {}, operator)

    async def listed(self, params: Params) -> AuditAnswer:
        """Return the latest actions: {"site"?, "operator"?, "before"?: id} -> {"audit", "more"}.

        At most `MOST_ROWS`; `more` says whether there are older ones. Raises Invalid for an id that is no number.
        """
        before = params.get("before")
        choice = AuditChoice(
            since=self.now() - audit.KEPT,
            limit=MOST_ROWS + 1,
            site=params.get("site"),
            operator=params.get("operator"),
            before=None if before is None else _id(before),
        )
        rows = await self.storage.read(audit.listed, choice)
        return {"audit": [self._shown(row) for row in rows[:MOST_ROWS]], "more": len(rows) > MOST_ROWS}

    def _shown(self, row: audit.AuditRow) -> AuditShown:
        content: Any = self.vault.decrypt(row.encrypted)
        return {
            "id": row.id,
            "at": row.at,
            "operator": row.operator,
            "action": row.action,
            "site": row.site,
            "kind": row.kind,
            "outcome": row.outcome.value,
            "parameters": content.get("parameters", {}),
            "answer": content.get("answer"),
            "error": content.get("error"),
            "request_id": row.request_id,
        }


def _check(operator: Operator) -> None:
    if operator.role is not Role.ACT:
        raise NotAllowed(f"the token {operator.name} may read but not act")


def _id(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS):
        raise Invalid("before: must be the id of an action, as the audit log shows it")
    return int(text)


def _logged(started: OperatorAction, params: Params, answer: Params | None) -> dict[str, Any]:
    """Return the fields of the log line that tell actions apart, and the numbers of the answer."""
    fields: dict[str, Any] = {"site": started.site} if started.site else {}
    fields |= {"kind": started.kind} if started.kind else {}
    if (change := str(params.get("action"))) in LOGGED_WORDS:
        fields["change"] = change
    fields |= {name: params[name] for name in LOGGED_NUMBERS if params.get(name) and isinstance(params[name], int)}
    if isinstance(params.get("ids"), list):
        fields["ids"] = len(params["ids"])
    return fields | (answer or {})


def _short(value: object) -> str | None:
    """Return a site or kind as it was asked for: any text may have been sent."""
    return None if value is None else "".join(c for c in str(value)[:200] if c.isprintable())
