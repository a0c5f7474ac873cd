"""Whom a command asks: the running daemon, or else the database file."""
# ruff: noqa: PLC0415  what is heavy is imported by the command that needs it

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from daemon.cli.group import Stop

if TYPE_CHECKING:
    from daemon.cli.client import Daemon
    from daemon.cli.offline import Offline
    from daemon.config import Settings


@contextlib.contextmanager
def talking() -> Iterator[None]:
    """Turn what a running daemon refuses, or that there is none, into one line and exit code 1."""
    from daemon.cli.client import RefusedError, UnreachableError

    try:
        yield
    except UnreachableError as error:
        raise Stop(f"{error}; start it with: ignite-sync run") from None
    except RefusedError as error:
        raise Stop(str(error)) from None


def ask(settings: "Settings", running: "Callable[[Daemon], Any]", offline: "Callable[[Offline], Any]") -> Any:
    """Ask the running daemon, or the database when none answers, and say so. Raises ConfigError and RefusedError."""
    from daemon.cli.client import Daemon, UnreachableError

    try:
        return running(Daemon(settings.listener))
    except UnreachableError as error:
        click.echo(f"ignite-sync: {error}; this is what {settings.database.path} has", err=True)
    from daemon.cli.offline import Offline

    return offline(Offline(settings))
