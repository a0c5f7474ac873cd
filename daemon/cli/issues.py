"""`ignite-sync issues`: the issues that merchants must fix."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from daemon.cli.client import ask, show
from daemon.cli.group import config_option, json_option, moment, optional_site


@click.command()
@optional_site
@click.option("--link", is_flag=True, help="Print a link to the issues of SITE for its merchant.")
@click.option("--days", type=click.IntRange(1, 90), help="Days for which the link works.  [default: 7]")
@json_option
@config_option
def issues(path: Path | None, site: str | None, days: int | None, *, link: bool, as_json: bool) -> None:
    """Show the issues that merchants must fix, at SITE or at every site."""
    if link:
        _show_link(path, site, days, as_json=as_json)
        return
    if days is not None:
        raise click.UsageError("--days needs --link.")
    answer = ask(path, lambda source: source.issues(site))
    show(answer, _lines(answer["issues"]), as_json=as_json)


def _show_link(path: Path | None, site: str | None, days: int | None, *, as_json: bool) -> None:
    if site is None:
        raise click.UsageError("--link needs a SITE: a link shows the issues of one site.")
    answer = ask(path, lambda source: source.link_issues(site, days))
    show(answer, [answer["url"]], as_json=as_json)


def _lines(open_issues: Sequence[Any]) -> Iterator[str]:
    if not open_issues:
        yield "no issues"
    for issue in open_issues:
        yield f"{issue['site']} {issue['kind']} {issue['id']}, {issue['name']}: since {moment(issue['since'])}"
        yield from (f"  {problem['message']}" for problem in issue["problems"])
        if issue["url"]:
            yield f"  {issue['url']}"
