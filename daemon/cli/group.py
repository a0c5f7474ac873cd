"""The command itself, and what its commands share: how they end, their settings, and how a site is named.

What holds: exit codes are 0 for success, 2 for a bad configuration or usage, 1 for anything else; a 2 comes with one
line on stderr that says what to do, and never with a traceback.
"""
# ruff: noqa: PLC0415  what is heavy is imported by the command that needs it

import contextlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daemon import __version__, stopping
from daemon.cli.streams import standard_streams
from daemon.errors import ConfigError
from daemon.identifiers import segment_fault

if TYPE_CHECKING:
    from daemon.config import Settings

KINDS = ("store", "products", "customers", "orders")
"""What is synced, in the order that references need."""


class Stop(click.ClickException):
    """Ends the command with one line on stderr and exit code 1."""

    def show(self, file: Any = None) -> None:
        """Write the line."""
        # Paths and names have any character, and the line goes to a terminal.
        text = "".join(one if one.isprintable() else "?" for one in self.message)
        click.echo(f"ignite-sync: {text}", file=file, err=file is None)


class Misuse(Stop):
    """The same with exit code 2: the configuration or the command must change."""

    exit_code = 2


@contextlib.contextmanager
def one_line() -> Iterator[None]:
    """Turn what is the user's to mend into one line, also click's own errors, which take four."""
    try:
        yield
    except ConfigError as error:
        more = f" (and {len(error.also)} more; all of it: ignite-sync check)" if error.also else ""
        raise Misuse(f"{error}{more}") from None
    except click.exceptions.NoArgsIsHelpError:
        raise
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "ignite-sync"
        text = " ".join(error.format_message().split())
        raise Misuse(f"{text} (see: {command} --help)") from None


class Commands(click.Group):
    """Commands whose errors are one line."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run the process."""
        with standard_streams():
            return super().main(*args, **extra)

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Read the command line."""
        with one_line():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. Ctrl-C ends it with 1 and no more words than those of `stopping`."""
        try:
            with one_line(), stopping.interrupting():
                return super().invoke(ctx)
        except KeyboardInterrupt:
            ctx.exit(1)


config_option = click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path),
    envvar="IGNITE_SYNC_CONFIG",
    metavar="FILE",
    help="Settings as TOML; without it they come from the environment alone.",
)


def load_settings(path: Path | None) -> "Settings":
    """Read the settings. Raises ConfigError."""
    from daemon.config import load
    from daemon.platforms import load_platforms

    return load(path, os.environ, load_platforms())


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="ignite-sync", message="%(prog)s %(version)s")
def main() -> None:
    """Keep SparkLayer sites in step with e-commerce stores."""


def moment(seconds: float) -> str:
    """Word a time (seconds since the epoch)."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def site_named(_ctx: click.Context, _parameter: click.Parameter, value: str) -> str:
    """Check how a site is named; for click's `callback`."""
    env, _, site_id = value.partition("/")
    if env not in {"live", "test"} or segment_fault(site_id):
        raise click.BadParameter("write it as live/SITE_ID or test/SITE_ID.")
    return value
