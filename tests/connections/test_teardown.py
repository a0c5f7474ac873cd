"""A leaving connection is cleaned up on both sides as long as that can succeed; then none of its rows is left."""

import contextlib
from collections.abc import AsyncIterator

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from daemon import sparklayer
from daemon.config import Settings
from daemon.connections.teardown import GIVE_UP_AFTER, _Refusals
from daemon.errors import Blocked, Failure, KeyRefused, Missing, Rejected, Retry, Side
from daemon.model import ApiKey, Change, ConnectionId, ExternalId, Kind, Secret, Site
from daemon.platforms.bigcommerce.refusal import refusal
from daemon.sandbox.faults import Act, answer
from daemon.sandbox.sparklayer.api import SparkLayer, SparkLayerOptions
from daemon.sandbox.transport import InProcess
from daemon.sparklayer.client import Known
from daemon.storage import outbox, overview
from daemon.storage.outbox import Record
from daemon.transport.client import Observe
from daemon.transport.http import Answer
from tests.connections.harness import LifecycleHarness, open_harness, site
from tests.each import each

BUSY = Retry("busy", reason="http_503")
UNKNOWN_KEY = KeyRefused("no", reason="credentials", side=Side.PLATFORM)
MAYBE_UNKNOWN = Blocked("Unauthorized", reason="credentials", side=Side.PLATFORM)
HOOKS = "https://here.test/webhooks/test/a"
SYNC_LOG = "DELETE */sync-log"


@pytest.fixture
def spark(monkeypatch: pytest.MonkeyPatch) -> SparkLayer:
    """Return the site's stand-in, without sockets."""
    found = SparkLayer(SparkLayerOptions(), "http://site.test")

    def client(
        _: Settings, name: Site, _key: ApiKey, platform: str, observe: Observe, *_known: Known
    ) -> sparklayer.SparkLayer:
        key = ApiKey(client_id=found.client_id, client_secret=Secret(found.client_secret))
        return sparklayer.connect(
            base_url=found.url,
            site=Site(name.env, found.site_id),
            api_key=key,
            integration=platform,
            observe=observe,
            transport=InProcess(found),
        )

    monkeypatch.setattr("daemon.connections.factory.site_client", client)
    return found


@contextlib.asynccontextmanager
async def leaving(*failures: Exception) -> AsyncIterator[tuple[LifecycleHarness, ConnectionId]]:
    """Open a harness with a leaving site; the clean-up at the store raises `failures` before it succeeds."""
    async with open_harness() as harness:
        await harness.install("s1", "token-1")
        await harness.connect("a", "s1")
        connection_id = (await harness.present("a")).id
        changes = [Change(Kind.PRODUCTS, ExternalId("1"))]
        await harness.database.write(outbox.record, Record(connection_id=connection_id, changes=changes, now=1.0))
        harness.shop.failures["remove_webhooks"] = list(failures)
        await harness.lifecycle.disconnect(site("a"))
        yield harness, connection_id


async def until_gone(harness: LifecycleHarness, within: float) -> float:
    """Run the clean-up; return the seconds taken, at most `within`."""
    began, glance = trio.current_time(), within / 1000
    async with trio.open_nursery() as nursery:
        nursery.start_soon(harness.teardown.run)
        with trio.fail_after(within):
            while await harness.states("a") != ["gone"]:  # noqa: ASYNC110  the clock is a mock
                await trio.sleep(glance)
        harness.teardown.finish()
    return trio.current_time() - began


def _deleted(spark: SparkLayer) -> int:
    return spark.statistics.calls["DELETE /api/v1/sync-log"]


async def test_both_sides_are_cleaned_up_and_every_row_goes(autojump_clock: MockClock, spark: SparkLayer) -> None:
    async with leaving() as (harness, connection_id):
        await until_gone(harness, 10)
        assert (harness.shop.removed, _deleted(spark)) == ([HOOKS], 1)
        assert await harness.database.read(overview.depths, connection_id, Kind.PRODUCTS) == []
        [tombstone] = await harness.rows("a")
        assert harness.lifecycle.registry.vault.decrypt(tombstone.encrypted) is None
        assert harness.supervisor.contexts == []


async def test_webhooks_go_though_there_is_no_public_url_any_more(autojump_clock: MockClock, spark: SparkLayer) -> None:
    """The path alone names them; each adapter's promise is in `tests/conformance/promises/registering.py`."""
    async with leaving() as (harness, _):
        registry = harness.lifecycle.registry
        registry.settings = evolve(registry.settings, listener=evolve(registry.settings.listener, public_url=None))
        await until_gone(harness, 10)
        assert harness.shop.removed == ["/webhooks/test/a"]


OWN_404 = answer(404, '{"title": "Not found", "status": 404}')


async def test_what_cannot_be_done_now_is_tried_again(autojump_clock: MockClock, spark: SparkLayer) -> None:
    spark.faults.add(SYNC_LOG, answer(503), times=7)
    async with leaving(BUSY, ZeroDivisionError("bug"), BUSY, BUSY) as (harness, _):
        assert await until_gone(harness, 300) > 5
        assert (harness.shop.removed, _deleted(spark)) == ([HOOKS], 8)


async def test_it_waits_as_long_as_the_other_side_asks_for(autojump_clock: MockClock, spark: SparkLayer) -> None:
    async with leaving(Retry("busy", reason="http_429", after=40)) as (harness, _):
        assert 40 <= await until_gone(harness, 60) < 42
        assert harness.shop.calls["remove_webhooks"] == 2


@pytest.mark.holds("A6")
@pytest.mark.parametrize("failure", [Missing("no hook", reason="http_404"), Rejected("no", reason="http_422")])
@pytest.mark.parametrize("times", [1, 2])
async def test_only_what_is_refused_twice_leaves_nothing_to_do(
    autojump_clock: MockClock, spark: SparkLayer, failure: Failure, times: int
) -> None:
    async with leaving(*[failure] * times) as (harness, _):
        assert await until_gone(harness, 10) >= 2
        assert (harness.shop.calls["remove_webhooks"], _deleted(spark)) == (2, 1)
        assert harness.shop.removed == [HOOKS] * (2 - times)


@pytest.mark.holds("A6")
@pytest.mark.parametrize("refusal", [OWN_404, answer(404)], ids=["own", "empty"])
@pytest.mark.parametrize("times", [1, 9])
async def test_the_sync_logs_are_never_missing(
    autojump_clock: MockClock, spark: SparkLayer, refusal: Act, times: int
) -> None:
    """The sync-log is wiped as a whole, so its deletion is never answered with a real 404."""
    spark.faults.add("* */sync-log*", refusal, times=times)
    async with leaving() as (harness, _):
        await until_gone(harness, 600)
        assert (_deleted(spark), spark.state.sync_log.wipes) == (times + 1, 1)


@pytest.mark.holds("A6")
@pytest.mark.parametrize("times", [1, 2])
async def test_a_token_that_the_store_refuses_twice_in_its_own_words_leaves_nothing_to_do(
    autojump_clock: MockClock, spark: SparkLayer, times: int
) -> None:
    async with leaving(*[UNKNOWN_KEY] * times) as (harness, _):
        assert 60 <= await until_gone(harness, 300) < 65
        assert (harness.shop.calls["remove_webhooks"], harness.shop.removed) == (2, [HOOKS] * (2 - times))


@pytest.mark.holds("A6")
async def test_a_refusal_that_something_else_comes_between_counts_as_the_first(
    autojump_clock: MockClock, spark: SparkLayer
) -> None:
    async with leaving(UNKNOWN_KEY, BUSY, UNKNOWN_KEY) as (harness, _):
        await until_gone(harness, 1200)
        assert harness.shop.removed == [HOOKS]


@pytest.mark.holds("A6")
async def test_a_401_that_a_proxy_may_have_sent_never_ends_the_clean_up(
    autojump_clock: MockClock, spark: SparkLayer
) -> None:
    async with leaving(*[MAYBE_UNKNOWN] * 40) as (harness, _):
        assert await until_gone(harness, GIVE_UP_AFTER) > 3600
        assert harness.shop.removed == [HOOKS]


OWN_BODIES: dict[str, tuple[str, str]] = {
    "v3": ("application/json", '{{"status": {status}, "title": "No"}}'),
    "v2": ("application/json", '[{{"status": {status}, "message": "No"}}]'),
    "v3 of an odd type": ("text/plain", '{{"status": {status}, "title": "No"}}'),
}
FOREIGN_BODIES: dict[str, tuple[str, str]] = {
    "page": ("text/html", "<h1>No</h1>"),
    "page without a type": ("", "<h1>No</h1>"),
    "own words as a page": ("text/html; charset=utf-8", '{{"status": {status}, "title": "No"}}'),
    "text": ("text/plain", "Unauthorized"),
    "empty": ("", ""),
    "gateway": ("application/json", '{{"message": "No", "request_id": "1"}}'),
    "gateway with the status": ("application/json", '{{"status": {status}, "error": "No"}}'),
    "another status": ("application/json", '{{"status": 599, "title": "No"}}'),
    "cut off": ("application/json", '{{"status": {status}, "ti'),
    "list": ("application/json", "[]"),
}
FINAL = {400: 2.0, 401: 60.0, 404: 2.0, 405: 2.0, 409: 2.0, 410: 2.0, 413: 2.0, 415: 2.0, 422: 2.0}
"""Statuses that end a step in the store's own words, and the seconds between the two refusals."""


@pytest.mark.holds("A6")
@each("body", [*OWN_BODIES, *FOREIGN_BODIES])
@pytest.mark.parametrize("status", [301, *FINAL, 403, 408, 423, 429, 499, 500, 502, 503])
def test_only_the_stores_own_words_end_its_clean_up(status: int, body: str) -> None:
    kind, text = {**OWN_BODIES, **FOREIGN_BODIES}[body]
    headers = {"content-type": kind} if kind else {}
    failure = refusal(Answer(status, headers, text.format(status=status).encode()), [])
    refusals, now = _Refusals(), 0.0
    ended = False
    while not ended and now < GIVE_UP_AFTER:
        ended = refusals.add(failure, now)
        now += 0.0 if ended else refusals.pause or 60.0
    assert ended is (body in OWN_BODIES and status in FINAL)
    if ended:
        assert now == FINAL[status]


@pytest.mark.holds("A6")
async def test_a_key_that_is_refused_twice_a_minute_apart_leaves_nothing_to_do(
    autojump_clock: MockClock, spark: SparkLayer
) -> None:
    spark.tokens.key_revoked = True
    async with leaving() as (harness, _):
        assert 60 <= await until_gone(harness, 300) < 65
        assert (harness.shop.removed, _deleted(spark)) == ([HOOKS], 0)


PAGE = "<h1>Not here</h1>"


@pytest.mark.holds("A6")
@pytest.mark.parametrize("what", [SYNC_LOG, "POST */auth/token"])
@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_page_of_something_in_between_never_ends_the_clean_up(
    autojump_clock: MockClock, spark: SparkLayer, status: int, what: str
) -> None:
    page = spark.faults.add(what, answer(status, PAGE, {"content-type": "text/html"}))
    async with leaving() as (harness, _):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(harness.teardown.run)
            await trio.sleep(3600)
            assert await harness.states("a") == ["leaving"]
            spark.faults.remove(page)
            harness.teardown.finish()
        await until_gone(await harness.restarted(), 2000)
        assert _deleted(spark) > 0
        assert spark.state.sync_log.logs == {}


@pytest.mark.holds("A6")
async def test_a_token_that_is_refused_is_not_a_key_that_is(autojump_clock: MockClock, spark: SparkLayer) -> None:
    spark.faults.add(SYNC_LOG, answer(401, '{"title": "The token is not valid", "status": 401}'), times=40)
    async with leaving() as (harness, _):
        assert await until_gone(harness, GIVE_UP_AFTER) > 600
        assert harness.shop.removed == [HOOKS]


@pytest.mark.parametrize("failure", [BUSY, Blocked("no", reason="scope_missing", side=Side.PLATFORM)])
async def test_after_a_day_it_is_given_up(autojump_clock: MockClock, spark: SparkLayer, failure: Failure) -> None:
    async with leaving(*[failure] * 1000) as (harness, _):
        assert GIVE_UP_AFTER - 1000 < await until_gone(harness, 2 * GIVE_UP_AFTER) < GIVE_UP_AFTER + 200
        assert harness.shop.removed == []


async def test_the_day_goes_on_over_a_restart(autojump_clock: MockClock, spark: SparkLayer) -> None:
    async with leaving(*[BUSY] * 1000) as (harness, _):
        harness.later[0] += GIVE_UP_AFTER - 100
        again = await harness.restarted()
        assert await until_gone(again, 1000) < 200


@pytest.mark.holds("D4")
@pytest.mark.parametrize("jump", [-365 * GIVE_UP_AFTER, 365 * GIVE_UP_AFTER])
@pytest.mark.parametrize("moment", ["before a restart", "during the clean-up"])
async def test_a_clock_that_jumps_does_not_end_a_clean_up(
    autojump_clock: MockClock, spark: SparkLayer, jump: float, moment: str
) -> None:
    """The store is busy for five minutes; by a clock a year ahead, the day would be over."""
    async with leaving(*[BUSY] * 1000) as (first, _):
        first.later[0] += jump if moment == "before a restart" else 0.0
        harness = await first.restarted()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(until_gone, harness, 2 * GIVE_UP_AFTER)
            await trio.sleep(150)
            if moment == "during the clean-up":
                harness.later[0] += jump
            await trio.sleep(150)
            harness.shop.failures["remove_webhooks"] = []
        assert harness.shop.removed == [HOOKS]


async def test_the_sync_log_of_a_site_that_is_connected_again_stays(
    autojump_clock: MockClock, spark: SparkLayer
) -> None:
    async with leaving() as (harness, _):
        await harness.install("s2", "token-2")
        await harness.connect("a", "s2")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(harness.teardown.run)
            with trio.fail_after(10):
                while await harness.states("a") != ["active"]:  # noqa: ASYNC110  the clock is a mock
                    await trio.sleep(1)
            harness.teardown.finish()
        assert (harness.shop.removed, _deleted(spark)) == ([HOOKS], 0)


async def test_a_stop_leaves_the_rest_to_the_next_start(autojump_clock: MockClock, spark: SparkLayer) -> None:
    async with leaving(*[BUSY] * 5) as (harness, _):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(harness.teardown.run)
            await trio.sleep(1)
            harness.teardown.finish()
        assert await harness.states("a") == ["leaving"]
        await until_gone(await harness.restarted(), 300)
