"""Live pages: what changes arrives by itself, at little cost, and never keeps the daemon from stopping."""

import contextlib
import itertools
from collections.abc import AsyncGenerator
from math import inf
from typing import Any

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair

from daemon.errors import StorageTrouble
from daemon.listener.http.limits import Limits
from daemon.listener.http.messages import Request, Response
from daemon.listener.http.server import Server
from daemon.listener.page import live
from daemon.listener.page.live import BEAT, EVERY, LASTS, SHARE, SIGN, Live, Spots
from daemon.listener.routes import Routes
from daemon.model.operators import Operator
from daemon.observability.metrics import Metrics
from tests.listener.page.browser import ANNA, BEN, PATIENCE, following, open_page
from tests.listener.page.test_page import PAGE, fill


@pytest.fixture(autouse=True)
def _often(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "autojump_clock" not in request.fixturenames:
        monkeypatch.setattr(live, "EVERY", 0.05)
        monkeypatch.setattr(live, "SHARE", 0.0)


async def test_what_changes_arrives_on_an_open_page_and_nothing_else() -> None:
    async with open_page() as page:
        browser = await page.operator(BEN)
        async with following(browser, "/events?site=test/a") as events:
            first = await events.event()
            assert first["spots"]["test/a"]["word"] == "working"
            assert first["spots"]["test/a"]["parked"] == "0"
            await fill(page.harness)
            second = await events.event()
            assert second["spots"]["test/a"]["parked"] == "2"
            assert second["spots"]["test/a"]["shape"] != first["spots"]["test/a"]["shape"]
            await page.harness.admin.pause({"site": "test/a"})
            assert (await events.event())["spots"]["test/a"]["word"] == "paused"
        async with (
            following(browser, "/events?site=test/b") as others,
            following(browser, "/events") as all_,
        ):
            assert list((await all_.event())["spots"]) == ["test/a"]
            with trio.move_on_after(0.3) as waited:
                await others.event()
            assert waited.cancelled_caught


async def test_every_place_of_a_page_has_a_live_text() -> None:
    async with open_page() as page:
        await fill(page.harness)
        await page.harness.admin.sync({"site": "test/a", "kind": "products"})
        browser = await page.operator()
        async with following(browser, "/events") as events:
            spots = (await events.event())["spots"]["test/a"]
        for path in ("/", PAGE):
            text = (await browser.get(path)).text
            names = {part.partition('"')[0] for part in text.split('data-spot="')[1:]}
            assert names
            assert names <= spots.keys()
            assert f'data-live="/events{"?site=test/a" if path == PAGE else ""}"' in text
        assert f'data-shape="{spots["shape"]}"' in text


async def test_a_stream_needs_a_session_and_their_number_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemon.listener.page.page.MOST_STREAMS", 1)
    async with open_page() as page:
        assert (await page.browser().get("/events")).status_code == 401
        browser = await page.operator()
        async with following(browser, "/events") as events:
            await events.event()
            assert (await browser.get("/events")).status_code == 503
        with trio.fail_after(PATIENCE):
            while (await browser.ask("HEAD", "/events")).status_code != 200:  # noqa: ASYNC110  the server notices
                await trio.sleep(0.05)


async def test_streams_end_when_the_tokens_are_read_again_and_only_known_ones_go_on() -> None:
    async with open_page() as page:
        anna, ben = await page.operator(), await page.operator(BEN)
        async with following(anna, "/events") as kept, following(ben, "/events") as revoked:
            assert await kept.event()
            assert await revoked.event()
            page.reload([ANNA])
            await fill(page.harness)
            assert (await kept.event(), await revoked.event()) == (None, None)
        assert (await ben.get("/events")).status_code == 401
        async with following(anna, "/events") as again:
            assert (await again.event())["spots"]["test/a"]["parked"] == "2"


async def test_streams_end_at_once_when_the_daemon_stops() -> None:
    async with open_page() as page:
        browser = await page.operator()
        async with following(browser, "/events") as events:
            await events.event()
            page.server.stop()
            with trio.fail_after(PATIENCE):
                assert await events.event() is None


async def test_nothing_is_read_while_no_page_is_open_and_many_pages_share_one_reading(
    autojump_clock: MockClock,
) -> None:
    reads = 0

    async def read() -> dict[str, Spots]:
        nonlocal reads
        reads += 1
        await trio.sleep(0.01)
        return {"test/a": {"n": str(reads)}}

    shared, got = Live(read), list[bytes]()

    async def page() -> None:
        async for event in shared.counted(shared.events()):
            got.append(event)

    await trio.sleep(1000)
    assert reads == 0
    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(page)
        await trio.sleep(9.5 * EVERY)
        assert (reads, shared.streams) == (10, 50)
        assert len(got) == 50 * (1 + 10)
        nursery.cancel_scope.cancel()
    assert shared.streams == 0
    await trio.sleep(1000)
    assert reads == 10


async def test_a_slow_reading_makes_the_next_one_wait_and_trouble_is_no_news(autojump_clock: MockClock) -> None:
    times = []

    async def read() -> dict[str, Spots]:
        times.append(trio.current_time())
        await trio.sleep(1)
        if len(times) == 2:
            raise StorageTrouble("disk full", reason="disk_full")
        return {"test/a": {"word": "works"}}

    got, began = [], trio.current_time()
    async with contextlib.aclosing(Live(read).events()) as events:
        async for event in events:
            got.append(event)
            if trio.current_time() > began + 100:
                break
    assert {later - earlier for earlier, later in itertools.pairwise(times)} == {1 + SHARE}
    assert [event for event in got if event.startswith(b"data")] == [
        b'data: {"spots":{"test/a":{"word":"works"}},"gone":[]}\n\n'
    ]
    assert SIGN in got


@pytest.mark.parametrize("seconds", [0.0, 1.0, 2.5, 5.0])
async def test_a_quiet_stream_beats_however_long_a_reading_takes(autojump_clock: MockClock, seconds: float) -> None:
    async def read() -> dict[str, Spots]:
        await trio.sleep(seconds)
        return {"test/a": {"word": "works"}}

    times, began = list[float](), trio.current_time()
    async with contextlib.aclosing(Live(read).events()) as events:
        async for _ in events:
            times.append(trio.current_time())
            if trio.current_time() > began + 300:
                break
    assert max(later - earlier for earlier, later in itertools.pairwise(times)) <= BEAT + seconds + 0.01


async def test_a_stream_tells_of_a_site_that_left_beats_when_it_is_quiet_and_ends(autojump_clock: MockClock) -> None:
    shown: dict[str, Spots] = {"test/a": {"word": "works"}}

    async def read() -> dict[str, Spots]:
        return dict(shown)

    got, began = list[bytes](), trio.current_time()
    async for event in Live(read).events():
        got.append(event)
        if trio.current_time() > began + BEAT:
            shown.clear()
    assert trio.current_time() - began == pytest.approx(LASTS, abs=EVERY)
    assert [event for event in got if event.startswith(b"data")][1] == b'data: {"spots":{},"gone":["test/a"]}\n\n'
    assert got.count(SIGN) > LASTS / BEAT - 2


async def test_a_reader_that_takes_nothing_is_dropped(autojump_clock: MockClock) -> None:
    closed = trio.Event()

    async def endless() -> AsyncGenerator[bytes, None]:
        try:
            while True:
                yield b":\n\n"
                await trio.sleep(1)
        finally:
            closed.set()

    async def answer(_request: Request) -> Response:
        return Response(200, content_type=b"text/event-stream", stream=endless())

    routes = Routes.of([], Metrics())
    server = Server(answer, routes.refuse, Limits())
    ours, theirs = memory_stream_pair()
    blocked = trio.Event()

    async def hook() -> None:
        if blocked.is_set():
            await trio.sleep(inf)

    theirs.send_stream.send_all_hook = hook
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.keep_time)
        nursery.start_soon(server.handle, theirs)
        await ours.send_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        await trio.sleep(10)
        assert not closed.is_set()
        blocked.set()
        with trio.fail_after(Limits().send_seconds + 10):
            await closed.wait()
        nursery.cancel_scope.cancel()


async def test_live_texts_are_those_that_a_reader_may_see() -> None:
    asked: list[Operator] = []

    async def status(_params: dict[str, Any], operator: Operator) -> Any:
        asked.append(operator)
        return {"connections": []}

    async with open_page(instead={("GET", "/admin/status"): status}) as page:
        browser = await page.operator()
        async with following(browser, "/events"):
            with trio.fail_after(PATIENCE):
                while not asked:  # noqa: ASYNC110  the server reads
                    await trio.sleep(0.01)
    assert {(operator.name, operator.role.value) for operator in asked} == {("page", "read")}
