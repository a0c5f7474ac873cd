"""Faults strike where, when and as often as ordered, before or after the effect."""

from typing import Any

import httpx
import pytest
import trio

from daemon.sandbox import answer, call, delay, garbage, html, reset, truncate

LIST = {"slug": "trade", "name": "Trade", "currency_code": "USD"}
CREATE = "POST /api/v1/price-lists"


async def create(running: Any) -> httpx.Response:
    reply: httpx.Response = await running.site("POST", "/api/v1/price-lists", LIST)
    return reply


def created(running: Any) -> bool:
    return "trade" in running.sandbox.sparklayer.state.price_lists.lists


@pytest.mark.parametrize("after_effect", [False, True])
async def test_a_status_stands_in_for_the_effect_or_hides_it(harness: Any, *, after_effect: bool) -> None:
    async with harness() as running:
        faults = running.sandbox.sparklayer.faults
        faults.add(CREATE, answer(503, "busy", {"retry-after": "7"}), times=1, after_effect=after_effect)
        reply = await create(running)
        assert created(running) is after_effect
        assert (await running.site("GET", "/api/v1/price-lists")).status_code == 200
    assert (reply.status_code, reply.headers["retry-after"], reply.text) == (503, "7", "busy")


@pytest.mark.parametrize("after_effect", [False, True])
async def test_a_reset_before_or_after_the_effect(harness: Any, *, after_effect: bool) -> None:
    async with harness() as running:
        running.sandbox.sparklayer.faults.add(CREATE, reset(), times=1, after_effect=after_effect)
        with pytest.raises(httpx.ReadError):
            await create(running)
        assert created(running) is after_effect


async def test_a_truncated_answer_has_had_its_effect(harness: Any) -> None:
    async with harness() as running:
        running.sandbox.sparklayer.faults.add(CREATE, truncate(), after_effect=True)
        with pytest.raises(httpx.RemoteProtocolError):
            await create(running)
        assert created(running)


async def test_html_and_garbage_claim_what_they_are_not(harness: Any) -> None:
    async with harness() as running:
        faults = running.sandbox.sparklayer.faults
        faults.add(CREATE, html(502), times=1)
        faults.add(CREATE, garbage(), times=1)
        first, second = await create(running), await create(running)
        assert not created(running)
    assert (first.status_code, first.headers["content-type"]) == (502, "text/html")
    assert (second.status_code, second.headers["content-type"]) == (200, "application/json")
    with pytest.raises(ValueError, match="Expecting"):
        second.json()


async def test_a_delay_after_the_effect_is_a_time_out_that_worked(harness: Any) -> None:
    async with harness() as running:
        rule = running.sandbox.sparklayer.faults.add(CREATE, delay(3600), after_effect=True)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(create, running)
            while not rule.used:
                await trio.lowlevel.checkpoint()
            assert created(running)
            nursery.cancel_scope.cancel()


async def test_an_outage_is_reset_until_it_ends(harness: Any) -> None:
    async with harness() as running:
        faults = running.sandbox.sparklayer.faults
        faults.down = True
        for _ in range(2):
            with pytest.raises(httpx.ReadError):
                await create(running)
        faults.down = False
        assert (await create(running)).status_code == 200


async def test_held_requests_wait_until_released(harness: Any) -> None:
    async with harness() as running, trio.open_nursery() as nursery:
        async with running.sandbox.sparklayer.faults.hold(CREATE) as held:
            nursery.start_soon(create, running)
            await held.arrived()
            assert not created(running)
            assert running.sandbox.sparklayer.statistics.in_flight == 1
        while not created(running):
            await trio.lowlevel.checkpoint()


async def test_the_store_can_change_between_a_pages_reading_and_its_answer(harness: Any) -> None:
    async with harness() as running:
        edit = call(lambda _request: running.store.set_title(1, "Pullover"))
        running.sandbox.bigcommerce.faults.add("GET */v3/catalog/products", edit, after_effect=True, times=1)
        stale = await running.shop("GET", "/v3/catalog/products?id:in=1")
        fresh = await running.shop("GET", "/v3/catalog/products?id:in=1")
    assert [reply.json()["data"][0]["name"] for reply in (stale, fresh)] == ["Jumper", "Pullover"]


async def test_rules_count_and_draw_reproducibly(harness: Any) -> None:
    async with harness() as running:
        faults = running.sandbox.sparklayer.faults
        rule = faults.add("GET *", answer(503), probability=0.5)
        statuses = [(await running.site("GET", "/api/v1/price-lists")).status_code for _ in range(40)]
        assert rule.used == statuses.count(503)
        assert 10 < rule.used < 30
        faults.clear()
        assert (await running.site("GET", "/api/v1/price-lists")).status_code == 200


async def test_calls_are_counted_with_their_concurrency(harness: Any) -> None:
    async with harness() as running:
        shop = running.sandbox.bigcommerce
        async with shop.faults.hold("GET */v2/time") as held, trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(running.shop, "GET", "/v2/time")
            await held.arrived(3)
            held.release()
        assert shop.statistics.calls == {"GET /v2/time": 3}
        assert shop.statistics.most_in_flight == 3
        assert shop.statistics.answers == {"GET /v2/time 200": 3}


async def test_what_is_not_http_is_answered_400(harness: Any) -> None:
    async with harness() as running:
        port = int(running.sandbox.bigcommerce.url.rpartition(":")[2])
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(b"hello there\r\n\r\n")
            assert (await stream.receive_some(100)).startswith(b"HTTP/1.1 400")
