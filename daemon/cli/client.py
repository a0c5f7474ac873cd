"""A running daemon as the command line sees it: /admin over HTTP, decoded.

Every failed call ends as an error of one line: `UnreachableError` if no daemon answers, `RefusedError` if one answers
but refuses, ConfigError if there is no token. The calls block, since a command does one thing at a time.

Answers are the JSON values of /admin (docs/http.md). `offline` has the same from the database file.
"""

import contextlib
import http.client
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import click

from daemon.cli.group import Stop, load_settings
from daemon.cli.output import printable, say
from daemon.config import ListenerSettings
from daemon.errors import ConfigError
from daemon.model import Secret

_TIMEOUT_SECONDS = 30.0
_BACKUP_SECONDS = 600.0
"""Time until the first byte of a backup: the daemon first copies and checks the whole database."""
_PIECE = 256 * 1024
_UNGUARDED = "No admin token is configured"
"""Words of a daemon that refuses every call to /admin because its settings have no token."""
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  an address to listen on, and one to call


class UnreachableError(Stop):
    """No daemon answers at the configured address; `reason` says so without the remedy."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}; start it with: ignite-sync run")
        self.reason = reason


class RefusedError(Stop):
    """The daemon refuses the call, or another program answers."""


class UnderWayError(RefusedError):
    """A full sync of that kind is already running, or there is none to cancel."""


class DaemonClient:
    """Calls the daemon that `listener` configures. Each call may take `timeout` seconds."""

    def __init__(self, listener: ListenerSettings, timeout: float = _TIMEOUT_SECONDS) -> None:
        self._timeout = timeout
        self.address = f"{listener.host}:{listener.port}"
        self._host = _EVERYWHERE.get(listener.host, listener.host)
        self._port = listener.port
        self._token = listener.command_token

    def start(self, site: str, kind: str, *, refresh: bool, allow_removals: bool) -> int:
        """Start a full sync and return its id. Raises UnderWayError if one is already running."""
        order = {"site": site, "kind": kind, "refresh": refresh, "allow_removals": allow_removals}
        return self._run("/admin/sync", order)

    def cancel(self, site: str, kind: str) -> int:
        """Cancel the running full sync and return its id. Raises UnderWayError if there is none."""
        return self._run("/admin/sync/cancel", {"site": site, "kind": kind})

    def set_pause(self, site: str, *, paused: bool) -> Any:
        """Pause or resume a connection."""
        return self._call("POST", "/admin/pause" if paused else "/admin/resume", {"site": site})

    def issues(self, site: str | None) -> Any:
        """Return the open issues of a site, or of all sites."""
        return self._call("GET", f"/admin/issues{_query(site)}")

    def link_issues(self, site: str, days: int | None) -> Any:
        """Make a link to a site's issues; without a public URL its `url` is for this machine."""
        answer = self._call("POST", "/admin/issues/link", {"site": site} | ({} if days is None else {"days": days}))
        with _known_format():
            return answer | {"url": answer["url"] or f"http://{self._host}:{self._port}{answer['path']}"}

    def audit(self, site: str | None, operator: str | None, before: int | None) -> Any:
        """Return what operators did, if given at a site, by one operator, or before an action."""
        chosen = {"site": site, "operator": operator, "before": before}
        query = urlencode({name: each for name, each in chosen.items() if each is not None}, safe="/")
        answer = self._call("GET", f"/admin/audit{'?' if query else ''}{query}")
        with _known_format():  # a daemon of an older release chooses nothing but the site
            return {"audit": answer["audit"], "more": answer["more"]}

    def parked(self, site: str | None) -> Any:
        """Return the parked changes of a site, or of all sites."""
        return self._call("GET", f"/admin/parked{_query(site)}")

    def change_parked(self, action: str, site: str, kind: str | None, ids: Sequence[str]) -> Any:
        """Retry ("retry") or drop ("drop") parked changes; without ids, all of them."""
        chosen = ({"kind": kind} if kind else {}) | ({"ids": list(ids)} if ids else {})
        order = {"action": action, "site": site, **chosen}
        return self._call("POST", "/admin/parked", order)

    def removals(self, site: str, kind: str | None) -> Any:
        """Return the held removals of a site, of one kind or of all."""
        return self._call("GET", f"/admin/removals{_query(site)}{f'&kind={quote(kind)}' if kind else ''}")

    def allow_removals(self, site: str, kind: str, ids: Sequence[str]) -> Any:
        """Allow held removals."""
        return self._call("POST", "/admin/removals", {"site": site, "kind": kind, "ids": list(ids)})

    def explain(self, site: str, kind: str, text: str, *, by_id: bool = False) -> Any:
        """Explain the entity that people call `text`, or that has that id. The daemon reads it from the store."""
        return self._call("POST", "/admin/explain", {"site": site, "kind": kind, "id" if by_id else "text": text})

    def verify(self, site: str, kind: str | None, *, everything: bool) -> Any:
        """Start a dry run, of one kind or of all, and return its state. Raises UnderWayError if there is one."""
        return self._call("POST", "/admin/verify", {"site": site, "kind": kind, "all": everything})

    def verify_state(self, site: str) -> Any:
        """Return the state of the latest dry run of a site."""
        return self._call("GET", f"/admin/verify{_query(site)}")

    def cancel_verify(self, site: str) -> Any:
        """End the dry run of a site."""
        return self._call("POST", "/admin/verify/cancel", {"site": site})

    def connect(self, site: str, store_id: str | None, client_id: str, client_secret: Secret) -> Any:
        """Connect a site; the answer has a `redirect_url` if the platform's app must be installed first."""
        order = {"site": site, "client_id": client_id, "client_secret": client_secret.reveal()}
        return self._call("POST", "/admin/connect", order | ({"store_id": store_id} if store_id else {}))

    def disconnect(self, site: str) -> Any:
        """Disconnect a site."""
        return self._call("POST", "/admin/disconnect", {"site": site})

    def backup(self) -> Iterator[bytes]:
        """Yield a copy of the database in pieces. Errors are raised while it is iterated."""
        with self._asked("POST", "/admin/backup", {}, _BACKUP_SECONDS) as response:
            if response.status != http.client.OK:
                self._decoded(response.status, response.read())
                raise RefusedError(self._not_ours())
            left = response.length or 0
            while piece := response.read(_PIECE):
                left -= len(piece)
                yield piece
            if left:
                raise RefusedError("the daemon stopped before the backup was complete; there is no new backup")

    def status(self) -> Any:
        """Return the status of every connection; it has `running`, False, if the database answers instead."""
        return self._call("GET", "/admin/status")

    def lacks_token(self) -> bool:
        """Return True if a daemon answers, asked without a token, that none is configured for it either.

        Raises UnreachableError and RefusedError.
        """
        with self._sent("GET", "/admin/status", None, {}, self._timeout) as response:
            text = response.read(_PIECE).decode(errors="replace")
            return response.status == http.client.UNAUTHORIZED and _UNGUARDED in text

    def _run(self, path: str, order: object) -> int:
        answer = self._call("POST", path, order)
        if not isinstance(answer, dict) or not isinstance(answer.get("run"), int):
            raise RefusedError(self._not_ours())
        return int(answer["run"])

    def _call(self, method: str, path: str, order: object = None) -> Any:
        with self._asked(method, path, order, self._timeout) as response:
            return self._decoded(response.status, response.read())

    @contextlib.contextmanager
    def _asked(self, method: str, path: str, order: object, seconds: float) -> Iterator[http.client.HTTPResponse]:
        """Send a request with the token, as `_sent` does, and yield the answer. Raises ConfigError without a token."""
        if not self._token:
            raise ConfigError("listener.admin_token is not set; set it, the same for the daemon and this command")
        headers = {"Authorization": f"Bearer {self._token.reveal()}".encode(), "Content-Type": b"application/json"}
        body = None if order is None else json.dumps(order)
        with self._sent(method, path, body, headers, seconds) as response:
            yield response

    @contextlib.contextmanager
    def _sent(
        self, method: str, path: str, body: str | None, headers: Mapping[str, bytes], seconds: float
    ) -> Iterator[http.client.HTTPResponse]:
        """Send a request and yield the answer. Network errors, also while it is read, become errors of one line."""
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
            raise RefusedError("the running daemon has a different listener.admin_token; use its settings here")
        if status >= http.client.BAD_REQUEST:
            problem = answer if isinstance(answer, dict) else {}
            text = problem.get("detail") or problem.get("title") or "no reason given"
            kind = UnderWayError if status == http.client.CONFLICT else RefusedError
            raise kind(f"the daemon refused this ({status}): {' '.join(str(text).split())}")
        return answer

    def _not_ours(self) -> str:
        return f"the program at {self._host}:{self._port} is not this version of Ignite Sync; check listener.port"


def _query(site: str | None) -> str:
    return f"?site={quote(site, safe='/')}" if site else ""


def latest_run(status: Any, site: str, kind: str) -> Any:
    """Return the latest full sync of `kind` at `site` from the daemon's status, or None. Raises RefusedError."""
    with _known_format():
        connection = _connection(status, site)
        return None if connection is None else connection["kinds"].get(kind, {}).get("full_sync")


def block(status: Any, site: str, kind: str) -> str | None:
    """Return the cause that blocks `kind` at `site`, or None. Raises RefusedError."""
    with _known_format():
        connection = _connection(status, site)
        if connection is None:
            return None
        if connection["state"] == "paused":
            return f"an operator has paused {site}; resume it with: ignite-sync resume {site}"
        cause: str | None = connection["blocked"] or connection["kinds"].get(kind, {}).get("blocked")
        return cause


def departure(status: Any, site: str) -> str | None:
    """Return why `site` is not synced any more, or None while it is connected. Raises RefusedError."""
    with _known_format():
        connection = _connection(status, site)
        if connection is None:
            return f"{site} is not connected"
        return None if connection["state"] in {"active", "paused"} else f"{site} is {connection['state']}"


def _connection(status: Any, site: str) -> Any:
    """Return the connection of a site, or None. A site whose store is replaced has two, and the active one is first."""
    return next((connection for connection in status["connections"] if connection["site"] == site), None)


def show(answer: Any, lines: Iterable[str], *, as_json: bool) -> None:
    """Print an answer: as JSON, or as lines for people. Raises RefusedError."""
    with _known_format():
        text = [json.dumps(answer, indent=2)] if as_json else [printable(line) for line in lines]
    for line in text:
        click.echo(line)


@contextlib.contextmanager
def _known_format() -> Iterator[None]:
    """Refuse an answer that lacks a key, as one of another version may."""
    try:
        yield
    except (KeyError, TypeError) as error:
        raise RefusedError(f"the daemon's answer has a format unknown to this version: {error!r}") from None


def ask(path: Path | None, question: Callable[[DaemonClient], Any]) -> Any:
    """Ask the running daemon, or the database if none answers, and say so. Raises ConfigError and RefusedError."""
    settings = load_settings(path)
    try:
        return question(DaemonClient(settings.listener))
    except UnreachableError as error:
        say(f"ignite-sync: {error.reason}; this is from {settings.database.shown}", err=True)
    from daemon.cli.offline import Offline  # noqa: PLC0415  it loads the whole engine, which a running daemon spares

    return question(Offline(settings))
