"""`ignite-sync issues`: the issues that merchants must fix."""

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
def issues(path: Path | None, site: str | None, *, as_json: bool) -> None:
    """Show the issues that merchants must fix, at SITE or at every site."""
    answer = ask(path, lambda source: source.issues(site))
    show(answer, _lines(answer["issues"]), as_json=as_json)


def _lines(open_issues: Sequence[Any]) -> Iterator[str]:
    if not open_issues:
        yield "no issues"
    for issue in open_issues:
        yield f"{issue['site']} {issue['kind']} {issue['id']}, {issue['name']}: since {moment(issue['since'])}"
        yield from (f"  {problem['message']}" for problem in issue["problems"])
        if issue["url"]:
            yield f"  {issue['url']}"
