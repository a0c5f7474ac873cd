"""A running daemon as the command line sees it: /admin over HTTP, decoded.

What holds: every way in which a call can fail ends as an error whose text is one line: `UnreachableError` when no
daemon answers, `RefusedError` when one answers but will not do it, ConfigError when there is no token to ask with.
Plain blocking calls of the standard library: a command does one thing at a time.

The shapes below are those of GET /admin/status; `daemon.admin.status` reads the same from the database.
"""

import contextlib
import http.client
import json
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from daemon.config import ListenerSettings
from daemon.errors import ConfigError
from daemon.model import Secret

_TIMEOUT_SECONDS = 30.0
_BACKUP_SECONDS = 600.0
"""Until the first byte of a backup: the daemon copies and checks the whole database before."""
_PIECE = 256 * 1024
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  what is listened on, and how to call it


class UnreachableError(Exception):
    """No daemon answers at the configured address."""


class RefusedError(Exception):
    """What answers is no daemon of ours, or refuses the call."""


class UnderWayError(RefusedError):
    """A full sync of that kind is on its way already, or there is none to cancel."""


class Waiting(msgspec.Struct, frozen=True):
    """Rows of one kind in the outbox, by lane; `oldest_seconds` is how long the oldest of them waits."""

    live: int
    backfill: int
    parked: int
    oldest_seconds: float | None = None


class HeldUp(msgspec.Struct, frozen=True, kw_only=True):
    """An entity that a run waits for: how often it was tried, and the last error."""

    id: str
    attempts: int
    error: str = ""


class FullSync(msgspec.Struct, frozen=True, kw_only=True):
    """The latest run of one kind; over once it has a `finished_at`. `total_hint` may be a little off.

    `held_removals` are those that waited for a person when it ended. `held_up` entities are tried again and keep the
    run from its end; `held_up_by` has some of them.
    """

    id: int
    state: str
    done: int
    failed: int
    held_removals: int = 0
    total_hint: int | None = None
    finished_at: float | str | None = None
    succeeded: bool | None = None
    held_up: int = 0
    held_up_by: tuple[HeldUp, ...] = ()


class Gap(msgspec.Struct, frozen=True):
    """A gap in the webhooks; a reading that begins at `due_at` or later closes it."""

    due_at: float


class KindStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How one kind of a connection does. `blocked` is why it alone is paused, or None.

    With a `gap`, webhooks may have been missing, and everything is read soon.

    Of as many entities as `held_removals` a removal waits for a person.
    """

    outbox: Waiting
    full_sync: FullSync | None = None
    issues: int = 0
    ledger: int = 0
    held_removals: int = 0
    blocked: str | None = None
    gap: Gap | None = None


class MissingWebhook(msgspec.Struct, frozen=True):
    """A scope whose webhook is not registered; `why` in the platform's words."""

    scope: str
    why: str = ""


class WebhookStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Registration of the webhooks; `trouble` is why that could not be seen since `looked_at`."""

    registered: int
    missing: tuple[MissingWebhook, ...] = ()
    trouble: str | None = None
    looked_at: float | None = None


class ThrottleStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Throttle of an API: the seconds for which the whole API, or single requests, still wait after refusals."""

    api: str
    pause: float = 0.0
    held_back: int = 0
    held_seconds: float = 0.0


class ConnectionStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Status of a connection. `blocked` is why it is paused, or None; `webhooks` is None when none are registered."""

    site: str
    state: str
    blocked: str | None = None
    webhooks: WebhookStatus | None = None
    kinds: dict[str, KindStatus]
    throttles: tuple[ThrottleStatus, ...] = ()


class Status(msgspec.Struct, frozen=True):
    """All of /admin/status that is shown."""

    connections: list[ConnectionStatus]

    def full_sync(self, site: str, kind: str) -> FullSync | None:
        """Return the latest run of `kind` at `site`, if both are known and there was one."""
        found = (each.kinds[kind].full_sync for each in self.connections if each.site == site and kind in each.kinds)
        return next(found, None)


class Daemon:
    """Calls the daemon that `listener` configures. `timeout` is how many seconds each call may take."""

    def __init__(self, listener: ListenerSettings, timeout: float = _TIMEOUT_SECONDS) -> None:
        self._timeout = timeout
        self.address = f"{listener.host}:{listener.port}"
        self._host = _EVERYWHERE.get(listener.host, listener.host)
        self._port = listener.port
        self._token = listener.admin_token

    def start(self, site: str, kind: str, *, refresh: bool, allow_removals: bool) -> int:
        """Start a full sync and return the id of its run. Raises UnderWayError when one is on its way already."""
        order = {"site": site, "kind": kind, "refresh": refresh, "allow_removals": allow_removals}
        answer = self._call("POST", "/admin/sync", order)
        if not isinstance(answer, dict) or not isinstance(answer.get("run"), int):
            raise RefusedError(self._not_ours())
        return int(answer["run"])

    def cancel(self, site: str, kind: str) -> int:
        """End the full sync that is on its way and return its id. Raises UnderWayError when there is none."""
        answer = self._call("POST", "/admin/sync/cancel", {"site": site, "kind": kind})
        if not isinstance(answer, dict) or not isinstance(answer.get("run"), int):
            raise RefusedError(self._not_ours())
        return int(answer["run"])

    def issues(self, site: str | None) -> Any:
        """Return /admin/issues, of one site or of all."""
        return self._call("GET", f"/admin/issues{_query(site)}")

    def parked(self, site: str | None) -> Any:
        """Return /admin/parked, of one site or of all."""
        return self._call("GET", f"/admin/parked{_query(site)}")

    def change_parked(self, action: str, site: str, kind: str | None, ids: Sequence[str]) -> Any:
        """Have parked changes tried again ("retry") or given up ("drop"); no ids: all."""
        order = {"action": action, "site": site, "ids": list(ids)} | ({"kind": kind} if kind else {})
        return self._call("POST", "/admin/parked", order)

    def removals(self, site: str, kind: str | None) -> Any:
        """Return /admin/removals: what waits for a person at a site, of one kind or of all."""
        return self._call("GET", f"/admin/removals{_query(site)}{f'&kind={quote(kind)}' if kind else ''}")

    def allow_removals(self, site: str, kind: str, ids: Sequence[str]) -> Any:
        """Let held removals go."""
        return self._call("POST", "/admin/removals", {"site": site, "kind": kind, "ids": list(ids)})

    def explain(self, site: str, kind: str, text: str, *, by_id: bool = False) -> Any:
        """Return why what a person calls `text`, or has that id, is as it is; the store is asked for it."""
        return self._call("POST", "/admin/explain", {"site": site, "kind": kind, "id" if by_id else "text": text})

    def connect(self, site: str, store_id: str | None, client_id: str, client_secret: Secret) -> Any:
        """Connect a site; the answer has a `redirect_url` when the platform's app must be installed first."""
        order = {"site": site, "client_id": client_id, "client_secret": client_secret.reveal()}
        return self._call("POST", "/admin/connect", order | ({"store_id": store_id} if store_id else {}))

    def disconnect(self, site: str) -> Any:
        """Disconnect a site."""
        return self._call("POST", "/admin/disconnect", {"site": site})

    def backup(self) -> Iterator[bytes]:
        """Return the pieces of a copy of the database; the errors come with the first one or later."""
        with self._asked("POST", "/admin/backup", {}, _BACKUP_SECONDS) as response:
            if response.status != http.client.OK:
                self._decoded(response.status, response.read())
                raise RefusedError(self._not_ours())
            left = response.length or 0
            while piece := response.read(_PIECE):
                left -= len(piece)
                yield piece
            if left:
                raise RefusedError("the daemon ended before the backup was whole; there is no new backup")

    def status(self) -> Any:
        """Return /admin/status as JSON values; `decode_status` types them."""
        return self._call("GET", "/admin/status")

    def _call(self, method: str, path: str, order: object = None) -> Any:
        with self._asked(method, path, order, self._timeout) as response:
            return self._decoded(response.status, response.read())

    @contextlib.contextmanager
    def _asked(self, method: str, path: str, order: object, seconds: float) -> Iterator[http.client.HTTPResponse]:
        """Send a request and lend the answer; what goes wrong, also while it is read, is worded."""
        if not self._token:
            raise ConfigError("listener.admin_token is not set; give the daemon and this command the same one")
        bearer = f"Bearer {self._token.reveal()}".encode()
        headers: dict[str, str | bytes] = {"Authorization": bearer, "Content-Type": "application/json"}
        body = None if order is None else json.dumps(order)
        connection = http.client.HTTPConnection(self._host, self._port, timeout=seconds)
        try:
            connection.request(method, path, body, headers)
            yield connection.getresponse()
        except OSError as error:
            reason = error.strerror or "timed out"
            raise UnreachableError(f"no daemon answers at {self._host}:{self._port} ({reason})") from None
        except http.client.HTTPException:
            raise RefusedError(self._not_ours()) from None
        finally:
            connection.close()

    def _decoded(self, status: int, body: bytes) -> Any:
        try:
            answer = json.loads(body)
        except ValueError:
            raise RefusedError(self._not_ours()) from None
        if status == http.client.UNAUTHORIZED:
            raise RefusedError("the running daemon has another admin_token: start this command with the same settings")
        if status >= http.client.BAD_REQUEST:
            problem = answer if isinstance(answer, dict) else {}
            text = problem.get("detail") or problem.get("title") or "no reason given"
            kind = UnderWayError if status == http.client.CONFLICT else RefusedError
            raise kind(f"the daemon refuses ({status}): {' '.join(str(text).split())}")
        return answer

    def _not_ours(self) -> str:
        return f"what answers at {self._host}:{self._port} is not this version of Ignite Sync: check listener.port"


def _query(site: str | None) -> str:
    return f"?site={quote(site, safe='/')}" if site else ""


def decode_status(answer: Any) -> Status:
    """Type the JSON values of /admin/status. Raises RefusedError when they have another shape."""
    try:
        return msgspec.convert(answer, Status)
    except msgspec.ValidationError as error:
        raise RefusedError(f"the status has a form that this version does not know: {error}") from None
