"""`ignite-sync explain`: the reasons for an entity's state."""

import json
from collections.abc import Iterator
from typing import Any

import click

from daemon.cli.client import ask, show
from daemon.cli.group import json_option, kind_argument, moment, settings_option, site_argument
from daemon.config import Settings


@click.command()
@site_argument
@kind_argument
@click.argument("text", metavar="WHAT")
@click.option("--id", "by_id", is_flag=True, help="WHAT is the platform's id.")
@json_option
@settings_option
@click.pass_context
def explain(
    ctx: click.Context, settings: Settings, site: str, kind: str, text: str, *, by_id: bool, as_json: bool
) -> None:
    """Explain why an entity of KIND at SITE is, or is not, in SparkLayer.

    WHAT is a product's SKU or name, a customer's e-mail address, name or company, an order's number, or the platform's
    id. If several entities match, they are listed. The explanation has the state on each side and what would be sent
    now; nothing is sent. The exit code is 1 if the store could not be read.
    """
    called = {"id" if by_id else "text": text}
    answer = ask(settings, "POST /admin/explain", site=site, kind=kind, **called)
    show(answer, _lines(answer), as_json=as_json)
    ctx.exit(1 if answer["trouble"] else 0)


def _lines(answer: Any) -> Iterator[str]:
    matches = answer.get("matches", ())
    if len(matches) > 1:
        yield f"{len(matches)} {answer['kind']} match; name one by its id, with --id:"
        yield from (f"  {match['id']}  {match['name'] or '?'} ({match['by']})" for match in matches)
        return
    if "id" in answer:
        store = answer["store"]
        name = f", {store['name']} {store['url']}".rstrip() if store and store["name"] else ""
        yield f"{answer['site']} {answer['kind']} {answer['id']}{name}"
    yield from (f"  {reason['text']}" for reason in answer.get("why", ()))
    if "id" in answer and not answer["trouble"] and not answer["belongs_to"]:
        yield from _sides(answer)


def _sides(answer: Any) -> Iterator[str]:
    """Describe the state on each side."""
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
    yield from (f"  {step['what']}: {step['why']}" for step in answer["would_send"])
    yield "In the last 7 days:"
    if not answer["settlements"]:
        yield "  nothing was written, refused, held, removed or parked"
    yield from (f"  {_settlement(settlement)}" for settlement in answer["settlements"])


def _settlement(settlement: Any) -> str:
    """Describe a settlement in one line."""
    reason = f" ({settlement['reason']})" if settlement["reason"] else ""
    run = f", full sync {settlement['run']}" if settlement["run"] is not None else ""
    return f"{moment(settlement['at'])}: {settlement['result']}{reason}{run}"
