"""Values for the templates, from the answers of the admin operations. Pure: the time is given.

A connection's level says how urgently it needs a person: `bad`, `warn` or `good`. A word always says it too, since not
everyone can tell the colours apart.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import frozen

from daemon.listener.page.rendering import counts, duration, moment, waiting

MOST_SHOWN = 200
"""Rows of one list on the page; the commands have them all."""


RUN_PLACES = ("run", "percent", "part", "refused", "held up", "took")
"""Places of a full sync's texts that are empty before the first one."""


@frozen(kw_only=True)
class Card:
    """A connection at a glance: its level and word, and the causes of these.

    `since` and `last_webhook` are seconds since the epoch, None if not known.
    """

    site: str
    platform: str
    level: str
    word: str
    causes: Sequence[str] = ()
    since: float | None = None
    late_seconds: float | None = None
    last_webhook: float | None = None
    webhooks: str = ""
    issues: int = 0
    parked: int = 0
    held: int = 0
    running: str = ""
    """The full syncs on their way in words."""


PLACES: Mapping[str, str] = {
    "blocked": "",
    "held": "#removals",
    "parked": "#parked",
    "must_fix": "#issues",
    "unsent": "#kinds",
}
"""Parts of a connection's page where a person acts on a reason of `explain`, by its code."""


def card(connection: Mapping[str, Any]) -> Card:
    """Return a connection of the status at a glance."""
    kinds: Mapping[str, Any] = connection["kinds"]
    blocks, since = _blocks(connection)
    waits = [kind["outbox"]["oldest_seconds"] for kind in kinds.values()]
    late = max((seconds for seconds in waits if seconds is not None), default=None)
    causes = list(connection["attention"])
    level, word = "good", "working"
    if connection["state"] != "active":
        level, word, since = "warn", connection["state"], connection["paused_since"]
        causes = causes if connection.get("in_settings") else []
    elif blocks:
        level, word = "bad", "blocked"
        causes = [*blocks, *(cause for cause in causes if "blocked" not in cause)]
    elif connection["late"]:
        level, word = "bad", "late"
        causes = [*_slow(connection["throttles"]), *causes]
    elif causes:
        level, word = "warn", "needs attention"
    running = "" if blocks else ", ".join(_running(kinds))
    if running and word == "working":
        word = "full sync"
    return Card(
        site=connection["site"],
        platform=connection["platform"],
        level=level,
        word=word,
        causes=causes,
        since=since,
        late_seconds=late,
        last_webhook=connection["last_webhook"],
        webhooks=_webhooks(connection["webhooks"]),
        issues=_sum(kinds, "issues"),
        parked=sum(kind["outbox"]["parked"] for kind in kinds.values()),
        held=_sum(kinds, "held_removals"),
        running=running,
    )


def spots(connection: Mapping[str, Any], now: float) -> dict[str, str]:
    """Return the texts of a connection that change while a page is open, by the names of their places.

    `shape` changes when the page has to be loaded again: rows or buttons came or went. `now` is in seconds since the
    epoch. No text says seconds that pass: it would be news at every look.
    """
    shown = card(connection)
    texts = {
        "level": shown.level,
        "word": shown.word,
        "since": "" if shown.since is None else f"since {moment(shown.since)} ({waiting(now - shown.since)})",
        "causes": "; ".join(shown.causes),
        "late": waiting(shown.late_seconds),
        "webhook": "none yet" if shown.last_webhook is None else f"{waiting(now - shown.last_webhook)} ago",
        "webhook time": "" if shown.last_webhook is None else moment(shown.last_webhook),
        "webhooks": shown.webhooks,
        "missing": "\n".join(_missing(connection["webhooks"])),
        "node": connection.get("node") or "none",
        "issues": str(shown.issues),
        "parked": str(shown.parked),
        "held": str(shown.held),
        "running": shown.running,
    }
    for name, kind in connection["kinds"].items():
        texts |= {f"{name} {lane}": str(kind["outbox"][lane]) for lane in ("live", "backfill", "parked")}
        texts[f"{name} ledger"] = str(kind["ledger"])
        texts |= {f"{name} {place}": text for place, text in _of_run(kind, now).items()}
    texts["shape"] = shape(connection)
    return texts


def shape(connection: Mapping[str, Any]) -> str:
    """Return a text that differs whenever other rows or buttons belong on a connection's page.

    The rates of an API are left out: they differ at every look, so the page says that they are of its loading.
    """
    shown = card(connection)
    parts = [connection["state"], *(str(n) for n in (shown.issues, shown.parked, shown.held))]
    parts += [throttle["api"] for throttle in connection["throttles"]]
    for name, kind in connection["kinds"].items():
        parts += [f"{name} runs"] if is_running(kind["full_sync"]) else []
        parts += [f"{name} {kind['blocked']}"] if kind["blocked"] else []
    return "; ".join(parts)


def is_running(run: Mapping[str, Any] | None) -> bool:
    """Return whether a full sync is under way."""
    return run is not None and run["finished_at"] is None


def progress(run: Mapping[str, Any] | None) -> int | None:
    """Return the part of a full sync that is done, in percent; None while there is none, or its size is unknown."""
    if run is None or not is_running(run) or not run["total_hint"]:
        return None
    done: int = 100 * (run["done"] + run["failed"]) // run["total_hint"]
    return min(100, done)


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


def in_order(cards: Sequence[Card]) -> list[Card]:
    """Return the cards, the most urgent first."""
    levels = ("bad", "warn", "good")
    return sorted(cards, key=lambda card: (levels.index(card.level), card.site))


def _slow(throttles: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the APIs that keep changes waiting, without numbers: those would change every second."""
    for throttle in throttles:
        if throttle["waiting"] or throttle.get("pause"):
            yield f"requests wait for {throttle['api']}"


def _running(kinds: Mapping[str, Any]) -> Iterator[str]:
    for name, kind in kinds.items():
        if is_running(kind["full_sync"]):
            percent = progress(kind["full_sync"])
            yield f"full sync of {name}{'' if percent is None else f' ({percent} %)'}"


def _blocks(connection: Mapping[str, Any]) -> tuple[list[str], float | None]:
    """Return what blocks a connection, then its kinds, each with the way out; and the time of the earliest."""
    paused = {"": connection, **connection["kinds"]}
    blocks = {name: each for name, each in paused.items() if each["blocked"]}
    words = [f"{name}{name and ': '}{each['remedy']} ({each['blocked']})" for name, each in blocks.items()]
    times = [each["blocked_since"] for each in blocks.values() if each["blocked_since"] is not None]
    return words, min(times, default=None)


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
    texts = nothing | {"latest": f"{title} {run['state']}", "run": counts(run)}
    if not is_running(run):
        state = "succeeded" if run["succeeded"] else "did not succeed"
        return texts | {"latest": f"{title} {state}", "took": f"{moment(ended)}, took {duration(ended - began)}"}
    percent, refused = progress(run), kind.get("refused")
    if percent is not None:
        texts |= {"percent": str(percent), "part": f"{percent} %"}
    if refused:
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


def _sum(kinds: Mapping[str, Any], name: str) -> int:
    return sum(kind[name] or 0 for kind in kinds.values())
