"""`ignite-sync issues`: the issues that merchants must fix."""

from collections.abc import Iterator
from typing import Any

import click

from daemon.cli.client import DaemonClient, ask, known_format, show
from daemon.cli.group import json_option, moment, optional_site, settings_option
from daemon.config import Settings


@click.command()
@optional_site
@click.option("--link", is_flag=True, help="Print a link to the issues of SITE for its merchant.")
@click.option("--days", type=click.IntRange(1, 90), help="Days for which the link works.  [default: 7]")
@json_option
@settings_option
def issues(settings: Settings, site: str | None, days: int | None, *, link: bool, as_json: bool) -> None:
    """Show the issues that merchants must fix, at SITE or at every site."""
    if days is not None and not link:
        raise click.UsageError("--days needs --link.")
    if site is None and link:
        raise click.UsageError("--link needs a SITE: a link shows the issues of one site.")
    if link:
        answer = ask(settings, "POST /admin/issues/link", site=site, days=days)
        with known_format():
            # Without a public URL the link is for this machine.
            answer["url"] = answer["url"] or f"{DaemonClient(settings.listener).local_url}{answer['path']}"
        show(answer, [answer["url"]], as_json=as_json)
    else:
        answer = ask(settings, "GET /admin/issues", site=site)
        show(answer, _lines(answer), as_json=as_json)


def _lines(answer: Any) -> Iterator[str]:
    if not answer["issues"]:
        yield "no issues"
    for issue in answer["issues"]:
        yield f"{issue['site']} {issue['kind']} {issue['id']}, {issue['name']}: since {moment(issue['since'])}"
        yield from (f"  {problem['message']}" for problem in issue["problems"])
        if issue["url"]:
            yield f"  {issue['url']}"
