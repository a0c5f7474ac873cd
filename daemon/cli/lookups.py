"""The commands that tell why: what merchants must fix, what is parked, and why an entity is as it is."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from daemon.cli.group import KINDS, config_option, load_settings, main, moment, site_named
from daemon.cli.target import ask, talking

_site = click.argument("site", callback=site_named)
_perhaps_site = click.argument(
    "site", required=False, callback=lambda ctx, param, value: value and site_named(ctx, param, value)
)
_kind = click.argument("kind", type=click.Choice(KINDS), metavar="KIND")
_json = click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")


def _show(answer: Any, lines: Iterator[str], *, as_json: bool) -> None:
    for line in [json.dumps(answer, indent=2)] if as_json else lines:
        click.echo(line)


@main.command()
@_perhaps_site
@_json
@config_option
def issues(path: Path | None, site: str | None, *, as_json: bool) -> None:
    """Show what merchants must fix, at SITE or everywhere."""
    with talking():
        settings = load_settings(path)
        answer = ask(settings, lambda daemon: daemon.issues(site), lambda offline: offline.issues(site))
    _show(answer, _issue_lines(answer["issues"]), as_json=as_json)


def _issue_lines(found: Sequence[Any]) -> Iterator[str]:
    if not found:
        yield "no issues"
    for issue in found:
        yield f"{issue['site']} {issue['kind']} {issue['id']}, {issue['name']}: since {moment(issue['since'])}"
        for problem in issue["problems"]:
            yield f"  {problem['message']}"
        if issue["url"]:
            yield f"  {issue['url']}"


@main.group()
def parked() -> None:
    """Show, retry or drop changes that used up their retries."""


@parked.command("list")
@_perhaps_site
@_json
@config_option
def list_parked(path: Path | None, site: str | None, *, as_json: bool) -> None:
    """Show what is parked, at SITE or everywhere."""
    with talking():
        settings = load_settings(path)
        answer = ask(settings, lambda daemon: daemon.parked(site), lambda offline: offline.parked(site))
    _show(answer, _parked_lines(answer["parked"]), as_json=as_json)


def _parked_lines(found: Sequence[Any]) -> Iterator[str]:
    if not found:
        yield "nothing is parked"
    for one in found:
        tried = f"tried {one['attempts']} times since {moment(one['since'])}"
        yield f"{one['site']} {one['kind']} {one['id']}: {tried}: {one['error']}"


@parked.command("retry")
@_site
@click.argument("kind", type=click.Choice((*KINDS, "all")), metavar="KIND")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@config_option
def retry_parked(path: Path | None, site: str, kind: str, ids: tuple[str, ...]) -> None:
    """Try parked changes again: those of KIND (or all) at SITE, or only those with these ids."""
    _change(path, "retry", site, kind, ids)


@parked.command("drop")
@_site
@click.argument("kind", type=click.Choice((*KINDS, "all")), metavar="KIND")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@config_option
def drop_parked(path: Path | None, site: str, kind: str, ids: tuple[str, ...]) -> None:
    """Give parked changes up. Their entities' next change is worked on as ever."""
    _change(path, "drop", site, kind, ids)


def _change(path: Path | None, action: str, site: str, kind: str, ids: Sequence[str]) -> None:
    chosen = None if kind == "all" else kind
    with talking():
        answer = ask(
            load_settings(path),
            lambda daemon: daemon.change_parked(action, site, chosen, ids),
            lambda offline: offline.change_parked(action, site, chosen, ids),
        )
    words = {"retry": "to be tried again", "drop": "dropped"}
    click.echo(f"{answer['changed']} changes {words[action]}")


@main.command()
@_site
@_kind
@click.argument("text", metavar="WHAT")
@click.option("--id", "by_id", is_flag=True, help="WHAT is the platform's id, and nothing else.")
@_json
@config_option
@click.pass_context
def explain(
    ctx: click.Context, path: Path | None, site: str, kind: str, text: str, *, by_id: bool, as_json: bool
) -> None:
    """Explain why WHAT of KIND at SITE is, or is not, in SparkLayer: what each side has, what would be sent.

    WHAT is a product's SKU or name, a customer's e-mail address, name or company, an order's number, or the platform's
    id of any of them. If several are called so they are listed. Nothing is sent to SparkLayer. The exit code is 1 when
    the store could not be read.
    """
    with talking():
        answer = ask(
            load_settings(path),
            lambda daemon: daemon.explain(site, kind, text, by_id=by_id),
            lambda offline: offline.explain(site, kind, text, by_id=by_id),
        )
    _show(answer, _explanation(answer), as_json=as_json)
    ctx.exit(1 if answer["trouble"] else 0)


def _explanation(answer: Any) -> Iterator[str]:
    matches = answer.get("matches", ())
    if len(matches) > 1:
        yield f"{len(matches)} {answer['kind']} are called so; ask for one of them by its id, with --id:"
        yield from (f"  {one['id']}  {one['name'] or '?'} ({one['by']})" for one in matches)
        return
    if "id" in answer:
        store = answer["store"]
        name = f", {store['name']} {store['url']}".rstrip() if store and store["name"] else ""
        yield f"{answer['site']} {answer['kind']} {answer['id']}{name}"
    yield from (f"  {reason['text']}" for reason in answer.get("why", ()))
    if "id" in answer and not answer["trouble"] and not answer["belongs_to"]:
        yield from _sides(answer)


def _sides(answer: Any) -> Iterator[str]:
    """Word what each side has."""
    store = answer["store"]
    yield "The store says:"
    if store is None or store["value"] is None:
        yield "  it is not there, or must not be in SparkLayer"
    else:
        yield from (f"  {line}" for line in json.dumps(store["value"], indent=2).splitlines())
    yield "SparkLayer was told:"
    if answer["ledger"] is None:
        yield "  nothing"
    else:
        yield "  all of it" if answer["sure"] else "  something, but not all of it is sure"
        yield from (f"  {line}" for line in json.dumps(answer["ledger"], indent=2).splitlines())
    yield "Would be sent now:"
    if not answer["would_send"]:
        yield "  nothing"
    for step in answer["would_send"]:
        yield f"  {step['what']}: {step['why']}"
