"""Access to each admin route, and the answers of the probes and the verbs."""

from collections.abc import Sequence
from typing import Any

import pytest
from attrs import define, field

from daemon.errors import StorageTrouble
from daemon.listener.admin import Admin
from daemon.listener.http.messages import Request, Response
from daemon.listener.routes import Refused, Routes
from daemon.model import Kind, Secret, Site
from daemon.observability.metrics import CONTENT_TYPE, Metrics

TOKEN = "an admin's token"


@define
class KindState:
    """The admin routes with two verbs."""

    token: Secret | None = field(factory=lambda: Secret(TOKEN))
    metrics_open: bool = False
    reasons: Sequence[str] = ()
    trouble: bool = False
    metrics: Metrics = field(factory=Metrics)

    async def why_not_ready(self) -> Sequence[str]:
        return self.reasons

    async def refresh(self) -> None:
        if self.trouble:
            raise StorageTrouble("disk full", reason="disk_full")
        self.metrics.issues(Site("live", "jones"), Kind.PRODUCTS, 3)

    async def status(self, parameters: dict[str, Any]) -> Any:
        return {"site": Site("live", "jones"), "asked": parameters}

    async def sync(self, parameters: dict[str, Any]) -> Any:
        if "kind" not in parameters:
            raise Refused(400, "Say which kind.")
        return {"started": parameters["kind"]}

    async def ask(self, method: str, path: str, body: bytes = b"", **headers: bytes) -> Response:
        admin = Admin(
            token=self.token,
            metrics_open=self.metrics_open,
            metrics=self.metrics,
            why_not_ready=self.why_not_ready,
            refresh=self.refresh,
            operations={("GET", "/admin/status"): self.status, ("POST", "/admin/sync"): self.sync},
        )
        path, _, query = path.partition("?")
        sent = {name.replace("_", "-").encode(): value for name, value in headers.items()}
        request = Request(method, path, query, sent, body, keep_alive=True)
        return await Routes.of(admin.routes(), self.metrics).answer(request)

    async def ask_with_token(self, method: str, path: str, body: bytes = b"") -> Response:
        bearer = f"Bearer {TOKEN}".encode()
        return await self.ask(method, path, body, authorization=bearer, content_type=b"application/json")


async def test_alive_needs_no_token() -> None:
    response = await KindState().ask("GET", "/healthz")
    assert (response.status, response.body) == (200, b"ok\n")


async def test_ready_says_why_not() -> None:
    assert (await KindState().ask("GET", "/readyz")).status == 200
    response = await KindState(reasons=["database is read-only", "no actors"]).ask("GET", "/readyz")
    assert response.status == 503
    assert b"database is read-only; no actors" in response.body


@pytest.mark.parametrize(("method", "path"), [("GET", "/admin/status"), ("POST", "/admin/sync"), ("GET", "/metrics")])
@pytest.mark.parametrize(
    "given", [b"", b"Bearer", b"Bearer wrong", b"Basic " + TOKEN.encode(), TOKEN.encode(), b"Bearer \xff"]
)
async def test_without_the_token_nobody_is_let_in_not_even_from_loopback(method: str, path: str, given: bytes) -> None:
    response = await KindState().ask(method, path, authorization=given)
    assert response.status == 401
    assert dict(response.headers)[b"www-authenticate"] == b"Bearer"


@pytest.mark.parametrize("token", [None, Secret("")])
@pytest.mark.parametrize("given", [b"", b"Bearer ", b"Bearer None"])
async def test_without_a_token_configured_nobody_is_let_in(token: Secret | None, given: bytes) -> None:
    response = await KindState(token=token).ask("GET", "/admin/status", authorization=given)
    assert response.status == 401
    assert b"set listener.admin_token" in response.body


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
async def test_with_the_token_a_verb_answers_json(scheme: str) -> None:
    given = f"{scheme} {TOKEN}".encode()
    response = await KindState().ask("GET", "/admin/status?a=b", authorization=given)
    assert response.status == 200
    assert response.body == b'{"site":{"env":"live","id":"jones"},"asked":{"a":"b"}}'


async def test_a_verb_takes_a_json_object_or_nothing() -> None:
    response = await KindState().ask_with_token("POST", "/admin/sync", b'{"kind": "products"}')
    assert response.body == b'{"started":"products"}'
    assert (await KindState().ask_with_token("POST", "/admin/sync")).status == 400


@pytest.mark.parametrize("body", [b"{", b"[1]", b'"text"', b"\xff", b"null", b'{"ids": ' + b"[" * 100_000])
async def test_parameters_that_are_no_json_object_are_400(body: bytes) -> None:
    response = await KindState().ask_with_token("POST", "/admin/sync", body)
    assert response.status == 400
    assert b"The body must be a JSON object" in response.body


async def test_parameters_of_another_type_are_415() -> None:
    bearer = f"Bearer {TOKEN}".encode()
    assert (await KindState().ask("POST", "/admin/sync", b"kind=products", authorization=bearer)).status == 415


async def test_a_verb_is_served_by_its_method_only() -> None:
    response = await KindState().ask_with_token("GET", "/admin/sync")
    assert (response.status, dict(response.headers)[b"allow"]) == (405, b"POST")


@pytest.mark.parametrize("kind_state", [KindState(metrics_open=True), KindState()], ids=["open", "with token"])
async def test_metrics_are_brought_up_to_date_and_shown(kind_state: KindState) -> None:
    response = await (kind_state.ask if kind_state.metrics_open else kind_state.ask_with_token)("GET", "/metrics")
    assert (response.status, response.content_type.decode()) == (200, CONTENT_TYPE)
    assert b'ignite_sync_issues_open{kind="products",site="live/jones"} 3.0' in response.body


async def test_metrics_are_shown_when_the_database_is_in_trouble() -> None:
    response = await KindState(metrics_open=True, trouble=True).ask("GET", "/metrics")
    assert response.status == 200
    assert b"ignite_sync_http_requests_total" in response.body
