"""Access by token, and the answers of the probes and the admin operations."""

from collections.abc import Sequence
from typing import Any

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from daemon.errors import Invalid, NotAllowed, StorageTrouble
from daemon.listener import access
from daemon.listener.access import Entrance, TooManyGuesses
from daemon.listener.admin import Admin
from daemon.listener.http.messages import Request, Response
from daemon.listener.routes import Routes
from daemon.model import Kind, Secret, Site
from daemon.model.operators import NamedToken, Operator, Role
from daemon.observability.metrics import CONTENT_TYPE, Metrics
from tests.each import each

TOKEN = "an admin's token"
TOKENS = [
    NamedToken(name="admin", token=Secret(TOKEN), role=Role.ACT),
    NamedToken(name="grafana", token=Secret("a reader's token")),
]


@define
class AdminHarness:
    """The admin routes with two operations."""

    tokens: Sequence[NamedToken] = TOKENS
    metrics_open: bool = False
    reasons: Sequence[str] = ()
    trouble: bool = False
    metrics: Metrics = field(factory=Metrics)
    routes: Routes | None = field(init=False, default=None)

    async def why_not_ready(self) -> Sequence[str]:
        return self.reasons

    async def refresh(self) -> None:
        if self.trouble:
            raise StorageTrouble("disk full", reason="disk_full")
        self.metrics.show("issues_open", 3, "live/jones", Kind.PRODUCTS)

    async def status(self, parameters: dict[str, Any], _operator: Operator) -> Any:
        return {"site": Site("live", "jones"), "asked": parameters}

    async def sync(self, parameters: dict[str, Any], operator: Operator) -> Any:
        if operator.role is not Role.ACT:
            raise NotAllowed(f"the token {operator.name} may read but not act")
        if "kind" not in parameters:
            raise Invalid("Say which kind.")
        return {"started": parameters["kind"]}

    async def ask(self, method: str, path: str, body: bytes = b"", **headers: bytes) -> Response:
        self.routes = self.routes or Routes.of(self._admin().routes(), self.metrics)
        path, _, query = path.partition("?")
        sent = {name.replace("_", "-").encode(): value for name, value in headers.items()}
        request = Request(method, path, query, sent, body, keep_alive=True)
        return await self.routes.answer(request)

    def _admin(self) -> Admin:
        return Admin(
            tokens=self.tokens,
            metrics_open=self.metrics_open,
            metrics=self.metrics,
            why_not_ready=self.why_not_ready,
            refresh=self.refresh,
            operations={("GET", "/admin/status"): self.status, ("POST", "/admin/sync"): self.sync},
        )

    async def ask_with_token(self, method: str, path: str, body: bytes = b"") -> Response:
        bearer = f"Bearer {TOKEN}".encode()
        return await self.ask(method, path, body, authorization=bearer, content_type=b"application/json")


async def test_alive_needs_no_token() -> None:
    response = await AdminHarness().ask("GET", "/healthz")
    assert (response.status, response.body) == (200, b"ok\n")


async def test_readiness_names_the_reasons() -> None:
    assert (await AdminHarness().ask("GET", "/readyz")).status == 200
    response = await AdminHarness(reasons=["database is read-only", "no actors"]).ask("GET", "/readyz")
    assert response.status == 503
    assert b"database is read-only; no actors" in response.body


@each(("method", "path"), [("GET", "/admin/status"), ("POST", "/admin/sync"), ("GET", "/metrics")])
@each("given", [b"", b"Bearer", b"Bearer wrong", b"Basic " + TOKEN.encode(), TOKEN.encode(), b"Bearer \xff"])
async def test_without_the_token_every_caller_is_refused_loopback_too(method: str, path: str, given: bytes) -> None:
    response = await AdminHarness().ask(method, path, authorization=given)
    assert response.status == 401
    assert dict(response.headers)[b"www-authenticate"] == b"Bearer"


NO_CREDENTIALS: Sequence[dict[str, bytes]] = (
    {"x_forwarded_for": b"127.0.0.1"},
    {"x_real_ip": b"127.0.0.1", "client_ip": b"127.0.0.1", "true_client_ip": b"::1"},
    {"forwarded": b"for=127.0.0.1;host=localhost;proto=https"},
    {"host": b"127.0.0.1", "x_forwarded_host": b"localhost", "x_forwarded_proto": b"https"},
    {"x_original_url": b"/healthz", "x_rewrite_url": b"/healthz"},
    {"x_http_method_override": b"GET", "authorization": b"Bearer"},
    {"origin": b"http://127.0.0.1", "cookie": b"admin_token=" + TOKEN.encode()},
    {"authorization": b"Bearer guessed", "proxy_authorization": b"Bearer " + TOKEN.encode()},
    {"x_authorization": b"Bearer " + TOKEN.encode()},
)
"""Claims about the caller, and tokens in the wrong place."""


@each("said", NO_CREDENTIALS)
async def test_nothing_that_is_said_of_a_caller_is_a_credential(said: dict[str, bytes]) -> None:
    for path in ("/admin/status", "/metrics", f"/admin/status?token={TOKEN}&admin_token={TOKEN}"):
        assert (await AdminHarness().ask("GET", path, **said)).status == 401


@each("path", ["//admin/status", "/./admin/status", "/x/../admin/status", "/%61dmin/status", "/ADMIN/status"])
async def test_no_other_spelling_of_a_path_leads_past_the_token(path: str) -> None:
    assert (await AdminHarness().ask("GET", path)).status in {401, 404}


@each("given", [b"", b"Bearer ", b"Bearer None"])
async def test_without_a_configured_token_every_caller_is_refused(given: bytes) -> None:
    response = await AdminHarness(tokens=[]).ask("GET", "/admin/status", authorization=given)
    assert response.status == 401
    assert b"set listener.admin_token" in response.body


@each("scheme", ["Bearer", "bearer"])
async def test_with_the_token_an_operation_answers_json(scheme: str) -> None:
    given = f"{scheme} {TOKEN}".encode()
    response = await AdminHarness().ask("GET", "/admin/status?a=b", authorization=given)
    assert response.status == 200
    assert response.body == b'{"site":{"env":"live","id":"jones"},"asked":{"a":"b"}}'


async def test_an_operation_takes_a_json_object_or_nothing() -> None:
    response = await AdminHarness().ask_with_token("POST", "/admin/sync", b'{"kind": "products"}')
    assert response.body == b'{"started":"products"}'
    assert (await AdminHarness().ask_with_token("POST", "/admin/sync")).status == 400


@each("body", [b"{", b"[1]", b'"text"', b"\xff", b"null", b'{"ids": ' + b"[" * 100_000])
async def test_parameters_that_are_no_json_object_are_400(body: bytes) -> None:
    response = await AdminHarness().ask_with_token("POST", "/admin/sync", body)
    assert response.status == 400
    assert b"The body must be a JSON object" in response.body


async def test_parameters_of_another_type_are_415() -> None:
    bearer = f"Bearer {TOKEN}".encode()
    assert (await AdminHarness().ask("POST", "/admin/sync", b"kind=products", authorization=bearer)).status == 415


@pytest.mark.parametrize("harness", [AdminHarness(metrics_open=True), AdminHarness()], ids=["open", "with token"])
async def test_metrics_are_brought_up_to_date_and_shown(harness: AdminHarness) -> None:
    response = await (harness.ask if harness.metrics_open else harness.ask_with_token)("GET", "/metrics")
    assert (response.status, response.content_type.decode()) == (200, CONTENT_TYPE)
    assert b'ignite_sync_issues_open{kind="products",site="live/jones"} 3.0' in response.body


async def test_metrics_are_shown_when_the_database_is_in_trouble() -> None:
    response = await AdminHarness(metrics_open=True, trouble=True).ask("GET", "/metrics")
    assert response.status == 200
    assert b"ignite_sync_http_requests_total" in response.body


async def test_each_token_is_known_by_its_name_and_role() -> None:
    harness = AdminHarness()
    reader = b"Bearer a reader's token"
    assert (await harness.ask("GET", "/admin/status", authorization=reader)).status == 200
    assert (await harness.ask("GET", "/metrics", authorization=reader)).status == 200
    refused = await harness.ask("POST", "/admin/sync", authorization=reader)
    assert refused.status == 403
    assert b"the token grafana may read but not act" in refused.body


async def test_every_known_token_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []
    monkeypatch.setattr("hmac.compare_digest", lambda _given, known: compared.append(known))
    assert await Entrance(TOKENS, "admin").holder(TOKEN.encode()) is None
    assert compared == [token.token.reveal().encode() for token in TOKENS]


async def test_guesses_are_slowed_and_few_wait_at_a_time(autojump_clock: MockClock) -> None:
    entrance = Entrance(TOKENS, "admin")
    for _ in range(access.FREE):
        assert await entrance.holder(b"wrong") is None
    assert trio.current_time() == 0.0
    answers: list[object] = []

    async def guess(number: int) -> None:
        try:
            answers.append(await entrance.holder(b"wrong %d" % number))
        except TooManyGuesses:
            answers.append(TooManyGuesses)

    for _ in range(3):
        async with trio.open_nursery() as nursery:
            for number in range(1000):
                nursery.start_soon(guess, number)
    assert answers.count(TooManyGuesses) == 3 * (1000 - access.AT_ONCE)
    assert answers.count(None) == 3 * access.AT_ONCE
    assert trio.current_time() == 3 * access.DELAY
    known = await entrance.holder(TOKEN.encode())
    assert known is not None
    assert (known.name, trio.current_time()) == ("admin", 3 * access.DELAY)
    await trio.sleep(access.WITHIN)
    assert await entrance.holder(b"wrong") is None
    assert trio.current_time() == 3 * access.DELAY + access.WITHIN


async def test_a_request_that_was_not_looked_at_is_429(autojump_clock: MockClock) -> None:
    harness = AdminHarness()
    statuses: list[int] = []

    async def guess() -> None:
        statuses.append((await harness.ask("GET", "/admin/status", authorization=b"Bearer wrong")).status)

    async with trio.open_nursery() as nursery:
        for _ in range(access.FREE + access.AT_ONCE + 1):
            nursery.start_soon(guess)
    assert sorted(set(statuses)) == [401, 429]
