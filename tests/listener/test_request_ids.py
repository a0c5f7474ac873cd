"""Request ids: taken from a proxy or given to it, in every log line of the request, and in its answer."""

import re
from typing import Any

import pytest
import structlog
import trio
import trio.testing

from daemon.listener.http.messages import Request, Response
from daemon.listener.routes import Route, Routes
from daemon.observability import request_ids
from daemon.observability.metrics import Metrics
from daemon.observability.request_ids import LONGEST, begin, present, show_request_id

GET = b"GET /hello?secret=1 HTTP/1.1\r\nhost: a\r\n%s\r\n"
OURS = re.compile(r"[0-9a-f]{12}-[0-9a-f]+")


@pytest.mark.parametrize(
    "given",
    [b"a", b"0" * LONGEST, b"8c5e1b9e-3b1f-4a51-9a1c-7f1f0a2f8d55", b"Root=1-67891233-abcdef", b"a.b_c:d/e+f@g"],
)
async def test_a_proxys_id_is_taken(client: Any, given: bytes) -> None:
    answer = await client.ask(GET % b"x-request-id: %s\r\n" % given)
    assert answer.headers["x-request-id"] == given.decode()


@pytest.mark.parametrize(
    "given", [b"", b"0" * (LONGEST + 1), b"a b", b'a"b', b"<b>", b"a,b", b"\xc3\xa9", b"a\tb", b"a;b", b"a%0ab"]
)
async def test_another_text_is_replaced(client: Any, given: bytes) -> None:
    answer = await client.ask(GET % b"x-request-id: %s\r\n" % given)
    assert OURS.fullmatch(answer.headers["x-request-id"])


async def test_each_request_has_its_own_id_and_refusals_have_one_too(client: Any) -> None:
    given = [(await client.ask(GET % b"")).headers["x-request-id"] for _ in range(3)]
    refused = await client.ask(b"GET /hello HTTP/9.9\r\nhost: a\r\n\r\n")
    assert refused.status >= 400
    given.append(refused.headers["x-request-id"])
    assert len(set(given)) == 4
    assert all(map(OURS.fullmatch, given))


async def test_lines_of_a_request_have_its_id_and_later_ones_of_its_tasks_do_not(client: Any, harness: Any) -> None:
    outlives, ended = trio.Event(), trio.Event()
    seen: list[str | None] = []

    async def task() -> None:
        seen.append(present())
        await outlives.wait()
        seen.append(present())
        ended.set()

    async def answer(_request: Request) -> Response:
        harness.nursery.start_soon(task)
        await trio.testing.wait_all_tasks_blocked()
        seen.append(show_request_id(None, "info", {"event": "x"})["request_id"])
        return Response()

    harness.server._answer = answer
    client = harness.connect()
    await client.ask(GET % b"x-request-id: abc\r\n")
    outlives.set()
    await ended.wait()
    assert seen == ["abc", "abc", None]


def test_outside_requests_there_is_none() -> None:
    assert show_request_id(None, "info", {"event": "x"}) == {"event": "x"}
    begin(b"abc").over = True
    assert present() is None
    request_ids._current.set(None)


async def test_the_access_log_names_the_pattern_and_nothing_of_the_request() -> None:
    async def hello(_request: Request, **_words: str) -> Response:
        return Response(204)

    logged = Routes.of([Route("GET", "/hello/{name}", hello)], Metrics(), logged=True)
    with structlog.testing.capture_logs() as lines:
        for path in ("/hello/jane@example.com", "/nothing", "/%ff/%ff"):
            await logged.answer(Request("GET", path, "token=hidden", {}, b"hidden", keep_alive=True))
    assert [(line["log_level"], line["method"], line["route"], line["status"]) for line in lines] == [
        ("debug", "GET", "/hello/{name}", 204),
        ("debug", "GET", "", 404),
        ("debug", "GET", "", 404),
    ]
    assert "hidden" not in str(lines)
    assert "jane" not in str(lines)
