"""A connection at a glance: the word for its state, the causes, and the way out."""

from typing import Any

import pytest

from daemon.admin.attention import LATE, attention, late_kinds, remedy
from daemon.listener.page.views import spots

NOW = 1_000_000.0
RUN: dict[str, Any] = {"id": 3, "mode": "normal", "state": "enumerating", "started_at": 5.0, "finished_at": None}
RUN |= {"seen": 8, "done": 2, "failed": 0, "total_hint": 8, "succeeded": None, "held_up": 0, "held_up_by": []}


def kind(**others: Any) -> dict[str, Any]:
    ages = dict.fromkeys(("oldest_seconds", "oldest_live_seconds"))
    outbox = {"live": 0, "backfill": 0, "parked": 0} | ages | others.pop("outbox", {})
    status = {"outbox": outbox, "full_sync": None, "issues": 0, "ledger": 0, "held_removals": 0}
    return {**status, "blocked": None, "blocked_since": None, **others, "remedy": remedy(others.get("blocked"))}


def connection(*, products: dict[str, Any] | None = None, **others: Any) -> dict[str, Any]:
    status: dict[str, Any] = {"site": "test/a", "platform": "fake", "state": "active", "throttles": []}
    status |= dict.fromkeys(("blocked", "blocked_since", "paused_since", "last_webhook", "webhooks"))
    status |= {"kinds": {"store": kind(), "products": products or kind()}, **others}
    found = {"attention": list(attention(status)), "late": any(late_kinds(status))}
    return {**status, "remedy": remedy(status["blocked"]), **found}


def old(**waiting: int) -> dict[str, Any]:
    live = LATE + 1 if "live" in waiting else None
    return {"outbox": {"oldest_seconds": LATE + 1, "oldest_live_seconds": live, **waiting}}


SLOW = [
    {"api": "Fake", "waiting": 0, "pause": 90.0, "held_seconds": 0.0},
    {"api": "SparkLayer", "waiting": 2, "held_seconds": 0.0},
    {"api": "Idle", "waiting": 0, "held_seconds": 0.0},
]
REFUSED = "The store refuses the credentials. Renew them there, put them into the settings, and reload."
NO_RIGHT = "SparkLayer refuses this. The site may be suspended, or its credentials may lack a right: ask SparkLayer."


@pytest.mark.parametrize(
    ("status", "level", "word", "causes"),
    [
        (connection(), "good", "working", []),
        (connection(products=kind(full_sync=RUN)), "good", "full sync", []),
        (connection(paused_since=1.0, state="paused"), "warn", "paused", []),
        (
            connection(blocked="platform: credentials", blocked_since=5.0, products=kind(full_sync=RUN)),
            "bad",
            "blocked",
            [f"{REFUSED} (platform: credentials)"],
        ),
        (
            connection(products=kind(blocked="sparklayer: forbidden", blocked_since=5.0, held_removals=2)),
            "bad",
            "blocked",
            [f"products: {NO_RIGHT} (sparklayer: forbidden)", "2 removals of products held"],
        ),
        (connection(products=kind(**old(live=1))), "bad", "late", ["changes of products are late"]),
        (
            connection(products=kind(**old(live=1), full_sync=RUN), throttles=SLOW),
            "bad",
            "late",
            [
                "requests wait for Fake",
                "requests wait for SparkLayer",
                "Fake asked for a long wait",
                "changes of products are late",
            ],
        ),
        # A full sync feeds the outbox faster than it drains.
        (connection(products=kind(**old(backfill=9), full_sync=RUN)), "good", "full sync", []),
        (connection(products=kind(**old(backfill=9))), "bad", "late", ["changes of products are late"]),
        (connection(state="not configured", products=kind(**old(live=1))), "warn", "not configured", []),
        (connection(state="gone"), "warn", "gone", []),
        (
            connection(state="gone", in_settings=True),
            "warn",
            "gone",
            ["disconnected, but in the settings"],
        ),
        (connection(products=kind(outbox={"parked": 2})), "warn", "needs attention", ["2 products parked"]),
        (
            connection(products=kind(full_sync=RUN | {"finished_at": 9.0, "succeeded": False})),
            "warn",
            "needs attention",
            ["the last full sync of products did not succeed"],
        ),
        (
            connection(webhooks={"trouble": None, "missing": [{"scope": "x", "why": ""}]}),
            "warn",
            "needs attention",
            ["webhooks not registered"],
        ),
    ],
)
def test_a_connection_has_a_word_for_its_state_and_the_causes(
    status: dict[str, Any], level: str, word: str, causes: list[str]
) -> None:
    shown = spots(status, NOW)
    assert (shown["level"], shown["word"], shown["causes"]) == (level, word, "; ".join(causes))


def test_what_blocks_it_is_since_the_earliest_and_full_syncs_are_left_out_meanwhile() -> None:
    late = kind(blocked="platform: scope_missing", blocked_since=7.0, full_sync=RUN)
    blocked = spots(connection(blocked="platform: credentials", blocked_since=9.0, products=late), NOW)
    assert (blocked["since"], blocked["running"]) == ("since 1970-01-01 00:00:07 UTC (12 d)", "")
    assert spots(connection(products=kind(full_sync=RUN)), NOW)["running"] == "full sync of products (25 %)"
