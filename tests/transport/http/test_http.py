import gzip
from collections.abc import Awaitable, Callable
from functools import partial

import httpx
import pytest
import trio
import trio.testing

from daemon.errors import Retry
from daemon.transport.http import LARGEST_BODY, Answer, Api, answered_within, temporary
from daemon.transport.permission import permitted_by
from tests.each import each

Handler = Callable[[trio.SocketStream], Awaitable[None]]


async def serve(nursery: trio.Nursery, handle: Handler) -> str:
    """Serve on loopback; return the base URL."""
    opened = await nursery.start(partial(trio.serve_tcp, handle, 0, host="127.0.0.1"))
    return f"http://127.0.0.1:{opened[0].socket.getsockname()[1]}"


async def request_of(stream: trio.SocketStream) -> bytes:
    """Read a request without a body."""
    request = b""
    while b"\r\n\r\n" not in request:
        part = await stream.receive_some()
        if not part:
            return b""
        request += part
    return request


def answering(raw: bytes) -> Handler:
    async def handle(stream: trio.SocketStream) -> None:
        async with stream:
            while await request_of(stream):
                await stream.send_all(raw)

    return handle


async def answering_once_then_closing(raw: bytes, stream: trio.SocketStream) -> None:
    async with stream:
        await request_of(stream)
        if raw:
            await stream.send_all(raw)


async def failing(handle: Handler, **settings: float) -> Retry:
    async with trio.open_nursery() as nursery:
        api = Api(await serve(nursery, handle), headers={}, **settings)  # type: ignore[arg-type]
        with pytest.raises(Retry) as failure:
            await api.send("GET", "/")
        await api.aclose()
        nursery.cancel_scope.cancel()
    return failure.value


async def test_a_task_that_may_not_send_any_more_sends_nothing() -> None:
    """It is asked behind the wait for a connection, and in every task that the permitted one has begun."""
    served, errors = [], []
    may_send, serving = [True], trio.Event()

    async def handle(stream: trio.SocketStream) -> None:
        async with stream:
            while request := await request_of(stream):
                served.append(request.split()[1])
                serving.set()
                await trio.testing.wait_all_tasks_blocked()
                may_send[0] = False
                await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async def send(api: Api, path: str) -> None:
        try:
            await api.send("PUT", path)
        except Retry as error:
            errors.append((path, error.reason, error.effect_unknown))

    async with trio.open_nursery() as nursery:
        api = Api(await serve(nursery, handle), headers={}, connections=1)
        with permitted_by(lambda: may_send[0]):
            async with trio.open_nursery() as tasks:
                tasks.start_soon(send, api, "/first")
                await serving.wait()
                tasks.start_soon(send, api, "/waiting")
        assert (served, errors) == ([b"/first"], [("/waiting", "lease_lost", False)])
        await api.send("GET", "/unlimited")
        await api.aclose()
        nursery.cancel_scope.cancel()
    assert served[1:] == [b"/unlimited"]


@each("looks", range(1, 4))
async def test_a_right_that_is_lost_while_a_request_is_made_leaves_nothing_whole_to_carry_out(looks: int) -> None:
    """Before a connection, a head and a body there is a look each; a process may stand still before any of them."""
    received, closed = bytearray(), trio.Event()

    async def handle(stream: trio.SocketStream) -> None:
        async with stream:
            while part := await stream.receive_some():
                received.extend(part)
        closed.set()

    left = [looks]

    def may_send() -> bool:
        left[0] -= 1
        return left[0] > 0

    async with trio.open_nursery() as nursery:
        api = Api(await serve(nursery, handle), headers={})
        with permitted_by(may_send), pytest.raises(Retry) as failure:
            await api.send("PUT", "/", body=b"an older state")
        assert (failure.value.reason, failure.value.effect_unknown) == ("lease_lost", False)
        await api.aclose()
        if looks > 1:
            await closed.wait()
        assert b"an older state" not in received
        nursery.cancel_scope.cancel()


async def test_an_answer_comes_whole_with_lower_case_names_and_decompressed() -> None:
    body = gzip.compress(b'{"name": "Jones"}')
    head = f"HTTP/1.1 418 Teapot\r\nX-Some: Thing\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
    async with trio.open_nursery() as nursery:
        api = Api(await serve(nursery, answering(head.encode() + body)), headers={})
        for _ in range(3):
            answer = await api.send("GET", "/")
            assert (answer.status, answer.headers["x-some"], answer.body) == (418, "Thing", b'{"name": "Jones"}')
            assert not answer.ok
        await api.aclose()
        nursery.cancel_scope.cancel()


async def test_what_is_sent() -> None:
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(204)

    api = Api("https://app.example/base/", headers={"Site-Id": "jones"}, transport=httpx.MockTransport(handle))
    await api.send("PATCH", "/a%2Fb", query={"id:in": "1,2", "q": "a b&c"}, body=b"{}", headers={"X-One": "1"})
    request = seen[0]
    assert str(request.url) == "https://app.example/base/a%2Fb?id:in=1,2&q=a+b%26c"
    assert request.method == "PATCH"
    assert request.content == b"{}"
    assert request.headers["user-agent"].startswith("ignite-sync/")
    assert request.headers["site-id"] == "jones"
    assert request.headers["x-one"] == "1"
    assert request.headers["content-length"] == "2"
    assert request.headers["host"] == "app.example"


async def test_redirects_are_answers_not_followed() -> None:
    hosts: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        hosts.append(request.url.host)
        return httpx.Response(302, headers={"Location": "https://elsewhere.example/"})

    api = Api("https://app.example", headers={"Authorization": "x"}, transport=httpx.MockTransport(handle))
    answer = await api.send("GET", "/")
    assert (answer.status, hosts) == (302, ["app.example"])


async def test_nobody_there_is_sure_to_have_had_no_effect() -> None:
    with trio.socket.socket() as free:
        await free.bind(("127.0.0.1", 0))
        api = Api(f"http://127.0.0.1:{free.getsockname()[1]}", headers={})
        with pytest.raises(Retry) as failure:
            await api.send("POST", "/")
    assert (failure.value.reason, failure.value.effect_unknown) == ("connect", False)


@each(
    "raw",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
    ],
)
async def test_a_truncated_answer(raw: bytes) -> None:
    failure = await failing(partial(answering_once_then_closing, raw))
    assert (failure.reason, failure.effect_unknown) == ("truncated", True)


async def test_a_reset() -> None:
    async def handle(stream: trio.SocketStream) -> None:
        await request_of(stream)
        stream.socket.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, bytes([1, 0, 0, 0, 0, 0, 0, 0]))
        await stream.aclose()

    failure = await failing(handle)
    assert (failure.reason, failure.effect_unknown) == ("reset", True)


async def test_an_answer_that_does_not_decompress() -> None:
    raw = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello"
    failure = await failing(answering(raw))
    assert (failure.reason, failure.effect_unknown) == ("undecodable", True)


async def test_silence_and_a_trickle_end_at_the_timeout() -> None:
    async def silence(stream: trio.SocketStream) -> None:
        async with stream:
            await request_of(stream)
            await trio.sleep_forever()

    async def trickle(stream: trio.SocketStream) -> None:
        async with stream:
            await request_of(stream)
            await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            try:
                while True:
                    await stream.send_all(b"x")
                    await trio.sleep(0.01)
            except trio.BrokenResourceError:
                return

    for handle in (silence, trickle):
        failure = await failing(handle, timeout=0.1)
        assert (failure.reason, failure.effect_unknown) == ("timeout", True)


async def test_an_endless_body_is_refused() -> None:
    async def endless(stream: trio.SocketStream) -> None:
        async with stream:
            await request_of(stream)
            await stream.send_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
            try:
                while True:
                    await stream.send_all(chunk)
            except trio.BrokenResourceError:
                return

    failure = await failing(endless)
    assert failure.reason == "oversized"


async def test_a_body_that_decompresses_to_too_much_is_refused() -> None:
    body = gzip.compress(bytes(LARGEST_BODY + 1), compresslevel=1)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
    failure = await failing(answering(head.encode() + body))
    assert failure.reason == "oversized"


async def test_a_connection_that_failed_is_not_used_again_and_others_may_go_on() -> None:
    served = 0

    async def handle(stream: trio.SocketStream) -> None:
        nonlocal served
        async with stream:
            while await request_of(stream):
                served += 1
                if served % 2:
                    return
                await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    async with trio.open_nursery() as nursery:
        api = Api(await serve(nursery, handle), headers={}, connections=1)
        for _ in range(5):
            with pytest.raises(Retry):
                await api.send("GET", "/")
            assert (await api.send("GET", "/")).body == b"ok"
        await api.aclose()
        nursery.cancel_scope.cancel()


async def test_cancelled_requests_leave_the_client_usable() -> None:
    hang = True

    async def handle(stream: trio.SocketStream) -> None:
        async with stream:
            while await request_of(stream):
                if hang:
                    await trio.sleep_forever()
                await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    async with trio.open_nursery() as nursery:
        api = Api(await serve(nursery, handle), headers={}, connections=2)
        for _ in range(4):
            with trio.move_on_after(0.02):
                await api.send("GET", "/")
        hang = False
        assert (await api.send("GET", "/")).body == b"ok"
        await api.aclose()
        nursery.cancel_scope.cancel()


@each("status", [408, 425, 429, 500, 502, 503, 504, 507])
def test_statuses_that_mean_later(status: int) -> None:
    later = temporary(Answer(status, {"retry-after": "3"}, b""))
    assert later is not None
    assert (later.reason, later.after, later.effect_unknown) == (f"http_{status}", 3.0, status >= 500)


@each("status", [200, 204, 301, 400, 401, 403, 404, 409, 422])
def test_statuses_that_do_not(status: int) -> None:
    assert temporary(Answer(status, {}, b"")) is None


async def test_a_request_takes_no_longer_than_its_limit(autojump_clock: trio.testing.MockClock) -> None:
    async def hang(_request: httpx.Request) -> httpx.Response:
        await trio.sleep_forever()
        raise AssertionError

    api = Api("http://api.test", headers={}, transport=httpx.MockTransport(hang))
    for limit, seconds in ((2.0, 2.0), (90.0, 30.0)):
        began = trio.current_time()
        with answered_within(limit), pytest.raises(Retry, match=f"more than {seconds:g} s") as failed:
            await api.send("GET", "/")
        assert (failed.value.reason, failed.value.effect_unknown) == ("timeout", True)
        assert trio.current_time() - began == pytest.approx(seconds)
    await api.aclose()
