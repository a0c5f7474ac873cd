"""Every shape of BigCommerce's refusals, and the resulting failure."""

from typing import Any

import msgspec
import pytest

from daemon.errors import Blocked, Failure, KeyRefused, Missing, Rejected, Retry, Side
from daemon.model import Secret
from daemon.platforms.bigcommerce.refusal import refusal
from daemon.platforms.shared.client import LONGEST_WORDS
from daemon.transport.http import Answer
from tests.each import each

TOKEN = Secret("very-secret-token")
WEBHOOK_SECRET = Secret("what-our-webhooks-carry")
STATUS = 418418
"""Placeholder for the status of an answer."""

V3_404 = {"status": 404, "title": "A product was not found with an id of 7", "type": "/api-docs", "instance": ""}
V2_404 = [{"status": 404, "message": "The requested resource was not found."}]


def refused(status: int, body: Any, **headers: str) -> Failure:
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return refusal(
        Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, content),
        [TOKEN, WEBHOOK_SECRET],
    )


@pytest.mark.holds("A2")
@each(
    ("status", "body", "failure", "reason"),
    [
        (400, {"status": 400, "title": "Bad"}, Rejected, "http_400"),
        (401, b"Unauthorized", Blocked, "credentials"),
        (401, b"", Blocked, "credentials"),
        (401, {"title": "Unauthorized"}, Blocked, "credentials"),
        (401, [{"status": 401, "message": "No matching token"}], KeyRefused, "credentials"),
        (401, {"status": 401, "title": "Unauthorized"}, KeyRefused, "credentials"),
        (403, {"status": 403, "title": "You don't have a required scope"}, Blocked, "scope_missing"),
        (404, V3_404, Missing, "http_404"),
        (404, V2_404, Missing, "http_404"),
        (404, b"<html>404 Not Found</html>", Retry, "http_404"),
        (404, b"", Retry, "http_404"),
        (404, {}, Retry, "http_404"),
        (404, [], Retry, "http_404"),
        (404, {"message": "no Route matched with those values"}, Retry, "http_404"),
        (405, {"status": 405, "title": "Method not allowed"}, Rejected, "http_405"),
        (400, b"", Retry, "http_400"),
        (405, b"", Retry, "http_405"),
        (409, b"", Retry, "http_409"),
        (422, b"", Retry, "http_422"),
        (408, b"", Retry, "http_408"),
        (409, {"status": 409, "title": "Conflict"}, Rejected, "http_409"),
        (413, [{"status": 413, "message": "Too big", "details": {"max_limit": 250}}], Rejected, "http_413"),
        (415, b"<html>Unsupported</html>", Retry, "http_415"),
        (415, {"status": 415, "title": "Unsupported"}, Rejected, "http_415"),
        (422, {"status": 422, "title": "Invalid", "errors": {"limit": "too large"}}, Rejected, "http_422"),
        (423, b"", Retry, "http_423"),
        (429, b"", Retry, "http_429"),
        (499, b"", Retry, "http_499"),
        (500, b"<html>oops", Retry, "http_500"),
        (502, b"", Retry, "http_502"),
        (503, b"<html>Down for maintenance", Retry, "http_503"),
        (507, {"status": 507, "title": "Limit of the plan"}, Retry, "http_507"),
        (302, b"", Retry, "http_302"),
    ],
)
def test_what_a_status_means(status: int, body: Any, failure: type[Failure], reason: str) -> None:
    error = refused(status, body)
    assert type(error) is failure
    assert error.reason == reason
    assert str(status) in str(error)


HTML = b"<!doctype html><title>404 Not Found</title>"


@pytest.mark.holds("A1", "E15")
@each("status", [302, 400, 401, 403, 404, 405, 409, 410, 413, 415, 422])
@each(
    "body",
    [
        HTML,
        b'{"message": "no Route matched with those values"}',
        b'["no"]',
        b"[]",
        b'{"status": 404, "ti',
        b'{"status": 1}',
    ],
)
def test_what_is_in_none_of_its_shapes_comes_from_something_in_between(status: int, body: bytes) -> None:
    error = refused(status, body)
    assert type(error) is Retry
    assert error.reason == f"http_{status}"


GATEWAYS: dict[str, Any] = {
    "Spring": {"timestamp": "2026-11-28T09:00:00Z", "status": STATUS, "error": "Not here", "path": "/v3/customers"},
    "a bare status": {"status": STATUS},
    "Kong": {"message": "no Route matched with those values", "request_id": "1"},
    "Cloudflare": {"error_code": STATUS, "status": STATUS, "cloudflare_error": True},
    "an error of a list": [{"status": STATUS, "error": "Not here"}],
    "another status": {"status": 599, "title": "Not here"},
    "another status in an error": {"title": "Not here", "errors": [{"status": 599, "message": "Not here"}]},
    "another status in a list": [{"status": 599, "message": "Not here"}],
    "a title that is none": {"status": STATUS, "title": None},
    "Cloudflare's problem": {"status": STATUS, "title": "Error 1020", "error_code": 1020, "ray_id": "1"},
    "ASP.NET's problem": {"status": STATUS, "title": "Not Found", "type": "https://x", "traceId": "00-1"},
    "Symfony's problem": {"status": STATUS, "title": "An error occurred", "detail": "No", "@type": "hydra:Error"},
    "a list of which one row is none": [{"status": STATUS, "message": "Not here"}, "Not here"],
}
"""JSON of proxies, which may repeat the status too."""


@pytest.mark.holds("A1")
@each("name", list(GATEWAYS))
@each("status", [400, 401, 403, 404, 405, 409, 410, 413, 415, 422])
def test_json_of_a_gateway_is_not_bigcommerces(status: int, name: str) -> None:
    body = msgspec.json.encode(GATEWAYS[name]).replace(str(STATUS).encode(), str(status).encode())
    assert type(refused(status, body, content_type="application/json")) is Retry


@pytest.mark.holds("A1", "E15")
@each("status", [400, 401, 403, 404, 405, 409, 410, 413, 415, 422])
def test_its_own_words_are_not_believed_as_a_web_page(status: int) -> None:
    for body in ({"status": status, "title": "No"}, [{"status": status, "message": "No"}]):
        assert type(refused(status, body, content_type="application/json")) is not Retry
        assert type(refused(status, body)) is not Retry, "a type decides only against an answer"
        assert type(refused(status, body, content_type="Text/HTML; charset=utf-8")) is Retry


@each("status", [400, 405, 409, 413, 422, 403, 404])
def test_text_refuses_nothing_but_a_token(status: int) -> None:
    assert type(refused(status, b"Forbidden by the firewall")) is Retry
    assert type(refused(401, b"Unauthorized", content_type="text/plain")) is Blocked


@each("status", [401, 403, 404, 422])
def test_a_page_is_known_by_its_type_too(status: int) -> None:
    kinds = {type(refused(status, b"Not here", content_type="text/html; charset=utf-8"))}
    assert kinds == {Retry}


def test_a_right_is_missing_only_when_the_status_is_repeated() -> None:
    assert type(refused(403, [{"status": 403, "message": "no scope"}])) is Blocked
    for body in ({"title": "no scope"}, {"status": 401, "title": "no scope"}, b"", b"Forbidden"):
        assert type(refused(403, body)) is Retry


@each(("status", "unknown"), [(404, False), (429, False), (500, True), (503, True)])
def test_a_server_that_fails_may_have_done_it(status: int, *, unknown: bool) -> None:
    error = refused(status, b"")
    assert isinstance(error, Retry)
    assert error.effect_unknown is unknown


def test_blocked_is_on_the_platforms_side() -> None:
    error = refused(401, b"Unauthorized")
    assert isinstance(error, Blocked)
    assert error.side is Side.PLATFORM


@each(
    ("body", "words"),
    [
        ({"status": 422, "title": "Invalid", "errors": {"limit": "too large"}}, "Invalid limit: too large"),
        ({"status": 422, "title": "Invalid", "errors": {"0": {"sku": "taken"}}}, "Invalid 0: {'sku': 'taken'}"),
        ({"status": 422, "title": "Invalid"}, "Invalid"),
        ({"status": 422, "title": "Invalid", "errors": None}, "Invalid"),
        ({"status": 422, "title": "Invalid", "errors": ["one", "two"]}, "Invalid one two"),
        ([{"status": 422, "message": "This", "details": {}}, {"message": "and that"}], "This and that"),
        (b"<html>very long page</html>", None),
        (["text", 7, None], None),
        (b"\xff\xfe", None),
        (b"[" * 100_000, None),
    ],
)
def test_what_it_says_is_quoted_only_from_json(body: Any, words: str | None) -> None:
    assert str(refused(422, body)) == "BigCommerce answered 422" + (f": {words}" if words else "")


def test_long_words_are_shortened_and_the_token_is_never_quoted() -> None:
    text = str(refused(422, {"title": "very-secret-token what-our-webhooks-carry " * 500}))
    assert "very-secret-token" not in text
    assert "what-our-webhooks-carry" not in text
    assert len(text) <= LONGEST_WORDS + len("BigCommerce answered 422: ")


@each(
    ("status", "headers", "after"),
    [
        (429, {}, None),
        (429, {"x_retry_after": "7"}, 7.0),
        (429, {"retry_after": "9", "x_retry_after": "7", "x_rate_limit_time_reset_ms": "3000"}, 9.0),
        (429, {"x_retry_after": "1", "x_rate_limit_time_reset_ms": "15000"}, 15.0),
        (503, {"retry_after": "600", "x_rate_limit_time_reset_ms": "700000"}, 600.0),
        (429, {"retry_after": "soon", "x_retry_after": "nan", "x_rate_limit_time_reset_ms": "-1"}, None),
    ],
)
def test_the_longest_wait_that_is_asked_for_counts(status: int, headers: dict[str, str], after: float | None) -> None:
    error = refused(status, b"", **headers)
    assert isinstance(error, Retry)
    assert error.after == after
