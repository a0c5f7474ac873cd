"""`ignite-sync audit`: the actions of operators."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from daemon.cli.client import ask, show
from daemon.cli.group import config_option, json_option, moment, optional_site


@click.command()
@optional_site
@json_option
@config_option
def audit(path: Path | None, site: str | None, *, as_json: bool) -> None:
    """Show what operators did, at SITE or everywhere, the latest first."""
    answer = ask(path, lambda source: source.audit(site))
    show(answer, _lines(answer["audit"]), as_json=as_json)


def _lines(actions: Sequence[Any]) -> Iterator[str]:
    if not actions:
        yield "no operator has done anything in the last 90 days"
    for action in actions:
        given = " ".join(f"{name}={value}" for name, value in action["parameters"].items())
        words = filter(None, (action["action"], action["site"], action["kind"], given))
        result = f"{action['outcome']}{': ' + action['error'] if action['error'] else ''}"
        yield f"{moment(action['at'])} {action['operator']}: {' '.join(words)}: {result}"
