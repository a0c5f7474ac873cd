"""The command line: its commands, how they end, and what they share.

Exit codes are 0 for success, 2 for a bad configuration or usage, 1 for anything else. A 1 or 2 comes with one line on
stderr that says what to do, never with a traceback. A command's module is imported when the command is called, so
`--help` answers at once.
"""

import contextlib
import importlib
import os
import sys
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daemon import __version__
from daemon.cli import stopping
from daemon.cli.streams import standard_streams
from daemon.errors import ConfigError

if TYPE_CHECKING:
    from daemon.config import Settings

COMMANDS = {
    "demo": "Show everything on this machine, with sample data.",
    "init": "Ask for the settings, and write them to a file.",
    "check": "Test the settings, the database and every credential.",
    "run": "Run the daemon.",
    "sync": "Start, watch or cancel a full sync.",
    "status": "Show the state of every connection.",
    "pause": "Stop all calls for a connection until it is resumed.",
    "resume": "Resume the calls for a paused connection.",
    "issues": "Show the issues that merchants must fix.",
    "verify": "Show what a full sync would write, remove and hold.",
    "explain": "Explain why an entity is, or is not, in SparkLayer.",
    "parked": "List, retry or drop changes that used up their retries.",
    "removals": "List or allow removals that are held.",
    "audit": "Show what operators did.",
    "connect": "Connect a site to a store.",
    "disconnect": "Disconnect a site and delete its data here.",
    "backup": "Write a backup of the database.",
    "restore": "Replace the database by a backup.",
    "move-database": "Move the database to PostgreSQL, or back to a file.",
}
"""Every command with its line in `ignite-sync --help`. Each is a function of its name."""

MODULES = {"resume": "pause", "disconnect": "connect", "restore": "backup"}
"""The modules of the commands that share one. Every other command has a module of its name."""

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

KINDS = ("store", "products", "customers", "orders")
"""Entity kinds in sync order: each may refer to the kinds before it."""


class Stop(click.ClickException):
    """Ends the command with one line on stderr and exit code 1."""

    def show(self, file: Any = None) -> None:
        """Write the line."""
        click.echo(f"ignite-sync: {printable(self.message)}", file=file, err=file is None)


class Misuse(Stop):
    """Ends the command with one line on stderr and exit code 2: the configuration or the usage must change."""

    exit_code = 2


@contextlib.contextmanager
def one_line() -> Iterator[None]:
    """Turn the user's errors into one line each, also click's own, which take four."""
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
    """The group of all commands. Their errors are one line, and their modules are imported when called."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  click's signature
        """Import the command of that name; None if there is no such command."""
        if cmd_name not in COMMANDS:
            return None
        # `run` and `demo` take long to import. Stopped meanwhile, they have done nothing, so that is a clean stop.
        with stopping.exiting() if cmd_name in stopping.STARTED_BY else contextlib.nullcontext():
            name = cmd_name.replace("-", "_")
            command: click.Command = getattr(importlib.import_module(f"daemon.cli.{MODULES.get(name, name)}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  likewise
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run the process."""
        with standard_streams():
            return super().main(*args, **extra)

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Read the command line."""
        with one_line():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. Ctrl-C ends it with 1 and the one line of `stopping`."""
        try:
            with one_line(), stopping.interrupting():
                return super().invoke(ctx)
        except KeyboardInterrupt:
            ctx.exit(1)


@click.group(
    cls=Commands,
    commands=dict.fromkeys(COMMANDS, click.Command(None)),  # names for suggestions; `get_command` has the commands
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="ignite-sync", message="%(prog)s %(version)s")
def main() -> None:
    """Keep SparkLayer sites in step with e-commerce stores.

    SITE is a SparkLayer site: live/SITE_ID or test/SITE_ID. KIND is store, products, customers or orders.
    """


def _site(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """Check a SITE; None where it may be left out."""
    if value is not None:
        from daemon.model.identifiers import segment_fault  # noqa: PLC0415  `--help` must not wait for it

        env, _, site_id = value.partition("/")
        if env not in {"live", "test"} or segment_fault(site_id):
            raise click.BadParameter("write it as live/SITE_ID or test/SITE_ID.")
    return value


_CONFIG: dict[str, Any] = {
    "type": click.Path(path_type=Path),
    "envvar": "IGNITE_SYNC_CONFIG",
    "metavar": "FILE",
    "help": "TOML file with the settings. Without it they come from the environment alone.",
}
config_option = click.option("--config", "path", **_CONFIG)
settings_option = click.option(
    "--config", "settings", callback=lambda _ctx, _parameter, path: load_settings(path), **_CONFIG
)
site_argument = click.argument("site", callback=_site)
optional_site = click.argument("site", required=False, callback=_site)
kind_argument = click.argument("kind", type=click.Choice(KINDS), metavar="KIND")
kinds_argument = click.argument("kind", type=click.Choice((*KINDS, "all")), metavar="KIND")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def load_settings(path: Path | None) -> "Settings":
    """Read the settings. Raises ConfigError."""
    from daemon.config import load  # noqa: PLC0415  `--help` must not wait for it
    from daemon.platforms import load_platforms  # noqa: PLC0415  likewise

    return load(path, os.environ, load_platforms())


def say(line: str, *, err: bool = False) -> None:
    """Print one line."""
    click.echo(printable(line), err=err)


def printable(line: str) -> str:
    """Return a line with every character that cannot be printed replaced, also line breaks.

    Names of products, customers and files may hold any character, also those that a terminal obeys.
    """
    # Python counts no space but the ordinary one as printable; prices and names often have others.
    return "".join(
        character if character.isprintable() or unicodedata.category(character) == "Zs" else REPLACEMENT
        for character in line
    )


def answer_to(question: str, *, hidden: bool = False) -> str:
    """Return the answer on a terminal, else the next line of the input; an empty text at its end.

    Raises Misuse for an answer that is not UTF-8.
    """
    try:
        if sys.stdin.isatty():
            answer: str = click.prompt(question, default="", show_default=False, hide_input=hidden, err=True)
        else:
            answer = sys.stdin.readline()
    except UnicodeDecodeError:
        raise Misuse(f"the answer to {question!r} is not UTF-8; nothing was done") from None
    return answer.strip()


def moment(seconds: float) -> str:
    """Return a time (seconds since the epoch) as text."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: 1 change, 2 changes."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
