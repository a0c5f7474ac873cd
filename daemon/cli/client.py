"""A running daemon as the command line sees it: /admin over HTTP, decoded.

Every failed call ends as an error of one line: `UnreachableError` if no daemon answers, `RefusedError` if one answers
but refuses, ConfigError if there is no token. The calls block, since a command does one thing at a time.

An operation is named as in docs/http.md, for example "GET /admin/issues"; its answer has JSON values. `offline` has the
same from the database file.
"""

import contextlib
import http.client
import json
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlencode

import click

from daemon.cli.group import Stop, printable, say
from daemon.config import ListenerSettings, Settings
from daemon.errors import ConfigError

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

    @property
    def local_url(self) -> str:
        """The daemon's URL on this machine."""
        return f"http://{self._host}:{self._port}"

    def call(self, operation: str, **parameters: object) -> Any:
        """Return the answer of an operation; a parameter that is None is left out.

        Raises UnderWayError for one that cannot be done twice at once, ConfigError, RefusedError and UnreachableError.
        """
        if not self._token:
            raise ConfigError("listener.admin_token is not set; set it, the same for the daemon and this command")
        method, _, path = operation.partition(" ")
        given = {name: value for name, value in parameters.items() if value is not None}
        query = f"?{urlencode(given, safe='/')}" if given and method == "GET" else ""
        with self._sent(method, f"{path}{query}", None if method == "GET" else given, self._timeout) as response:
            return self._decoded(response.status, response.read())

    def run(self, operation: str, **parameters: object) -> int:
        """Return the id of the full sync that an operation starts or ends. Raises as `call` does."""
        answer = self.call(operation, **parameters)
        if not isinstance(answer, dict) or not isinstance(answer.get("run"), int):
            raise RefusedError(self._not_ours())
        return int(answer["run"])

    def backup(self) -> Iterator[bytes]:
        """Yield a copy of the database in pieces. Errors are raised while it is iterated."""
        with self._sent("POST", "/admin/backup", {}, _BACKUP_SECONDS) as response:
            if response.status != http.client.OK:
                self._decoded(response.status, response.read())
                raise RefusedError(self._not_ours())
            left = response.length or 0
            while piece := response.read(_PIECE):
                left -= len(piece)
                yield piece
            if left:
                raise RefusedError("the daemon stopped before the backup was complete; there is no new backup")

    def lacks_token(self) -> bool:
        """Return True if a daemon answers that no token is configured for it, asked by a client without one.

        Raises UnreachableError and RefusedError.
        """
        with self._sent("GET", "/admin/status", None, self._timeout) as response:
            text = response.read(_PIECE).decode(errors="replace")
            return response.status == http.client.UNAUTHORIZED and _UNGUARDED in text

    @contextlib.contextmanager
    def _sent(self, method: str, path: str, order: object, seconds: float) -> Iterator[http.client.HTTPResponse]:
        """Send a request and yield the answer. Network errors, also while it is read, become errors of one line."""
        headers = {"Content-Type": b"application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token.reveal()}".encode()
        connection = http.client.HTTPConnection(self._host, self._port, timeout=seconds)
        try:
            connection.request(method, path, None if order is None else json.dumps(order), headers)
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


def connection_of(status: Any, site: str) -> Any:
    """Return the connection of a site from the daemon's status, or None.

    A site whose store is replaced has two, and the active one is first.
    """
    return next((connection for connection in status["connections"] if connection["site"] == site), None)


def latest_run(status: Any, site: str, kind: str) -> Any:
    """Return the latest full sync of `kind` at `site` from the daemon's status, or None. Raises RefusedError."""
    with known_format():
        connection = connection_of(status, site)
        return None if connection is None else connection["kinds"].get(kind, {}).get("full_sync")


def show(answer: Any, lines: Iterable[str], *, as_json: bool) -> None:
    """Print an answer: as JSON, or as lines for people. Raises RefusedError."""
    with known_format():
        text = [json.dumps(answer, indent=2)] if as_json else [printable(line) for line in lines]
    for line in text:
        click.echo(line)


@contextlib.contextmanager
def known_format() -> Iterator[None]:
    """Refuse an answer that lacks a key, as one of another version may."""
    try:
        yield
    except (KeyError, TypeError) as error:
        raise RefusedError(f"the daemon's answer has a format unknown to this version: {error!r}") from None


def ask(settings: Settings, operation: str, **parameters: object) -> Any:
    """Ask the running daemon, or the database if none answers, and say so. Raises ConfigError and Stop."""
    try:
        return DaemonClient(settings.listener).call(operation, **parameters)
    except UnreachableError as error:
        say(f"ignite-sync: {error.reason}; this is from {settings.database.shown}", err=True)
    from daemon.cli import offline  # noqa: PLC0415  it loads the whole engine, which a running daemon spares

    return offline.call(settings, operation, parameters)
