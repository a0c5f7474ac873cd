"""`ignite-sync status`: the state of every connection."""

from collections.abc import Iterator
from typing import Any

import click

from daemon.admin.attention import attention
from daemon.cli.client import ask, show
from daemon.cli.group import counted, json_option, moment, settings_option
from daemon.config import Settings

_LONG_WAIT = 10.0
"""Seconds. Shorter waits for an API are its usual pace and not shown."""


@click.command()
@json_option
@settings_option
@click.pass_context
def status(ctx: click.Context, settings: Settings, *, as_json: bool) -> None:
    """Show the state of every connection and of each of its kinds.

    The running daemon answers; if there is none, the database does. The first line sums it up. The exit code is 1 if a
    person should look at something, or if no daemon runs.
    """
    answer = ask(settings, "GET /admin/status")
    show(answer, describe(answer), as_json=as_json)
    ctx.exit(0 if _runs(answer) and not _sites(answer) else 1)


def describe(status: Any) -> Iterator[str]:
    """Describe a status in lines for people; the first one sums it up."""
    yield _summary(status)
    if status.get("wakeups") == "poll":
        yield "changes of other nodes are looked for once a second: nothing is heard at database.listen_url"
    for connection in status["connections"]:
        blocked = f", blocked: {connection['blocked']}" if connection["blocked"] else ""
        node = f", on {connection['node']}" if connection.get("node") else ""
        paused = f" since {moment(connection['paused_since'])}" if connection["paused_since"] else ""
        yield f"{connection['site']}: {connection['state']}{paused}{node}{blocked}"
        if connection["webhooks"]:
            yield from _webhooks(connection["webhooks"])
        for throttle in connection["throttles"]:
            yield from _waits(throttle)
        for kind, now in connection["kinds"].items():
            blocked = f", blocked: {now['blocked']}" if now["blocked"] else ""
            counts, outbox = f"{now['ledger']} in SparkLayer, {now['issues']} with issues", now["outbox"]
            oldest = "" if outbox["oldest_seconds"] is None else f" (oldest {outbox['oldest_seconds']:.0f} s)"
            waiting = f"{outbox['live']} live, {outbox['backfill']} backfill, {outbox['parked']} parked{oldest}"
            yield f"  {kind}: {counts}, waiting: {waiting}{blocked}"
            if now["held_removals"]:
                see = f"ignite-sync removals list {connection['site']} {kind}"
                yield f"    {counted(now['held_removals'], 'removal')} held until a person decides: {see}"
            if now["gap"]:
                yield f"    webhooks may have been missed; everything is read after {moment(now['gap']['due_at'])}"
            if now["full_sync"]:
                yield f"    {describe_run(now['full_sync'])}"
                yield from _held_up(now["full_sync"])
            if refused := now.get("refused"):
                yield f"      the store has refused its next page for {refused['seconds']:.0f} s: {refused['reason']}"


def _runs(status: Any) -> bool:
    """Return True for an answer of a running daemon, False for one from the database."""
    return bool(status.get("running", True))


def _summary(status: Any) -> str:
    number = len(status["connections"])
    connections = counted(number, "connection") if number else "no connections"
    sites = _sites(status)
    parts = [
        connections,
        *([] if _runs(status) else ["no daemon is running"]),
        *(["look at " + "; ".join(sites)] if sites else []),
    ]
    return "; ".join(parts if len(parts) > 1 else [connections, "all is well"])


def _sites(status: Any) -> list[str]:
    """Return the sites that a person should look at, each with the reasons."""
    reasons = {connection["site"]: ", ".join(attention(connection)) for connection in status["connections"]}
    return [f"{site}: {words}" for site, words in reasons.items() if words]


def _webhooks(webhooks: Any) -> Iterator[str]:
    """Describe the registration of webhooks: one line for all, and one for each that is missing."""
    checked = f"checked {moment(webhooks['looked_at'])}" if webhooks["looked_at"] else "never checked"
    missing = f", {len(webhooks['missing'])} missing" if webhooks["missing"] else ""
    yield f"  webhooks: {webhooks['registered']} registered{missing}, {checked}"
    if webhooks["trouble"]:
        yield f"    the registration cannot be read: {webhooks['trouble']}"
    if webhooks["well_at"] != webhooks["looked_at"]:
        yield f"    all were last right {moment(webhooks['well_at']) if webhooks['well_at'] else 'never'}"
    if mended := webhooks["mended"]:
        off = ", ".join(mended["switched_off"])
        found = f"; the platform had switched off {off}" if off else ""
        yield f"    mended {moment(mended['at'])}, {mended['changes']} changes{found}"
    for webhook in webhooks["missing"]:
        yield f"    missing: {webhook['scope']}{': ' if webhook['why'] else ''}{webhook['why']}"


def _waits(throttle: Any) -> Iterator[str]:
    """Describe how long an API, or some of its requests, must wait because it asked for that."""
    api, pause, held = throttle["api"], throttle.get("pause", 0.0), throttle["held_seconds"]
    if pause >= _LONG_WAIT:
        yield f"  {api} asked for a wait: it gets no requests, or only urgent ones, for another {pause:.0f} s"
    if held >= _LONG_WAIT:
        many = "1 request that was" if throttle["held_back"] == 1 else f"{throttle['held_back']} requests that were"
        yield f"  {many} answered 429 by {api} must wait, the last for another {held:.0f} s"


def _held_up(run: Any) -> Iterator[str]:
    """Describe the entities that a run waits for."""
    for entity in run["held_up_by"]:
        yield f"      waits for {entity['id']}, tried {entity['attempts']} times: {entity['error']}"
    if more := run["held_up"] - len(run["held_up_by"]):
        yield f"      and {more} more"


def describe_run(run: Any) -> str:
    """Describe a run in one line."""
    counts = f"{run['done']} done, {run['failed']} failed"
    if run["finished_at"] is None:
        total = "" if run["total_hint"] is None else f" of about {run['total_hint']}"
        return f"full sync {run['id']} is {run['state']}: {counts}{total}"
    held = f", {run['held_removals']} removals held (see: ignite-sync removals list)" if run["held_removals"] else ""
    return f"full sync {run['id']} {'succeeded' if run['succeeded'] else 'did not succeed'}: {counts}{held}"
