"""A SparkLayer that answers what a test says, and checks every request against the contract on the way."""

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import msgspec
import pytest
import yaml
from attrs import define, field
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from daemon.http import ApiCall
from daemon.model import ApiKey, Secret, Site
from daemon.sparklayer import SparkLayer, connect

CONTRACT = Path(__file__).parents[1] / "contracts" / "sparklayer.openapi.yaml"
BODY = ("requestBody", "content", "application/json", "schema")
Answer = Callable[[httpx.Request], httpx.Response]


@cache
def contract() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(CONTRACT.read_text())
    return loaded


@cache
def validator_of(path: str, method: str) -> jsonschema.Draft202012Validator:
    registry: Registry[Any] = Registry().with_resource(
        "urn:contract", Resource.from_contents(contract(), default_specification=DRAFT202012)
    )
    place = "/".join(part.replace("/", "~1") for part in ("paths", path, method, *BODY))
    return jsonschema.Draft202012Validator({"$ref": f"urn:contract#/{place}"}, registry=registry)


def template_of(path: str) -> str:
    """Find the contract's path that a request's path is one of; the most literal one wins."""
    fitting: list[str] = [
        template
        for template in contract()["paths"]
        if re.fullmatch(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template)), path)
    ]
    assert fitting, f"{path} is not in the contract"
    return min(fitting, key=lambda template: template.count("{"))


DONE = {"id": "1", "slug": "a", "currency_code": "GBP", "type": "order"}
"""What is told of whatever was written or read, unless a test says more."""


def documented(request: httpx.Request) -> httpx.Response:
    """Answer as the contract says of an operation's success."""
    item = contract()["paths"].get(template_of(request.url.raw_path.decode()), {})
    content = item.get(request.method.lower(), {}).get("responses", {}).get("200", {}).get("content")
    if content is None:
        return httpx.Response(204)
    rows = content["application/json"]["schema"].get("type") == "array"
    return httpx.Response(200, json=[] if rows else DONE)


@define
class FakeSparkLayer:
    """`answers` are given in turn, then success; a token is given unless `token_answer` says otherwise."""

    answers: list[httpx.Response | Answer] = field(factory=list)
    token_answer: Answer | None = None
    requests: list[httpx.Request] = field(factory=list)
    tokens: int = 0
    calls: list[ApiCall] = field(factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        check(request)
        if request.url.path == "/api/auth/token":
            self.tokens += 1
            if self.token_answer is not None:
                return self.token_answer(request)
            return httpx.Response(200, json={"access_token": f"token-{self.tokens}", "expires_in": 3600})
        self.requests.append(request)
        answer = self.answers.pop(0) if self.answers else documented
        return answer if isinstance(answer, httpx.Response) else answer(request)

    def bodies(self) -> list[Any]:
        return [msgspec.json.decode(request.content) for request in self.requests if request.content]


def check(request: httpx.Request) -> None:
    """Hold a request against the contract: path, method, headers and body."""
    path = template_of(request.url.raw_path.decode())
    method = request.method.lower()
    assert request.headers["site-id"] == "jones-climbing"
    assert "ignite-sync/" in request.headers["user-agent"]
    assert method in contract()["paths"].get(path, ())
    if request.content:
        assert request.headers["content-type"] == "application/json"
        validator_of(path, method).validate(msgspec.json.decode(request.content))


@pytest.fixture
def fake() -> FakeSparkLayer:
    return FakeSparkLayer()


@pytest.fixture
def sparklayer(fake: FakeSparkLayer) -> SparkLayer:
    return connect(
        base_url="https://test.app.sparklayer.io",
        site=Site("test", "jones-climbing"),
        api_key=ApiKey(client_id="id", client_secret=Secret("secret")),
        integration="bigcommerce",
        transport=httpx.MockTransport(fake),
        observe=fake.calls.append,
    )
