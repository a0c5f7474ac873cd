"""The answer of a good server to each kind of request, good and bad."""

from pathlib import Path
from typing import Any, BinaryIO

import pytest
import structlog

from daemon.listener.http.connection import PIECE
from daemon.listener.http.messages import Response

GET = b"GET /hello HTTP/1.1\r\nhost: a\r\n\r\n"
MIB = 1024 * 1024


def post(body: bytes, *headers: bytes) -> bytes:
    lines = b"".join(line + b"\r\n" for line in headers)
    return b"POST /echo HTTP/1.1\r\nhost: a\r\n%scontent-length: %d\r\n\r\n%s" % (lines, len(body), body)


def chunked(*chunks: bytes, trailers: bytes = b"") -> bytes:
    sent = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n" + sent + b"0\r\n%s\r\n" % trailers


async def test_a_request_is_answered_and_the_connection_kept(client: Any, harness: Any) -> None:
    for _ in range(3):
        answer = await client.ask(GET)
        assert (answer.status, answer.body) == (200, b"hello")
        assert answer.headers["content-type"] == "text/plain"
        assert answer.headers["date"].endswith("GMT")
        assert "connection" not in answer.headers
        assert "server" not in answer.headers
    assert harness.seen[0].headers == {b"host": b"a"}


async def test_head_is_get_without_a_body(client: Any) -> None:
    await client.send(GET.replace(b"GET", b"HEAD"))
    answer = await client.read(head_only=True)
    assert answer.headers["content-length"] == "5"
    assert (await client.ask(GET)).body == b"hello"


@pytest.mark.parametrize("size", [0, 5, PIECE, 3 * PIECE + 1])
async def test_an_answer_from_a_file_is_whole_and_the_connection_goes_on(
    harness: Any, size: int, tmp_path: Path
) -> None:
    content = bytes(range(256)) * (size // 256) + bytes(size % 256)
    (tmp_path / "copy").write_bytes(content)
    given: list[BinaryIO] = []

    async def answer(_request: Any) -> Response:
        given.append((tmp_path / "copy").open("rb"))
        return Response(content_type=b"application/x-copy", file=given[-1])

    harness.server._answer = answer
    client = harness.connect()
    received = await client.ask(GET)
    assert (received.status, received.body) == (200, content)
    assert received.headers["content-length"] == str(size)
    await client.send(GET.replace(b"GET", b"HEAD"))
    assert (await client.read(head_only=True)).headers["content-length"] == str(size)
    assert (await client.ask(GET)).body == content
    assert [file.closed for file in given[:-1]] == [True] * 2


async def test_an_answer_without_content_has_no_length(client: Any) -> None:
    answer = await client.ask(GET.replace(b"hello", b"nothing"))
    assert answer.status == 204
    assert "content-length" not in answer.headers
    assert (await client.ask(GET)).status == 200


async def test_pipelined_requests_are_answered_in_order(client: Any) -> None:
    await client.send(post(b"one") + GET + post(b"two") + chunked(b"th", b"ree"))
    assert [(await client.read()).body for _ in range(4)] == [b"one", b"hello", b"two", b"three"]


async def test_good_requests_before_a_bad_one_are_answered(client: Any) -> None:
    await client.send(GET + GET + b"rubbish\r\n\r\n")
    assert [(await client.read()).status for _ in range(3)] == [200, 200, 400]
    assert await client.closed()


@pytest.mark.parametrize(
    "request_",
    [
        GET.replace(b"host: a", b"host: a\r\nconnection: close"),
        b"GET /hello HTTP/1.0\r\n\r\n",
        b"GET /hello HTTP/1.0\r\nconnection: keep-alive\r\n\r\n",
    ],
)
async def test_a_connection_ends_when_the_client_wants_that(client: Any, request_: bytes) -> None:
    answer = await client.ask(request_ + GET)
    assert answer.headers["connection"] == "close"
    assert answer.body == b"hello"
    assert await client.closed()


async def test_an_absolute_target_is_a_path_too(client: Any) -> None:
    assert (await client.ask(b"GET http://a/hello?x HTTP/1.1\r\nhost: a\r\n\r\n")).body == b"hello"
    assert (await client.ask(b"GET http://a HTTP/1.1\r\nhost: a\r\n\r\n")).status == 404


async def test_words_of_a_path_are_decoded_and_the_query_is_parsed(client: Any) -> None:
    answer = await client.ask(b"GET /words/a%2Fb/%C3%A9?x=1&y= HTTP/1.1\r\nhost: a\r\n\r\n")
    assert answer.body.decode() == '["a/b","é",{"x":"1","y":""}]'
    assert (await client.ask(b"GET /words/a/%FF HTTP/1.1\r\nhost: a\r\n\r\n")).status == 400


async def test_repeated_headers_are_joined(client: Any, harness: Any) -> None:
    await client.ask(GET.replace(b"host: a", b"host: a\r\nX-One: 1\r\nx-one: 2"))
    assert harness.seen[0].headers[b"x-one"] == b"1, 2"


async def test_trailers_are_no_headers(client: Any, harness: Any) -> None:
    assert (await client.ask(chunked(b"abc", trailers=b"authorization: x\r\n"))).body == b"abc"
    assert b"authorization" not in harness.seen[0].headers
    assert (await client.ask(GET)).status == 200


async def test_the_body_is_asked_for_when_the_client_waits(client: Any) -> None:
    head, _, body = post(b"x" * 10, b"Expect: 100-Continue").partition(b"\r\n\r\n")
    await client.send(head + b"\r\n\r\n")
    assert (await client.read()).status == 100
    assert (await client.ask(body)).body == b"x" * 10


async def test_the_body_is_not_asked_for_when_it_came_along_or_is_too_large(client: Any) -> None:
    assert (await client.ask(post(b"x" * 10, b"expect: 100-continue"))).status == 200
    await client.send(b"POST /echo HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 9999999\r\n\r\n")
    assert (await client.read()).status == 413


@pytest.mark.parametrize(
    "request_",
    [
        post(b"abc", b"connection: upgrade", b"upgrade: h2c"),
        chunked(b"a", b"bc").replace(b"host: a", b"host: a\r\nconnection: upgrade\r\nupgrade: h2c"),
    ],
    ids=["length", "chunked"],
)
async def test_an_upgrade_is_not_taken_up_but_answered(client: Any, request_: bytes) -> None:
    answer = await client.ask(request_ + GET)
    assert (answer.status, answer.body, answer.headers["connection"]) == (200, b"abc", "close")
    assert await client.closed()


async def test_a_websocket_is_answered_plainly(client: Any) -> None:
    answer = await client.ask(GET.replace(b"host: a", b"host: a\r\nconnection: upgrade\r\nupgrade: websocket"))
    assert (answer.status, answer.body) == (200, b"hello")


HEAD = b"POST /echo HTTP/1.1\r\nhost: a\r\n"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"FOO /hello HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        (b"GET /hello\r\n\r\n", 400),
        (b"GET /hello HTTP/2.0\r\nhost: a\r\n\r\n", 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"GET /hello HTTP/1.1\r\n\r\n", 400),
        (b"GET /hello HTTP/1.1\r\nhost:\r\n\r\n", 400),
        (b"GET /hello HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n", 400),
        (b"GET /hello HTTP/1.1\r\nhost: a b\r\n\r\n", 400),
        (b"GET /hello HTTP/1.1\r\nhost: a/b@c\r\n\r\n", 400),
        (b"GET hello HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        (b"GET ftp://a/hello HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        (b"GET /hello#there HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        (b"GET /h\xc3\xa9llo HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        (b"GET /hello?\xff HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        (b"CONNECT a:80 HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        (b"GET /hello HTTP/1.1\r\nhost: a\r\nbad header: x\r\n\r\n", 400),
        (b"GET /hello HTTP/1.1\r\nhost : a\r\n\r\n", 400),
        (b"GET /hello HTTP/1.1\r\nhost: a\r\nx: y\r\n folded\r\n\r\n", 400),
        (b"GET /hello HTTP/1.1\r\nhost: a\r\nx: \x00\r\n\r\n", 400),
        (b"GET /hello HTTP/1.1\nhost: a\n\n", 400),
        (HEAD + b"content-length: 1\r\ncontent-length: 2\r\n\r\nab", 400),
        (HEAD + b"content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (HEAD + b"content-length: -1\r\n\r\n", 400),
        (HEAD + b"content-length: +1\r\n\r\na", 400),
        (HEAD + b"content-length: 0x1\r\n\r\na", 400),
        (HEAD + b"content-length: 99999999999999999999999\r\n\r\n", 400),
        (HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n", 400),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n", 400),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n-1\r\n", 400),
        (HEAD + b"transfer-encoding: identity\r\n\r\n", 501),
        (HEAD + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (HEAD.replace(b"1.1", b"1.0") + b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (HEAD + b"expect: miracles\r\ncontent-length: 0\r\n\r\n", 417),
    ],
)
async def test_what_is_malformed_is_refused_and_ends_the_connection(
    client: Any, harness: Any, request_: bytes, status: int
) -> None:
    answer = await client.ask(request_)
    assert answer.status == status
    assert answer.detail
    assert answer.headers["connection"] == "close"
    assert await client.closed()
    assert harness.seen == []
    assert f'http_requests_total{{route="",status="{status}"}} 1.0' in harness.metrics.render().decode()


async def test_a_body_may_be_as_large_as_the_limit(client: Any) -> None:
    assert len((await client.ask(post(b"x" * MIB))).body) == MIB
    assert len((await client.ask(chunked(*[b"x" * 1024] * 1024))).body) == MIB


@pytest.mark.parametrize(
    "request_",
    [post(b"x" * (MIB + 1)), post(b"x" * 2 * MIB), chunked(*[b"x" * 1024] * 1025), chunked(b"x" * 2 * MIB)],
    ids=["length", "2 MiB", "chunks", "one chunk"],
)
async def test_a_body_beyond_the_limit_is_413(client: Any, harness: Any, request_: bytes) -> None:
    answer = await client.ask(request_)
    assert answer.status == 413
    assert "1048576" in answer.detail
    assert await client.closed()
    assert harness.seen == []


async def test_a_body_too_long_by_its_length_is_refused_before_it_is_sent(client: Any) -> None:
    answer = await client.ask(HEAD + b"content-length: 1048577\r\n\r\n")
    assert answer.status == 413


def head_of(size: int) -> bytes:
    start = b"GET /hello?"
    fields = b"x" * 100 + b": " + b"y" * 100 + b"\r\n"
    rest = size - len(start) - len(b"host: a\r\n")
    many, left = divmod(rest, len(fields))
    return start + b"z" * left + b" HTTP/1.1\r\nhost: a\r\n" + fields * many + b"\r\n"


@pytest.mark.parametrize("chunks", [1, 7])
async def test_a_head_may_be_nearly_as_large_as_the_limit_and_no_larger(client: Any, chunks: int) -> None:
    assert (await client.ask(head_of(15 * 1024))).status == 200
    large = head_of(17 * 1024)
    step = len(large) // chunks + 1
    for start in range(0, len(large), step):
        await client.send(large[start : start + step])
    answer = await client.read()
    assert answer.status == 431
    assert await client.closed()


@pytest.mark.parametrize(
    "begun",
    [
        b"GET /" + b"a" * 20_000,
        b"GET /hello HTTP/1.1\r\nhost: a\r\nx: " + b"a" * 20_000,
        b"GET /hello HTTP/1.1\r\nhost: a\r\nx: " + b" " * 20_000,
        b"GET /hello HTTP/1.1\r\nhost: a\r\n" + b"x: y\r\n" * 4_000,
        chunked(b"abc")[:-2] + b"x: " + b"a" * 40_000,
    ],
    ids=["target", "value", "blanks", "many", "trailer"],
)
async def test_a_head_without_end_is_refused_at_the_limit(client: Any, begun: bytes) -> None:
    assert (await client.ask(begun)).status == 431


async def test_a_large_head_is_not_overlooked_behind_another_request(client: Any) -> None:
    large = head_of(17 * 1024)
    await client.send(GET + large[:9000])
    assert (await client.read()).status == 200
    assert (await client.ask(large[9000:])).status == 431


async def test_many_pipelined_requests_in_one_piece_are_no_large_head(client: Any) -> None:
    await client.send(GET * 2000)
    for _ in range(2000):
        assert (await client.read()).status == 200


async def test_a_path_unknown_is_404_and_a_method_not_served_405(client: Any, harness: Any) -> None:
    assert (await client.ask(b"GET /nowhere HTTP/1.1\r\nhost: a\r\n\r\n")).status == 404
    answer = await client.ask(b"DELETE /hello HTTP/1.1\r\nhost: a\r\n\r\n")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    assert (await client.ask(b"GET /echo HTTP/1.1\r\nhost: a\r\n\r\n")).headers["allow"] == "POST"
    assert (await client.ask(GET)).status == 200
    told = harness.metrics.render().decode()
    assert 'http_requests_total{route="/hello",status="405"} 1.0' in told
    assert 'http_requests_total{route="",status="404"} 1.0' in told


async def test_a_bug_is_500_without_detail_and_the_connection_goes_on(client: Any, harness: Any) -> None:
    with structlog.testing.capture_logs():
        answer = await client.ask(GET.replace(b"hello", b"bug"))
    assert (answer.status, answer.detail) == (500, "")
    assert b"hunter2" not in answer.body
    assert (await client.ask(GET)).status == 200
    assert 'http_requests_total{route="/bug",status="500"} 1.0' in harness.metrics.render().decode()


async def test_a_connection_that_breaks_at_its_edge_is_counted(harness: Any) -> None:
    async def broken(_request: Any) -> None:
        raise ZeroDivisionError

    harness.server._answer = broken
    client = harness.connect()
    with structlog.testing.capture_logs():
        await client.send(GET)
        assert await client.closed()
    assert 'http_requests_total{route="",status="500"} 1.0' in harness.metrics.render().decode()


async def test_trouble_with_the_database_is_503_so_that_the_sender_comes_back(client: Any) -> None:
    answer = await client.ask(GET.replace(b"hello", b"disk-full"))
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")


async def test_a_refusal_is_answered_as_the_handler_says(client: Any) -> None:
    answer = await client.ask(GET.replace(b"hello", b"refused"))
    assert (answer.status, answer.detail) == (409, "One runs already.")


async def test_a_client_that_half_closes_still_gets_its_answer(client: Any) -> None:
    await client.send(GET)
    await client.stream.send_eof()
    assert (await client.read()).body == b"hello"
    assert await client.closed()


async def test_a_client_that_leaves_in_the_middle_harms_nobody(client: Any, harness: Any) -> None:
    await client.send(post(b"abc")[:-1])
    await client.stream.aclose()
    assert (await harness.connect().ask(GET)).status == 200
    assert len(harness.seen) == 1
