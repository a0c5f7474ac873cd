"""A receiver is told of each condition once, through its own outages, and of the end of each; nothing else stops."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
import trio
import trio.testing
from trio.testing import MockClock

from daemon.admin.notifications.conditions import Event
from daemon.admin.notifications.telling import LARGEST_ANSWER, LONGEST_WAIT
from daemon.admin.notifications.watch import FINDING_SECONDS, LONGEST_LOOK
from daemon.errors import StorageTrouble
from tests.admin.notifications.harness import (
    AFTER,
    CAUSE,
    CONDITIONS,
    CONFIGURED,
    OTHER_CAUSE,
    RECEIVERS,
    FakeReceivers,
    accept,
    notified_settings,
    open_issue,
    open_notified,
    signed,
    start,
)
from tests.connections.harness import open_harness

SOON = AFTER + 2 * LONGEST_LOOK
"""Seconds after which a condition has been told, or its end."""


async def refuse(_receiver: str) -> httpx.Response:
    raise httpx.ConnectError("nobody there")


OUTAGE = 30.0


def outage() -> Callable[[str], Awaitable[httpx.Response]]:
    """Return the behaviour of receivers that each refuse everything for 30 s after the first attempt."""
    began: dict[str, float] = {}

    async def behave(receiver: str) -> httpx.Response:
        at = trio.current_time()
        return await (refuse if at < began.setdefault(receiver, at) + OUTAGE else accept)(receiver)

    return behave


@pytest.mark.parametrize("name", CONDITIONS)
async def test_each_condition_and_its_end_are_told_through_an_outage(name: str, autojump_clock: MockClock) -> None:
    event, begin, end = CONDITIONS[name]
    async with open_notified() as h:
        await trio.sleep(FINDING_SECONDS)
        for step, state in ((begin, "opened"), (end, "resolved")):
            h.receivers.taken.clear()
            h.receivers.sent.clear()
            h.receivers.behaviour = outage()
            await step(h)
            await trio.sleep(SOON + 2 * OUTAGE)
            assert h.receivers.types() == [f"{event}.{state}"]
            [webhook], [slack] = h.receivers.of("webhook"), h.receivers.of("slack")
            for taken in (webhook, slack):
                first = next(sent for sent in h.receivers.sent if sent.receiver == taken.receiver)
                assert taken.at >= first.at + OUTAGE
            assert signed(webhook)
            data = webhook.content["data"]
            assert (data["site"], data["kind"]) == ("test/a", "products" if name in OF_A_KIND else None)
            assert data["links"]["page"] == "https://here.test/sites/test/a"
            assert slack.content["text"].startswith(f"{data['text']} ")
        await trio.sleep(5 * SOON)
        assert len(h.receivers.taken) == len(RECEIVERS), "once each"


OF_A_KIND = {"a kind blocked", "removals held", "parked", "full sync failed"}


async def test_the_numbers_are_those_of_the_status(autojump_clock: MockClock) -> None:
    async with open_notified() as h:
        for _, begin, _ in CONDITIONS.values():
            await begin(h)
        await trio.sleep(SOON)
        counts = {taken.content["type"]: taken.content["data"]["counts"] for taken in h.receivers.of("webhook")}
        assert counts == {
            "blocked.opened": {},
            "removals_held.opened": {"entities": 1},
            "parked.opened": {"entities": 1},
            "full_sync_failed.opened": {"done": 7, "failed": 2, "held_removals": 0},
            "webhooks_missing.opened": {"registered": 3, "missing": 2},
            "issues.opened": {"products": 1},
        }
        status: Any = await h.daemon.admin.status({})
        causes = {taken.content["data"]["cause"] for taken in h.receivers.of("webhook")}
        assert causes == {None, status["connections"][0]["blocked"]}


async def test_a_blip_tells_nobody(autojump_clock: MockClock) -> None:
    async with open_notified() as h:
        await trio.sleep(FINDING_SECONDS)
        for name, (_, begin, end) in CONDITIONS.items():
            if name != "full sync failed":  # ended by another run, not by time
                await begin(h)
                await trio.sleep(AFTER / 2)
                await end(h)
                await trio.sleep(2 * SOON)
        assert h.receivers.sent == []


async def test_a_short_recovery_tells_nobody(autojump_clock: MockClock) -> None:
    async with open_notified() as h:
        _, begin, end = CONDITIONS["parked"]
        await begin(h)
        await trio.sleep(SOON)
        await end(h)
        await trio.sleep(AFTER / 2)
        await begin(h)
        await trio.sleep(2 * SOON)
        assert h.receivers.types() == ["parked.opened"]


async def test_another_cause_is_told_once_it_has_lasted(autojump_clock: MockClock) -> None:
    async with open_notified() as h:
        pause = h.context.pause
        pause.start(CAUSE)
        await trio.sleep(SOON)
        for cause, seconds in ((OTHER_CAUSE, AFTER / 2), (CAUSE, SOON), (OTHER_CAUSE, 2 * SOON)):
            pause._turn(cause)  # as a probe does that meets another refusal
            await trio.sleep(seconds)
        told = [(taken.content["type"], taken.content["data"]["cause"]) for taken in h.receivers.of("webhook")]
        causes = [f"platform: {cause.reason}" for cause in (CAUSE, OTHER_CAUSE)]
        assert told == [("blocked.opened", cause) for cause in causes]
        assert len({taken.headers["webhook-id"] for taken in h.receivers.of("webhook")}) == len(told)
        first, second = (taken.content["timestamp"] for taken in h.receivers.of("webhook"))
        passed = datetime.fromisoformat(second) - datetime.fromisoformat(first)
        assert timedelta(seconds=2 * SOON) < passed, "each says when its own cause began"


@pytest.mark.usefixtures("both_engines")
async def test_a_restart_repeats_nothing_and_forgets_nothing(autojump_clock: MockClock) -> None:
    async with open_notified(after_seconds=0.6 * FINDING_SECONDS) as first:
        receivers = first.receivers
        for _, begin, _ in CONDITIONS.values():
            await begin(first)
        await trio.sleep(SOON)
        every = Counter(event for event, _, _ in CONDITIONS.values())
        assert Counter(receivers.types()) == {f"{event}.opened": number for event, number in every.items()}
        assert len(receivers.texts()) == len(CONDITIONS)
        receivers.taken.clear()
        second = await first.restarted()
        await trio.sleep(0.9 * FINDING_SECONDS)
        for name in ("blocked", "a kind blocked"):
            await CONDITIONS[name][1](second)  # the first calls after a start find it again
        await trio.sleep(2 * SOON)
        assert receivers.taken == []
        for _, _, end in CONDITIONS.values():
            await end(second)
        await second.restarted()
        await trio.sleep(FINDING_SECONDS + SOON)
        assert Counter(receivers.types()) == {f"{event}.resolved": number for event, number in every.items()}
        assert len(receivers.texts()) == len(CONDITIONS)


async def test_a_message_keeps_its_id_over_a_timeout_and_a_restart(autojump_clock: MockClock) -> None:
    async def lose_the_answer(_receiver: str) -> httpx.Response:
        return await hang()

    async with open_notified() as h:
        h.receivers.behaviour = lose_the_answer
        await CONDITIONS["parked"][1](h)
        await trio.sleep(2 * SOON)
        await h.restarted()
        await trio.sleep(SOON)
        h.receivers.behaviour = accept
        await trio.sleep(LONGEST_WAIT)
        ids = [sent.headers["webhook-id"] for sent in h.receivers.sent if sent.receiver == "webhook"]
        assert len(ids) > 2
        assert len(set(ids)) == 1
        assert h.receivers.types() == ["parked.opened"]


async def test_a_stored_message_is_sent_although_the_database_cannot_be_written(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object) -> None:
        raise StorageTrouble("the disk is full", reason="storage")

    async with open_notified() as h:
        h.receivers.behaviour = refuse
        await CONDITIONS["parked"][1](h)
        await trio.sleep(SOON)
        assert {sent.receiver for sent in h.receivers.sent} == set(RECEIVERS), "the first attempts"
        monkeypatch.setattr(h.context.storage, "write", full)
        h.receivers.behaviour = accept
        await trio.sleep(LONGEST_WAIT)
        assert sorted(taken.receiver for taken in h.receivers.taken) == sorted(RECEIVERS), "once each"
        assert set(h.receivers.types()) == {"parked.opened"}
        monkeypatch.undo()
        await trio.sleep(SOON)
        await CONDITIONS["parked"][2](h)
        await trio.sleep(2 * AFTER)
        assert h.receivers.types() == ["parked.opened", "parked.resolved"], "what was taken is stored by then"


async def test_the_opposite_of_what_may_have_arrived_is_told(autojump_clock: MockClock) -> None:
    async with open_notified() as h:
        h.receivers.behaviour = refuse
        _, begin, end = CONDITIONS["parked"]
        await begin(h)
        await trio.sleep(SOON)
        await end(h)
        await trio.sleep(SOON)
        h.receivers.behaviour = accept
        await trio.sleep(LONGEST_WAIT)
        assert h.receivers.types() == ["parked.resolved"]


async def _body(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 1024):
        yield bytes(1024)


def answering(status: int, **more: Any) -> Callable[[], Awaitable[httpx.Response]]:
    async def answer() -> httpx.Response:
        return httpx.Response(status, **more)

    return answer


async def hang() -> httpx.Response:
    await trio.sleep_forever()
    raise AssertionError("cancelled before")


async def cut() -> httpx.Response:
    raise httpx.RemoteProtocolError("cut off")


async def huge() -> httpx.Response:
    return httpx.Response(200, content=_body(4 * LARGEST_ANSWER))


BROKEN: dict[str, Callable[[], Awaitable[httpx.Response]]] = {
    "500": answering(500),
    "400": answering(400),
    "401": answering(401),
    "410": answering(410),
    "redirect": answering(302, headers={"location": "http://169.254.169.254/"}),
    "permanent redirect": answering(308, headers={"location": "https://elsewhere.test/"}),
    "hang": hang,
    "cut": cut,
    "huge": huge,
    "no gzip": answering(200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(b"not gzip")),
}


@pytest.mark.parametrize("fault", BROKEN)
async def test_a_broken_receiver_stops_nothing_and_is_told_later(fault: str, autojump_clock: MockClock) -> None:
    async def behave(receiver: str) -> httpx.Response:
        return await (BROKEN[fault]() if receiver == "webhook" else accept(receiver))

    async with open_notified() as h:
        h.receivers.behaviour = behave
        for name in ("parked", "removals held"):
            await CONDITIONS[name][1](h)
        await trio.sleep(SOON)
        assert len(h.receivers.texts()) == 2, "the other receiver is told in time"
        await trio.sleep(1000.0)
        late = h.series("notifications_late_seconds", receiver="webhook")
        assert late is not None
        assert late > 900.0
        assert h.series("notifications_late_seconds", receiver="slack") == 0.0
        tried = sum(sent.receiver == "webhook" for sent in h.receivers.sent)
        failed = h.series("notifications_total", receiver="webhook", outcome="failed")
        assert failed in {tried, tried - 1}, "one may be under way"
        assert 5 < tried < 50, "neither given up nor hammered"
        h.receivers.taken.clear()
        h.receivers.behaviour = accept
        await trio.sleep(LONGEST_WAIT + LONGEST_LOOK)
        assert sorted(h.receivers.types()) == ["parked.opened", "removals_held.opened"]
        ids = {sent.headers["webhook-id"] for sent in h.receivers.sent if sent.receiver == "webhook"}
        assert len(ids) == 2
        assert h.series("notifications_late_seconds", receiver="webhook") == 0.0
        assert h.series("notifications_total", receiver="webhook", outcome="sent") == 2.0


async def test_a_message_that_is_always_refused_holds_up_no_other(autojump_clock: MockClock) -> None:
    async with open_notified() as h:

        async def behave(_receiver: str) -> httpx.Response:
            return httpx.Response(500 if b"blocked" in h.receivers.sent[-1].body else 200)

        h.receivers.behaviour = behave
        for name in ("blocked", "a kind blocked", "parked"):
            await CONDITIONS[name][1](h)
        await trio.sleep(SOON)
        assert h.receivers.types() == ["parked.opened"]
        await trio.sleep(1000.0)
        await CONDITIONS["issues"][1](h)
        await trio.sleep(SOON)
        assert h.receivers.types() == ["parked.opened", "issues.opened"]


async def test_a_wait_that_the_receiver_asks_for_is_kept(autojump_clock: MockClock) -> None:
    async def later(_receiver: str) -> httpx.Response:
        return httpx.Response(429, headers={"retry-after": "200"})

    async with open_notified() as h:
        h.receivers.behaviour = later
        for name in ("parked", "removals held"):
            await CONDITIONS[name][1](h)
        await trio.sleep(SOON)
        h.receivers.behaviour = accept
        await trio.sleep(2 * 200.0)
        times = [at for at, receiver in h.receivers.tried if receiver == "slack"]
        assert times[1] - times[0] >= 200.0
        assert len(h.receivers.texts()) == 2


async def test_new_issues_come_as_digests(autojump_clock: MockClock) -> None:
    async with open_notified(digest_seconds=900.0) as h:
        for number in range(3):
            await open_issue(h, f"1{number}")
        await trio.sleep(SOON)
        for number in range(5):
            await trio.sleep(60.0)
            await open_issue(h, f"2{number}")
        await trio.sleep(2 * 900.0)
        digests = [taken.content["data"] for taken in h.receivers.of("webhook")]
        assert [(digest["new"], digest["counts"]) for digest in digests] == [
            ({"products": 3}, {"products": 3}),
            ({"products": 5}, {"products": 8}),
        ]
        first, second = (taken.at for taken in h.receivers.of("webhook"))
        assert second - first >= 900.0
        await CONDITIONS["issues"][2](h)
        await trio.sleep(SOON)
        assert h.receivers.types()[2:] == ["issues.resolved"]


async def test_a_digest_whose_issues_are_gone_gives_way_to_the_next(autojump_clock: MockClock) -> None:
    async with open_notified(digest_seconds=60.0) as h:
        h.receivers.behaviour = refuse
        await open_issue(h, "1")
        await trio.sleep(SOON)
        await CONDITIONS["issues"][2](h)
        await open_issue(h, "2")
        await trio.sleep(AFTER / 2)
        h.receivers.behaviour = accept
        await trio.sleep(LONGEST_WAIT)
        assert [taken.content["data"]["new"] for taken in h.receivers.of("webhook")] == [{"products": 1}]


async def test_without_a_receiver_there_is_no_task(autojump_clock: MockClock) -> None:
    none = {"webhook_url": None, "webhook_secret": None, "slack_url": None}
    async with open_harness(CONFIGURED) as daemon, trio.open_nursery() as nursery:
        h = await start(daemon, FakeReceivers(), notified_settings(**none), nursery)
        assert h.notifier.tellings == []
        await trio.testing.wait_all_tasks_blocked()
        assert nursery.child_tasks == set()


def test_every_event_is_tried() -> None:
    assert {event for event, _, _ in CONDITIONS.values()} == set(Event)
