"""`ignite-sync audit`: the actions of operators."""

from collections.abc import Iterator
from typing import Any

import click

from daemon.cli.client import ask, show
from daemon.cli.group import json_option, moment, optional_site, settings_option
from daemon.config import Settings

FIRST = 5
"""The number of ids of one action that are shown."""


@click.command()
@optional_site
@click.option("--operator", metavar="NAME", help="Only what the token with this name did.")
@click.option("--before", metavar="ID", type=click.IntRange(min=1), help="Only what was done before this action.")
@json_option
@settings_option
def audit(settings: Settings, site: str | None, operator: str | None, before: int | None, *, as_json: bool) -> None:
    """Show what operators did, at SITE or everywhere, the latest first."""
    answer = ask(settings, "GET /admin/audit", site=site, operator=operator, before=before)
    show(answer, _lines(answer), as_json=as_json)


def _lines(answer: Any) -> Iterator[str]:
    actions = answer["audit"]
    if not actions:
        yield "no such actions in the last 90 days"
    for action in actions:
        given = " ".join(f"{name}={_short(value)}" for name, value in action["parameters"].items())
        words = filter(None, (action["action"], action["site"], action["kind"], given))
        result = action["error"] or _described(action["answer"] or {})
        ended = f"{action['outcome']}: {result}" if result else action["outcome"]
        yield f"{moment(action['at'])} {action['operator']}: {' '.join(words)}: {ended}"
    if answer["more"]:
        yield f"there are older ones: add --before {actions[-1]['id']}"


def _short(value: Any) -> Any:
    """Return a value as text; of a list, the first few entries. All of them are in the JSON."""
    if not isinstance(value, list):
        return value
    rest = f",... ({len(value)})" if len(value) > FIRST else ""
    return ",".join(map(str, value[:FIRST])) + rest


def _described(answer: Any) -> str:
    """Describe the answer of an action: the number of a run, or how many entities it changed."""
    shown = {name: moment(value) if name == "until" else value for name, value in answer.items()}
    return " ".join(f"{name}={value}" for name, value in shown.items())
