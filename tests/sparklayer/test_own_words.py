"""An answer from a proxy is never taken for SparkLayer's, at any status and operation."""

import importlib
import itertools
import pkgutil
from collections.abc import Iterator

import httpx
import msgspec
import pytest
from trio.testing import MockClock

import daemon.sparklayer
from daemon.errors import Blocked, Duplicate, Failure, KeyRefused, Rejected, Retry, Side
from daemon.model import ApiKey, Lane, Secret
from daemon.sparklayer.client import Client
from daemon.sparklayer.failures import FOREIGN, failure_of, is_doubtful
from daemon.sparklayer.inferred import KEY_ERRORS
from daemon.sparklayer.operation import Operation
from daemon.sparklayer.token import TOKEN, Token, Tokens, read
from daemon.transport.client import ThrottledApi, ignore
from daemon.transport.http import Answer, Api
from daemon.transport.throttle import AdaptivePolicy, Limiter
from tests.each import each
from tests.refusals import SPARKLAYER, cells, classes

pytestmark = pytest.mark.holds("A1")


def operations() -> Iterator[Operation]:
    """Return every operation in the client's modules."""
    for info in pkgutil.iter_modules(daemon.sparklayer.__path__, "daemon.sparklayer."):
        yield from (
            value for value in vars(importlib.import_module(info.name)).values() if isinstance(value, Operation)
        )
    yield daemon.sparklayer.PROBE


OPERATIONS = {operation.name: operation for operation in operations()}
STATUSES = [400, 401, 403, 404, 409]
HTML = b"<!doctype html><title>Unavailable for updates: already exists</title>"
FOREIGN_BODIES = {
    "html": HTML,
    "text": b"no such thing: SKU already exists",
    "other json": b'{"message": "no Route matched with those values", "code": 404}',
    "other list": b'["not found"]',
    "a number": b"404",
    "truncated": b'{"title": "Not found", "stat',
}
FOREIGN_REFUSALS = {
    **FOREIGN_BODIES,
    "a page of Spring": b'{"timestamp": "2026-01-01T00:00:00Z", "status": 404, "error": "Not Found", "path": "/api"}',
    "an error of a gateway": b'{"error": "Forbidden"}',
    "an error of another shape": b'{"error": ["invalid_client"]}',
    "a status alone": b'{"status": 404}',
    "another status": b'{"title": "Bad gateway", "status": 502}',
    "a status in words": b'{"title": "No", "detail": "no", "status": "error"}',
    "a detail without a title": b'{"detail": "Not Found"}',
    "a firewall's detail": b'{"detail": "Blocked by policy", "status": 404}',
    "errors without a title": b'{"errors": [{"code": "404", "message": "Not Found"}]}',
    "errors in words": b'{"title": "No", "errors": ["x"]}',
    "errors without words": b'{"title": "No", "errors": [{}]}',
    "errors with another status": b'{"title": "No", "errors": [{"message": "Bad gateway", "status": 502}]}',
    "errors of JSON:API": b'{"errors": [{"status": "502", "title": "Bad gateway", "detail": "upstream"}]}',
    "errors of another shape": b'{"title": "No", "errors": {"sku": ["already exists"]}}',
    "a title alone": b'{"title": "Access denied"}',
    "a detail of another shape": b'{"title": "No", "detail": [{"loc": ["path"], "msg": "no"}]}',
    "no title": b'{"title": "", "detail": null, "errors": []}',
    "a title of another shape": b'{"title": {"en": "No"}, "errors": {"sku": "No"}}',
}
"""A gateway's JSON may share a name with RFC 7807, or have a status other than the answer's."""

PROBLEM = b'{"title": "No", "detail": "No"}'
PROBLEMS_OF_OTHERS: dict[str, dict[str, object]] = {
    "Cloudflare": {"type": "https://x", "detail": "The owner has banned you", "error_code": 1006, "ray_id": "9d99"},
    "ASP.NET": {"type": "https://tools.ietf.org/html/rfc9110#section-15.5.5", "traceId": "00-1-2-00"},
    "Symfony": {"@type": "hydra:Error", "detail": "No route found", "type": "/errors/404"},
    "Quarkus": {"htmlMessage": "<p>No</p>", "detail": "No"},
}
"""Documents of RFC 7807 with members of their own; a title and the answer's status come with each."""


def problem_of(name: str, status: int) -> bytes:
    return msgspec.json.encode({"title": "No", "status": status, **PROBLEMS_OF_OTHERS[name]})


LINES = b'[{"line": 0, "field": "price", "message": "too low"}]'
JSON = {"content-type": "application/json"}

PAGES = {
    "createProduct": b'{"id": "pp_1"}',
    "updateProduct": b'{"external_id": "7"}',
    "getProduct": b'{"variants": []}',
    "getPurchase": b'{"type": "order"}',
    "createUpdatePurchase": b'{"packages": []}',
    "getStoreCurrency": b'{"currency_code": "GBP"}',
    "patchGlobalSetting": b"",
    "putStoreCurrency": b'{"currency_code": "GBP"}',
    "getPriceList": b'{"slug": "retail"}',
    "createPriceList": b'{"slug": "retail"}',
    "updatePriceList": b'{"slug": "retail"}',
    "getPriceListPricing": b'[{"sku": "A-1", "pricing": []}]',
    "updatePriceListPricing": b"",
    "updateFullLoggingStatus": b"",
    "updatePartialLoggingStatus": b"",
    "deleteAllLoggingStatus": b"",
    "getLoggingStatus": b'{"last_full_sync": null}',
    "getCustomer": b'{"id": "cu_1"}',
    "upsertCustomer": b'{"email": "jo@shop.test"}',
    "deleteCustomer": b"",
    "updateBatchStock": b"",
    "getBatchStock": b'[{"sku": "A-1", "stock_levels": []}]',
    "deleteBatchStock": b"",
    "getStockLocations": b"[]",
    "createStockLocation": b'{"id": "1"}',
    "getAccessToken": b'{"access_token": "token"}',
}
"""Each operation's documented success."""

UNDOCUMENTED = {"updatePriceListPricing", "updateFullLoggingStatus", "updatePartialLoggingStatus", "updateBatchStock"}
"""Operations that may answer any JSON."""


def test_every_operation_is_in_the_table() -> None:
    assert OPERATIONS.keys() == PAGES.keys()


@each("operation", OPERATIONS)
def test_a_refusal_that_is_not_the_apis_own_passes(operation: Operation) -> None:
    statuses = [*STATUSES, 301, 302, 307, 402, 405, 410, 413, 422]
    for status, (name, body), headers in itertools.product(statuses, FOREIGN_REFUSALS.items(), ({}, JSON)):
        failure = failure_of(operation, Answer(status, headers, body))
        assert type(failure) is Retry, (status, name)
        assert (failure.reason, failure.effect_unknown) == (FOREIGN, True), (status, name)


@each("operation", OPERATIONS)
def test_a_success_that_is_not_the_apis_own_passes(operation: Operation) -> None:
    for status, (name, body) in itertools.product([200, 201, 202], FOREIGN_BODIES.items()):
        failure = failure_of(operation, Answer(status, JSON, body))
        if operation.name in UNDOCUMENTED and name == "other json":
            assert failure is None, (status, name)
        else:
            assert isinstance(failure, Retry), (status, name)
            assert (failure.reason, failure.effect_unknown) == (FOREIGN, True), (status, name)


@each("operation", OPERATIONS)
def test_a_success_of_the_documented_shape_is_believed_under_any_type_but_html(operation: Operation) -> None:
    page = PAGES[operation.name]
    for kind in ("application/json", "text/plain", "application/octet-stream", ""):
        assert failure_of(operation, Answer(200, {"content-type": kind}, page)) is None
    assert isinstance(failure_of(operation, Answer(200, {"content-type": "text/html; charset=utf-8"}, page)), Retry)
    empty = failure_of(operation, Answer(204, {}, b""))
    assert empty is None if page == b"" else isinstance(empty, Retry)


@each("name", [*PROBLEMS_OF_OTHERS])
def test_a_problem_with_members_of_another_program_is_doubtful(name: str) -> None:
    for status in (*STATUSES, 402, 410, 422):
        assert is_doubtful(Answer(status, JSON, problem_of(name, status)))


@each("status", [301, 302, 303, 307, 308])
@each("operation", OPERATIONS)
def test_no_redirect_is_the_apis_own(operation: Operation, status: int) -> None:
    for body in (b"", PROBLEM, HTML):
        failure = failure_of(operation, Answer(status, {"location": "https://elsewhere.test/login"}, body))
        assert type(failure) is Retry
        assert failure.reason == FOREIGN


OWN_REFUSALS = [
    b"",
    PROBLEM,
    b'{"title": "No", "errors": [{"message": "no"}]}',
    b'{"title": "No", "detail": null, "errors": [{"code": "required", "property": "slug"}], "type": "about:blank"}',
]


@each("body", OWN_REFUSALS)
@each("operation", [operation for operation in OPERATIONS.values() if operation is not TOKEN])
def test_the_apis_own_refusals_keep_their_meaning(operation: Operation, body: bytes) -> None:
    """The client decides about a 401, and tells a Forbidden from a Blocked; `read` decides about the token."""
    expected = classes(cells(SPARKLAYER), operation.name)
    for status in (400, 403, 404, 409):
        failure = failure_of(operation, Answer(status, {"content-type": "text/plain"}, body))
        assert type(failure).__name__ == expected[f"{status}"].replace("Forbidden", "Blocked"), status


@each("operation", OPERATIONS)
def test_a_problem_that_gives_its_status_gives_that_of_the_answer(operation: Operation) -> None:
    for status in (400, 403, 404):
        own = failure_of(operation, Answer(status, {}, msgspec.json.encode({"title": "No", "status": status})))
        assert own is not None
        assert own.reason != FOREIGN


@each("operation", OPERATIONS)
def test_html_is_never_the_apis_own_even_if_the_body_looks_so(operation: Operation) -> None:
    for body in (b"", PROBLEM):
        failure = failure_of(operation, Answer(404, {"content-type": "Text/HTML"}, body))
        assert isinstance(failure, Retry)


@each("operation", OPERATIONS)
def test_lines_refuse_only_a_write_of_prices(operation: Operation) -> None:
    failure = failure_of(operation, Answer(400, {}, LINES))
    assert type(failure) is (Rejected if operation.name == "updatePriceListPricing" else Retry)
    assert type(failure_of(operation, Answer(404, {}, LINES))) is Retry
    assert type(failure_of(operation, Answer(400, {}, b"[]"))) is Retry


def test_a_duplicate_is_one_only_in_the_apis_own_words() -> None:
    create = OPERATIONS["createProduct"]
    assert type(failure_of(create, Answer(409, {}, b'{"title": "No", "detail": "SKU already exists"}'))) is Duplicate
    assert type(failure_of(create, Answer(409, {}, b"SKU already exists"))) is Retry


@each("status", STATUSES)
@each("operation", OPERATIONS)
async def test_a_call_that_something_in_between_refuses_fails_so(
    autojump_clock: MockClock, operation: Operation, status: int
) -> None:
    asked, body = 0, b""

    def respond(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        if request.url.path != "/api/auth/token":
            return httpx.Response(status, content=body)
        asked += 1
        return httpx.Response(200, json={"access_token": f"token-{asked}"})

    api = Api("https://site.test", headers={}, transport=httpx.MockTransport(respond))
    throttled_api = ThrottledApi(
        "sparklayer", api, Limiter(api="sparklayer", side=Side.SPARKLAYER, policy=AdaptivePolicy()), ignore
    )
    for name, body in FOREIGN_REFUSALS.items():  # noqa: B007  `respond` answers it
        asked = 0
        client = Client(throttled_api, Tokens(throttled_api, ApiKey(client_id="id", client_secret=Secret("secret"))))
        with pytest.raises(Failure) as failure:
            await client.call(operation, "/any", Lane.LIVE)
        expected = (Blocked, "credentials", 2) if status == 401 else (Retry, FOREIGN, 1)
        assert (type(failure.value), failure.value.reason, asked) == expected, name
    await throttled_api.aclose()


@each("body", FOREIGN_REFUSALS)
@each("status", [200, 302, *STATUSES])
def test_a_token_that_something_in_between_refuses_is_asked_for_again(status: int, body: bytes) -> None:
    outcome = read(Answer(status, {}, body), 0.0, Secret("secret"))
    assert type(outcome) is Retry
    assert outcome.reason == FOREIGN


@each(("body", "kind"), [(PROBLEM, KeyRefused), (b'{"error": "invalid_client"}', KeyRefused), (b"", Blocked)])
@each("status", [400, 401, 403])
def test_a_key_is_refused_in_the_apis_own_words(status: int, body: bytes, kind: type[Blocked]) -> None:
    """Each of them pauses the connection, but an empty one proves too little to end a clean-up."""
    outcome = read(Answer(status, {}, body), 0.0, Secret("secret"))
    assert type(outcome) is kind
    assert outcome.reason == "credentials"


@each("name", [*PROBLEMS_OF_OTHERS])
@each("status", [400, 401, 403])
def test_a_problem_of_another_program_refuses_no_key(status: int, name: str) -> None:
    """It pauses the connection, but ends no clean-up and refuses no connect."""
    assert type(read(Answer(status, JSON, problem_of(name, status)), 0.0, Secret("secret"))) is Blocked


@each("error", sorted(KEY_ERRORS))
@each("status", [400, 401, 403])
def test_a_key_is_refused_with_any_code_of_oauth_but_on_no_page(status: int, error: str) -> None:
    body = msgspec.json.encode({"error": error, "error_description": "No."})
    for kind, expected in (("application/json", KeyRefused), ("text/html; charset=utf-8", Retry)):
        assert type(read(Answer(status, {"content-type": kind}, body), 0.0, Secret("secret"))) is expected


def test_a_token_is_believed_under_any_type_but_html() -> None:
    for kind, expected in (("text/plain", Token), ("text/html", Retry)):
        assert type(read(Answer(200, {"content-type": kind}, PAGES[TOKEN.name]), 0.0, Secret("secret"))) is expected
