"""Answers to SparkLayer, route by route as in the contract; and access by token."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import yaml
from attrs import define, field

from daemon.entities import PulledPage
from daemon.errors import Blocked, Invalid, NotFound, Rejected, Retry, Side, StorageTrouble
from daemon.listener.http.messages import Request, Response
from daemon.listener.ignite import TRIGGERED, Ignite
from daemon.listener.routes import Routes
from daemon.model import ApiKey, Kind, Secret, Site
from daemon.observability.metrics import Metrics
from tests.each import each

CONTRACT: Any = yaml.safe_load((Path(__file__).parents[1] / "contracts" / "ignite.openapi.yaml").read_text("utf-8"))
TOKEN = "SparkLayer's token"
BEARER = f"Bearer {TOKEN}".encode()
SITE = "/v1/live/jones"
BODY = {"store_id": "abc123", "spark_api_client_id": "id", "spark_api_client_secret": "hunter2"}
SERVED = {
    ("POST", "/v1/{siteEnv}/{siteId}"),
    ("DELETE", "/v1/{siteEnv}/{siteId}"),
    ("POST", "/v1/{siteEnv}/{siteId}/status/{syncDataType}"),
    ("GET", "/v1/{siteEnv}/{siteId}/sync/{syncDataType}"),
    ("POST", "/v1/{siteEnv}/{siteId}/sync/{syncDataType}/{entityId}"),
}
"""The part of the contract that a data sync needs; the rest of it is about carts and what customers do themselves."""


@define
class IgniteHarness:
    """The routes, with the calls that they received and the answers that they give."""

    token: Secret | None = field(factory=lambda: Secret(TOKEN))
    redirect: str | None = None
    failure: Exception | None = None
    running: bool = False
    page: PulledPage = field(factory=lambda: PulledPage(entities=[b'{"sku":"A","price":9.50}'], next_page="more"))
    asked: list[Any] = field(factory=list)
    extra_config: Mapping[str, object] | None = None

    def _note(self, *what: Any) -> None:
        self.asked.append(what)
        if self.failure:
            raise self.failure

    async def connect(self, site: Site, store_id: str, key: ApiKey, extra_config: Mapping[str, object]) -> str | None:
        self._note(site, store_id, key)
        self.extra_config = extra_config
        return self.redirect

    async def disconnect(self, site: Site) -> None:
        self._note(site)

    async def trigger(self, site: Site, kind: Kind) -> None:
        self._note(site, kind)
        if self.running:
            raise Invalid("A full sync is in progress already.")

    async def pull(self, site: Site, data_type: str, page: str | None) -> PulledPage:
        self._note(site, data_type, page)
        return self.page

    async def fetch(self, site: Site, data_type: str, entity_id: str) -> bytes:
        self._note(site, data_type, entity_id)
        return b'{"external_id":"7","price":9.50}'

    async def ask(self, method: str, path: str, body: Any = None, *, bearer: bytes | None = BEARER) -> Response:
        ignite = Ignite(
            token=self.token,
            connect=self.connect,
            disconnect=self.disconnect,
            trigger=self.trigger,
            pull=self.pull,
            fetch=self.fetch,
        )
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        headers = {b"content-type": b"application/json"} | ({b"authorization": bearer} if bearer is not None else {})
        path, _, query = path.partition("?")
        request = Request(method, path, query, headers, content, keep_alive=True)
        return await Routes.of(ignite.routes(), Metrics()).answer(request)


def _fits(method: str, template: str, response: Response) -> None:
    """Fail unless the contract has this answer."""
    said = CONTRACT["paths"][template][method.lower()]["responses"][str(response.status)]
    content = said.get("content")
    if content is None:
        assert response.status >= 400 or response.body == b""
    else:
        assert response.content_type == b"application/json"
        jsonschema.validate(json.loads(response.body), content["application/json"]["schema"])


def _called(template: str, data_type: str = "") -> str:
    return template.format(siteEnv="live", siteId="jones", syncDataType=data_type, entityId="7")


async def test_connect_answers_204_or_the_address_of_the_install() -> None:
    harness = IgniteHarness()
    _fits("POST", "/v1/{siteEnv}/{siteId}", response := await harness.ask("POST", SITE, BODY | {"another": 1}))
    assert (response.status, response.body) == (204, b"")
    key = ApiKey(client_id="id", client_secret=Secret("hunter2"))
    assert harness.asked == [(Site("live", "jones"), "abc123", key)]
    harness.redirect = "https://login.test/install"
    _fits("POST", "/v1/{siteEnv}/{siteId}", response := await harness.ask("POST", SITE, BODY))
    assert (response.status, json.loads(response.body)) == (201, {"redirect_url": "https://login.test/install"})


@each("extra", [{"woocommerce_api_key": "ck", "another": [1]}, {}, None, "", []])
async def test_connect_ignores_fields_of_other_platforms_and_unknown_ones(extra: Any) -> None:
    body: Any = CONTRACT["paths"]["/v1/{siteEnv}/{siteId}"]["post"]["requestBody"]["content"]["application/json"]
    others = dict.fromkeys(body["schema"]["properties"].keys() - BODY.keys(), "x" * 501)
    assert others.keys() > {"extra_config", "magento_consumer_key"}
    harness = IgniteHarness()
    response = await harness.ask("POST", SITE, others | {"extra_config": extra, "unknown": {"a": [None]}} | BODY)
    assert (response.status, response.body) == (204, b"")
    assert harness.asked == [(Site("live", "jones"), "abc123", ApiKey(client_id="id", client_secret=Secret("hunter2")))]
    assert harness.extra_config == (extra if isinstance(extra, dict) else {}), "the platform reads it"


@each("extra", ["text", 7, 0, True, False, ["woocommerce_api_key"]])
async def test_extra_config_that_is_no_object_is_refused(extra: Any) -> None:
    harness = IgniteHarness()
    response = await harness.ask("POST", SITE, BODY | {"extra_config": extra})
    assert (response.status, harness.asked) == (400, [])
    assert json.loads(response.body)["detail"] == "extra_config: must be an object"


async def test_disconnect_answers_204() -> None:
    harness = IgniteHarness()
    _fits("DELETE", "/v1/{siteEnv}/{siteId}", response := await harness.ask("DELETE", "/v1/test/a%2Db"))
    assert (response.status, harness.asked) == (204, [(Site("test", "a-b"),)])


async def test_every_type_of_the_contract_is_started() -> None:
    template = "/v1/{siteEnv}/{siteId}/status/{syncDataType}"
    types = CONTRACT["paths"][template]["parameters"][-1]["schema"]["enum"]
    assert set(types) == TRIGGERED.keys()
    for data_type in types:
        harness = IgniteHarness()
        _fits("POST", template, response := await harness.ask("POST", _called(template, data_type)))
        assert (response.status, harness.asked) == (201, [(Site("live", "jones"), TRIGGERED[data_type])])
        _fits("POST", template, response := await IgniteHarness(running=True).ask("POST", _called(template, data_type)))
        assert response.status == 400
    assert (await IgniteHarness().ask("POST", _called(template, "stock"))).status == 404


async def test_a_page_is_entities_as_they_are_and_the_next_page() -> None:
    template = "/v1/{siteEnv}/{siteId}/sync/{syncDataType}"
    harness = IgniteHarness()
    _fits("GET", template, response := await harness.ask("GET", _called(template, "stock")))
    assert response.body == b'{"entities":[{"sku":"A","price":9.50}],"next_page":"more"}'
    await harness.ask("GET", _called(template, "stock") + "?page=more")
    await harness.ask("GET", _called(template, "stock") + "?page=")
    assert [page for _, _, page in harness.asked] == [None, "more", None]
    harness.page = PulledPage(entities=[], next_page=None)
    _fits("GET", template, response := await harness.ask("GET", _called(template, "stock")))
    assert json.loads(response.body) == {"entities": [], "next_page": None}


@each("body", [None, {"payload": "text"}, {"payload": None}, [1], b"{ no json"])
async def test_one_entity_comes_as_it_is_whatever_the_body_says(body: Any) -> None:
    template = "/v1/{siteEnv}/{siteId}/sync/{syncDataType}/{entityId}"
    for data_type in CONTRACT["paths"][template]["parameters"][2]["schema"]["enum"]:
        harness = IgniteHarness()
        _fits("POST", template, response := await harness.ask("POST", _called(template, data_type), body))
        assert (response.status, response.body) == (200, b'{"external_id":"7","price":9.50}')
        assert harness.asked == [(Site("live", "jones"), data_type, "7")]


async def test_an_id_may_have_any_characters_but_must_be_there() -> None:
    harness = IgniteHarness()
    await harness.ask("POST", f"{SITE}/sync/stock/A%2FB%20%C3%BC%3F")
    assert harness.asked == [(Site("live", "jones"), "stock", "A/B ü?")]
    assert (await harness.ask("POST", f"{SITE}/sync/stock/")).status == 404
    assert (await harness.ask("GET", f"{SITE}/sync/stock/7")).status == 405


@each(
    ("failure", "status", "after"),
    [
        (Retry("busy", reason="http_429", after=7.4), 503, b"7"),
        (Retry("busy", reason="http_503"), 503, b"5"),
        (Blocked("no", reason="credentials", side=Side.PLATFORM), 503, b"5"),
        (StorageTrouble("full", reason="storage"), 503, b"5"),
        (Rejected("no", reason="http_400"), 400, None),
        (NotFound("no connection"), 404, None),
    ],
)
@each(("method", "rest"), [("GET", ""), ("POST", "/7")])
async def test_what_cannot_be_read_now(
    failure: Exception, status: int, after: bytes | None, method: str, rest: str
) -> None:
    response = await IgniteHarness(failure=failure).ask(method, f"{SITE}/sync/products{rest}")
    assert (response.status, dict(response.headers).get(b"retry-after")) == (status, after)
    assert b"busy" not in response.body


@each(
    ("body", "told"),
    [
        ({}, ["store_id: is missing", "spark_api_client_id: is missing", "spark_api_client_secret: is missing"]),
        (None, ["store_id: is missing"]),
        (BODY | {"store_id": 1234}, ["store_id: must be a text"]),
        (BODY | {"store_id": " ", "spark_api_client_id": None}, ["store_id: is empty", "client_id: must be a text"]),
        (
            BODY | {"spark_api_client_secret": "hunter2\nx"},
            ["spark_api_client_secret: must be 1 to 512", "a line break"],
        ),
        (BODY | {"spark_api_client_secret": "x" * 513}, ["spark_api_client_secret: must be 1 to 512", "has 513"]),
    ],
)
async def test_wrong_and_missing_fields_are_named_and_not_repeated(body: Any, told: list[str]) -> None:
    harness = IgniteHarness()
    response = await harness.ask("POST", SITE, body)
    assert (response.status, response.content_type, harness.asked) == (400, b"application/problem+json", [])
    detail = json.loads(response.body)["detail"]
    assert all(one in detail for one in told), detail
    assert "hunter2" not in detail


@each(
    "site",
    ["prod/jones", "/jones", "LIVE/jones"]
    + [f"live/{name}" for name in ("", ".", "..", "a%20b", "a%2Fb", "a%3Fb", "a%23b", "a%25b", "a%5Cb", "%C3%A9")]
    + ["live/" + "x" * 201],
)
@each("method", ["POST", "DELETE"])
async def test_an_impossible_site_is_not_found(method: str, site: str) -> None:
    harness = IgniteHarness()
    assert ((await harness.ask(method, f"/v1/{site}", BODY)).status, harness.asked) == (404, [])


@each(("method", "template"), sorted(SERVED))
@each("bearer", [None, b"", b"Bearer", b"Bearer wrong", b"Basic " + BEARER[7:], BEARER[7:], b"\xff"])
async def test_without_the_token_every_caller_is_refused(method: str, template: str, bearer: bytes | None) -> None:
    harness = IgniteHarness()
    response = await harness.ask(method, _called(template, "products"), b"{ no json", bearer=bearer)
    assert (response.status, response.body, harness.asked) == (401, b"", [])
    assert "401" in CONTRACT["paths"][template][method.lower()]["responses"]


@each("token", [None, Secret("")])
@each("bearer", [BEARER, b"Bearer ", b"Bearer None"])
async def test_without_a_configured_token_every_caller_is_refused(token: Secret | None, bearer: bytes) -> None:
    assert (await IgniteHarness(token=token).ask("DELETE", SITE, bearer=bearer)).status == 401
