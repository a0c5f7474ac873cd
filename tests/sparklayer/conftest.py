"""A SparkLayer that gives a test's answers, and checks every request against the contract."""

from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import pytest
from attrs import define, field

from daemon.model import ApiKey, Secret, Site
from daemon.sandbox.message import Request
from daemon.sandbox.sparklayer.contract import contract
from daemon.sparklayer import SparkLayer, connect
from daemon.transport.http import ApiCall
from tests.contract import CONTRACT, template_of

Answer = Callable[[httpx.Request], httpx.Response]


DONE = {"id": "1", "slug": "a", "currency_code": "GBP", "type": "order"}
"""Default names in the body of a success."""


def documented(request: httpx.Request) -> httpx.Response:
    """Answer an operation with success, as the contract documents it."""
    item = contract()["paths"].get(template_of(request.url.raw_path.decode()), {})
    content = item.get(request.method.lower(), {}).get("responses", {}).get("200", {}).get("content")
    if content is None:
        return httpx.Response(204)
    rows = content["application/json"]["schema"].get("type") == "array"
    return httpx.Response(200, json=[] if rows else DONE)


@define
class FakeSparkLayer:
    """Gives `answers` in turn, then success. The token endpoint gives a token, or `token_answer`."""

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
    """Check a request against the contract: path, method, headers and body."""
    path = request.url.raw_path.decode()
    template, method = template_of(path), request.method.lower()
    assert template is not None, f"{path} is not in the contract"
    assert request.headers["site-id"] == "jones-climbing"
    assert "ignite-sync/" in request.headers["user-agent"]
    assert method in contract()["paths"][template]
    if request.content:
        assert request.headers["content-type"] == "application/json"
        assert CONTRACT.refusal(Request(method=request.method, path=path, body=request.content)) is None


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
