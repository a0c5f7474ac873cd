"""`ignite-sync init`: a configuration file, made by questions."""

import contextlib
import json
import os
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

import attrs
import click

from daemon.cli.group import Misuse, Stop, answer_to, say
from daemon.config import look_over
from daemon.config.table import PLACEHOLDER, is_secret
from daemon.platforms import load_platforms

QUESTIONS = {
    "site_env": "Environment of the SparkLayer site, live or test",
    "site_id": "Id of the SparkLayer site",
    "client_id": "Client id of the site's SparkLayer API credentials",
    "client_secret": "Client secret of the same credentials",
}
"""Questions for the settings of a connection that have no default, apart from its platform."""


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), default="ignite-sync.toml")
@click.option("--platform", help="Name of the platform. Without it the command asks.")
def init(file: Path, platform: str | None) -> None:
    """Ask for the settings of one connection, and write them to FILE, by default ignite-sync.toml.

    Tokens and the database key are generated. An empty answer leaves a placeholder. All placeholders are listed at
    the end. Without a terminal, answers are read line by line.
    """
    platforms = load_platforms()
    _check_place(file)
    platform = platform or _ask(f"Platform: {', '.join(sorted(platforms))}") or PLACEHOLDER
    if platform not in {*platforms, PLACEHOLDER}:
        raise Misuse(f"--platform: must be one of {', '.join(sorted(platforms))}, not {platform!r}")
    store = attrs.resolve_types(platforms[platform].settings) if platform in platforms else None
    label = platforms[platform].label if platform in platforms else ""
    public_url = _ask("Public https address of this daemon, for webhooks (empty: none)")
    connection = {
        name: _ask(question, hidden=name == "client_secret") or PLACEHOLDER for name, question in QUESTIONS.items()
    }
    shop = {
        setting.name: _ask(f"{label}: {setting.name}", hidden=is_secret(setting)) or PLACEHOLDER
        for setting in (attrs.fields(store) if store else ())
        if setting.default is attrs.NOTHING
    }
    content = "".join(f"{line}\n" for line in _lines(public_url, connection, platform, shop)).encode()
    _write(file, content)
    say(f"written: {file}; every setting is in docs/configuration.md")
    survey = look_over(file, os.environ, platforms)
    for error in survey.errors:
        say(f"to do   {error}")
    say(f"next    ignite-sync check --config {file}")


def _ask(question: str, *, hidden: bool = False) -> str:
    """Return the answer to a question. Raises Misuse for one that cannot be printed: TOML refuses most of them."""
    answer = answer_to(question, hidden=hidden)
    if not answer.isprintable():
        raise Misuse(f"the answer to {question!r} has a character that cannot be printed; nothing was done")
    return answer


def _lines(public_url: str, connection: dict[str, str], platform: str, shop: dict[str, str]) -> Iterator[str]:
    ignite_token, admin_token, secret_key = (_text(secrets.token_urlsafe(32)) for _ in range(3))
    yield "[listener]"
    yield f"public_url = {_text(public_url)}" if public_url else "# public_url = "
    yield f"ignite_token = {ignite_token}  # for SparkLayer's calls"
    yield f"admin_token = {admin_token}  # for the page, the commands and /metrics"
    yield "\n[database]"
    yield 'url = "sqlite:///ignite-sync.db"  # relative to this file, or postgresql://USER:PASSWORD@HOST/NAME'
    yield "\n[security]"
    yield f"secret_keys = [{secret_key}]  # keep a copy: without it the database cannot be read"
    yield "\n[[connections]]"
    yield from (f"{name} = {_text(value)}" for name, value in connection.items())
    yield f"platform = {_text(platform)}"
    if shop:
        yield f"\n[connections.{platform}]"
        yield from (f"{name} = {_text(value)}" for name, value in shop.items())


def _text(value: str) -> str:
    """Return a text as TOML writes it."""
    return json.dumps(value, ensure_ascii=False)


def _check_place(file: Path) -> None:
    """Refuse a file that exists or cannot be written, before the first question. Raises Misuse and Stop."""
    with _writing(file):
        if file.exists():
            raise Misuse(f"{file} exists, and nothing is overwritten; name another file")
        with tempfile.TemporaryFile(dir=file.parent):
            """A file without a name: it leaves nothing behind."""


def _write(file: Path, content: bytes) -> None:
    """Write a new file that only its owner can read. Raises Stop, and then leaves no half of it."""
    with _writing(file):
        number = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(number, "wb") as opened:
                opened.write(content)
        except OSError:
            file.unlink()
            raise


@contextlib.contextmanager
def _writing(file: Path) -> Iterator[None]:
    """Turn errors of the file system into one line."""
    try:
        yield
    except OSError as error:
        raise Stop(f"{file} cannot be written ({error.strerror}); name one in a folder that you can write to") from None
