"""Values for the templates, from the answers of the admin operations. Pure: the time is given.

A connection's level says how urgently it needs a person: `bad`, `warn` or `good`. A word always says it too, since not
everyone can tell the colours apart.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from daemon.listener.page.rendering import duration, moment, waiting

MOST_SHOWN = 200
"""Rows of one list on the page; the commands have them all."""


RUN_PLACES = ("run", "percent", "part", "refused", "held up", "took")
"""Places of a full sync's texts that are empty before the first one."""


LEVELS = ("bad", "warn", "good")
"""The most urgent first."""

PLACES: Mapping[str, str] = {
    "blocked": "",
    "held": "#removals",
    "parked": "#parked",
    "must_fix": "#issues",
    "unsent": "#kinds",
}
"""Parts of a connection's page where a person acts on a reason of `explain`, by its code."""


def spots(connection: Mapping[str, Any], now: float) -> dict[str, str]:
    """Return the texts of a connection that change while a page is open, by the names of their places.

    `shape` changes when the page has to be loaded again: rows or buttons came or went. `now` is in seconds since the
    epoch. No text says seconds that pass: it would be news at every look.
    """
    kinds, webhook = connection["kinds"], connection["last_webhook"]
    level, word, causes, since = _state(connection)
    waits = [kind["outbox"]["oldest_seconds"] for kind in kinds.values()]
    texts = {
        "level": level,
        "word": word,
        "since": "" if since is None else f"since {moment(since)} ({waiting(now - since)})",
        "causes": "; ".join(causes),
        "late": waiting(max((seconds for seconds in waits if seconds is not None), default=None)),
        "webhook": "none yet" if webhook is None else f"{waiting(now - webhook)} ago",
        "webhook time": "" if webhook is None else moment(webhook),
        "webhooks": _webhooks(connection["webhooks"]),
        "missing": "\n".join(_missing(connection["webhooks"])),
        "node": connection.get("node") or "none",
        "issues": str(sum(kind["issues"] for kind in kinds.values())),
        "parked": str(sum(kind["outbox"]["parked"] for kind in kinds.values())),
        "held": str(sum(kind["held_removals"] for kind in kinds.values())),
        "running": "",
    }
    running, shape = [], [connection["state"], texts["issues"], texts["parked"], texts["held"]]
    # The rates of an API are left out: they differ at every look, so the page says that they are of its loading.
    shape += [throttle["api"] for throttle in connection["throttles"]]
    for name, kind in kinds.items():
        run = _of_run(kind, now)
        texts |= {f"{name} {lane}": str(kind["outbox"][lane]) for lane in ("live", "backfill", "parked")}
        texts |= {f"{name} ledger": str(kind["ledger"]), **{f"{name} {place}": text for place, text in run.items()}}
        if is_running(kind["full_sync"]):
            running.append(f"full sync of {name} ({run['part']})" if run["part"] else f"full sync of {name}")
            shape.append(f"{name} runs")
        shape += [f"{name} {kind['blocked']}"] if kind["blocked"] else []
    if running and not any(each["blocked"] for each in (connection, *kinds.values())):
        texts |= {"running": ", ".join(running), "word": "full sync" if word == "working" else word}
    return texts | {"shape": "; ".join(shape)}


def _state(connection: Mapping[str, Any]) -> tuple[str, str, Sequence[str], float | None]:
    """Return a connection's level, the word for its state, its causes, and since when it is so, if that is known."""
    causes = connection["attention"]
    if connection["state"] != "active":
        causes = causes if connection.get("in_settings") else []
        return "warn", connection["state"], causes, connection["paused_since"]
    places = {"": connection, **connection["kinds"]}
    if blocks := {name: each for name, each in places.items() if each["blocked"]}:
        ways_out = [f"{name}{name and ': '}{each['remedy']} ({each['blocked']})" for name, each in blocks.items()]
        times = [each["blocked_since"] for each in blocks.values() if each["blocked_since"] is not None]
        others = [cause for cause in causes if "blocked" not in cause]
        return "bad", "blocked", [*ways_out, *others], min(times, default=None)
    if connection["late"]:
        # Without numbers: those would change every second.
        slow = [each["api"] for each in connection["throttles"] if each["waiting"] or each.get("pause")]
        return "bad", "late", [*(f"requests wait for {api}" for api in slow), *causes], None
    return ("warn", "needs attention", causes, None) if causes else ("good", "working", [], None)


def is_running(run: Mapping[str, Any] | None) -> bool:
    """Return whether a full sync is under way."""
    return run is not None and run["finished_at"] is None


def rates(throttles: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str, str]]:
    """Yield (API, what was learnt of its limits, what goes on there) of each throttle."""
    for throttle in throttles:
        rate, ceiling = throttle.get("rate"), throttle.get("ceiling")
        learnt = [f"{rate:.1f} requests/s"] if rate is not None else []
        learnt += [f"at most {ceiling:.1f}/s accepted"] if ceiling is not None else []
        if throttle.get("quota") is not None:
            learnt.append(f"{throttle.get('remaining', 0)} of {throttle['quota']} left in the window")
        now = [f"{throttle['in_flight']} in flight", f"{throttle['waiting']} waiting"]
        now += [f"breaker {throttle['breaker']}"] if throttle["breaker"] != "closed" else []
        now += [f"paused for {throttle['pause']:.0f} s"] if throttle.get("pause") else []
        yield throttle["api"], ", ".join(learnt) or "nothing yet", ", ".join(now)


def _webhooks(registration: Mapping[str, Any] | None) -> str:
    if registration is None:
        return "not registered"
    if registration["trouble"]:
        return "cannot be checked"
    return f"{len(registration['missing'])} missing" if registration["missing"] else "registered"


def _missing(registration: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield the reason why webhooks cannot be checked, and those that are missing."""
    if registration is None:
        return
    if registration["trouble"]:
        yield registration["trouble"]
    for missing in registration["missing"]:
        yield f"{missing['scope']} is missing{missing['why'] and ': '}{missing['why']}"


def _of_run(kind: Mapping[str, Any], now: float) -> dict[str, str]:
    """Return the texts of a kind's latest full sync, by the names of their places."""
    run, nothing = kind["full_sync"], dict.fromkeys(RUN_PLACES, "")
    if run is None:
        return {"latest": "none", **nothing}
    title, began, ended = f"No. {run['id']} ({run['mode']}):", run["started_at"], run["finished_at"]
    texts = nothing | {
        "latest": f"{title} {run['state']}",
        "run": f"{run['seen']} seen, {run['done']} done, {run['failed']} failed",
    }
    if not is_running(run):
        state = "succeeded" if run["succeeded"] else "did not succeed"
        return texts | {"latest": f"{title} {state}", "took": f"{moment(ended)}, took {duration(ended - began)}"}
    if run["total_hint"]:
        percent = min(100, 100 * (run["done"] + run["failed"]) // run["total_hint"])
        texts |= {"percent": str(percent), "part": f"{percent} %"}
    if refused := kind.get("refused"):
        why = f"{waiting(refused['seconds'])}: {refused['reason']}"
        texts["refused"] = f"the store has refused its next page for {why}"
    if run["held_up"]:
        texts["held up"] = f"waiting for {run['held_up']} {'entity' if run['held_up'] == 1 else 'entities'}: "
        texts["held up"] += ", ".join(_tried(entity) for entity in run["held_up_by"])
    return texts | {"took": f"for {waiting(now - began)}"}


def _tried(entity: Mapping[str, Any]) -> str:
    """Return an entity that a full sync waits for, with its last error."""
    error = f"; {entity['error']}" if entity["error"] else ""
    return f"{entity['id']} ({entity['attempts']} attempts{error})"
