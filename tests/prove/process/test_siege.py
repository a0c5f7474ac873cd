"""The real process under attack: it goes on serving, its memory stays small, and its log stays quiet.

What each attack alone comes to is tested in tests/listener; here they come all at once, from other sockets than those
of the merchants' store. Nobody in the crowd knows a secret but the one who replays a delivery that was overheard.
"""

import psutil
import trio

from daemon.platforms.bigcommerce.webhooks import SECRET_HEADER
from daemon.sandbox.bigcommerce import events
from daemon.sandbox.bigcommerce.webhooks import Delivery
from tests.e2e.harness import OpenHarness, ProcessHarness
from tests.e2e.process import GLANCE, SITE
from tests.listener.crowd import Crowd

PATIENT = {"debounce_seconds": 60.0, "debounce_max_seconds": 60.0}
"""A debounce that keeps recorded changes in the outbox for all of a test."""

MIB = 2**20
MOST_MIB = 120
"""More than this it must not grow: 32 for bodies that do not end, and what a thousand connections cost."""

HOOK = f"POST /webhooks/{SITE} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n".encode()
HEALTH = b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n"
WRONG = HOOK + SECRET_HEADER.encode() + b": guessed\r\ncontent-length: 2\r\n\r\n{}"
CROWDS = {
    "idle": (600, b""),
    "slow heads": (600, HOOK[:-2]),
    "slow bodies": (300, HOOK + b"content-length: %d\r\n\r\n" % MIB + b"x" * 200_000),
    "slow chunks": (300, HOOK + b"transfer-encoding: chunked\r\n\r\n1\r\nx\r\n"),
    "many headers": (300, HOOK + b"a: b\r\n" * 1500),
    "pipelined, and no answer taken": (50, HEALTH * 8000),
    "wrong secrets": (300, WRONG * 20),
    "rubbish": (300, bytes(range(256)) * 20),
    "not ended by anybody": (300, HEALTH[:-1]),
}


async def _attack(crowd: Crowd) -> None:
    for count, first in CROWDS.values():
        await trio.to_thread.run_sync(crowd.come, count, first)


async def _serve_honest(h: ProcessHarness, times: int) -> None:
    """Have good webhooks taken, the administrator answered, and probes too, each within its time."""
    for number in range(times):
        with trio.fail_after(30):
            assert (await h.process.webhook(1 + number % 2)).status_code == 200
        with trio.fail_after(30):
            assert (await h.process.request("GET", "/readyz")).status_code == 200


async def test_honest_callers_are_served_while_crowds_attack(harness: OpenHarness) -> None:
    async with harness(sync=PATIENT) as h:
        await h.first_sync()
        process = psutil.Process(h.process.pid)
        before, files = process.memory_info().rss, process.num_fds()
        with Crowd(h.process.port) as crowd:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_attack, crowd)
                await _serve_honest(h, 40)
            await trio.to_thread.run_sync(crowd.drip, b"x" * 100_000)
            await _serve_honest(h, 20)
            grown = (process.memory_info().rss - before) / MIB
            assert sum(await trio.to_thread.run_sync(crowd.open)) <= 1000
        assert grown < MOST_MIB
        with trio.fail_after(60):
            while True:  # the crowd is gone, and nothing of it stays open
                if process.num_fds() <= files + 10:
                    break
                await trio.sleep(GLANCE)
        metrics = await h.process.metrics()
        answered = {
            name: count for name, count in metrics.items() if name.startswith("ignite_sync_http_requests_total")
        }
        ours = {name: count for name, count in answered.items() if 'status="5' in name and 'route=""' not in name}
        assert set(ours.values()) == {0}, ours
        assert metrics['ignite_sync_webhooks_total{outcome="recorded",site="test/sandbox"}'] >= 60
        assert await h.process.terminate() == 0
        assert "Traceback" not in h.process.output
        assert '"level": "error"' not in h.process.output


async def test_a_replayed_delivery_costs_one_row_and_is_counted(harness: OpenHarness) -> None:
    async with harness(sync=PATIENT) as h:
        await h.first_sync()
        hook = next(hook for hook in h.shop.hooks.registered.values() if hook.scope == "store/product/updated")
        delivery = h.shop.webhooks.prepare(hook, events.product("updated", 1))
        async with trio.open_nursery() as nursery:
            for number in range(100):
                nursery.start_soon(_replay, h, delivery, 600.0 if number % 2 else 0.0)
        assert (await h.process.status())["outbox"]["live"] == 1
        metrics = await h.process.metrics()
        assert metrics["ignite_sync_webhooks_stale_total"] == 50
        assert metrics['ignite_sync_webhooks_total{outcome="recorded",site="test/sandbox"}'] == 100
        assert (await h.shop.webhooks.send(delivery, headers={SECRET_HEADER: "guessed"})).status == 401


async def _replay(h: ProcessHarness, delivery: Delivery, age: float) -> None:
    assert (await h.shop.webhooks.send(delivery, age=age)).status == 200


async def test_where_few_files_may_be_open_honest_callers_are_served_too(harness: OpenHarness) -> None:
    async with harness(sync=PATIENT, start=False) as h:
        await h.process.launch()
        psutil.Process(h.process.pid).rlimit(psutil.RLIMIT_NOFILE, (200, 200))  # long before it has begun to listen
        await h.process.ready()
        await h.hooked()
        with Crowd(h.process.port) as crowd:
            await trio.to_thread.run_sync(crowd.come, 400)
            with trio.fail_after(60):
                while True:  # until then it may close a kept connection just as a request is sent on it
                    if sum(await trio.to_thread.run_sync(crowd.open)) <= 100:
                        break
                    await trio.sleep(GLANCE)
            await _serve_honest(h, 20)
        assert await h.process.terminate() == 0
        assert "connections limited by open files" in h.process.output
        assert "Traceback" not in h.process.output
