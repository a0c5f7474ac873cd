"""Writes the merchant's Data Sync screen: the times of full syncs, and the entities that could not be synced.

PUT replaces everything and clears omitted timestamps. PATCH adds errors, resolves those of the ids named as synced, and
may carry the end of a full sync (sparklayer.md section 8). A log holds at most 5,000 errors, and each `external_id`
once. That a PATCH names the shared fields as a PUT does is inferred. The engine decides when to write, with one
writer per data type.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from urllib.parse import quote

import trio
from attrs import astuple, frozen

from daemon.errors import Retry
from daemon.model import LOGGED_KINDS, Lane
from daemon.sparklayer.client import Client, encode_json, without_none
from daemon.sparklayer.inferred import SYNC_ERROR_NAMES
from daemon.sparklayer.operation import NOTHING, UNSEEN, About, Operation, one_with
from daemon.sparklayer.operation import SYNC_LOG as CONTROL
from daemon.transport.second_answer import SECOND_AFTER, finds

PUT = Operation(
    name="updateFullLoggingStatus",
    method="PUT",
    answers=UNSEEN,
    creating=True,
    bulk=True,
    control=CONTROL,
    about=About.BODY,
)
PATCH = Operation(
    name="updatePartialLoggingStatus", method="PATCH", answers=UNSEEN, bulk=True, control=CONTROL, about=About.BODY
)
DELETE = Operation(name="deleteAllLoggingStatus", method="DELETE", answers=NOTHING, names_nothing=True, control=CONTROL)
READ = Operation(
    name="getLoggingStatus",
    method="GET",
    answers=one_with("started_full_sync", "last_full_sync", "last_full_sync_succeeded"),
    control=CONTROL,
)
PATH = "/api/v1/sync-log"


@frozen(kw_only=True)
class SyncError:
    """An error that the merchant must fix at one entity; `visible_id` is the entity's name for people."""

    external_id: str
    external_url: str
    visible_id: str
    title: str
    message: str


class SyncLog:
    """Writes the sync-log of one site under the name `integration`; `resolved_field` is a guess, see `inferred`."""

    def __init__(self, client: Client, *, integration: str, resolved_field: str) -> None:
        self._client = client
        self._integration = integration
        self._resolved_field = resolved_field

    async def put(
        self,
        data_type: str,
        *,
        started_full_sync: float | None,
        last_full_sync: float | None,
        succeeded: bool | None,
        errors: Sequence[SyncError],
    ) -> None:
        """Replace a data type's whole record; None clears a field. Times are seconds since the epoch."""
        content = {
            "started_full_sync": _stamp(started_full_sync),
            "last_full_sync": _stamp(last_full_sync),
            "last_full_sync_succeeded": succeeded,
            "errors": [dict(zip(SYNC_ERROR_NAMES, astuple(error), strict=True)) for error in errors],
        }
        await self._client.call(PUT, self._path(data_type), Lane.LIVE, encode_json(without_none(content)))

    async def patch(
        self,
        data_type: str,
        *,
        errors: Sequence[SyncError],
        resolved: Sequence[str],
        last_full_sync: float | None = None,
        succeeded: bool | None = None,
    ) -> None:
        """Add errors, resolve those of the external ids `resolved`, and end the full sync if a time is given.

        Raises Missing before the first PUT. No id may be in both lists.
        """
        content = {
            "last_full_sync": _stamp(last_full_sync),
            "last_full_sync_succeeded": succeeded,
            "errors": [dict(zip(SYNC_ERROR_NAMES, astuple(error), strict=True)) for error in errors] or None,
            self._resolved_field: list(resolved) or None,
        }
        await self._client.call(PATCH, self._path(data_type), Lane.LIVE, encode_json(without_none(content)))

    async def delete_all(self) -> None:
        """Wipe the log of all integrations and data types of the site: the API has no smaller deletion.

        Raises Retry if a log of this integration is still there two seconds later.
        """
        await self._client.call(DELETE, PATH, Lane.LIVE)
        # The answer to a deletion has no body, so it may be a proxy's.
        await trio.sleep(SECOND_AFTER)
        for kind in sorted(LOGGED_KINDS):
            if await finds(partial(self._client.call, READ, self._path(kind.value), Lane.LIVE)):
                raise Retry("SparkLayer still has the sync-log after its deletion", reason="not_deleted")

    def _path(self, data_type: str) -> str:
        return f"{PATH}/{quote(self._integration, safe='')}/{quote(data_type, safe='')}"


def _stamp(seconds: float | None) -> str | None:
    """Return RFC 3339 in UTC with whole seconds, as in the documented example."""
    return None if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
