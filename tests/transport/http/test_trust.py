"""Credentials go only to the configured address with a valid certificate, never to an address that an answer names."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import trio
from attrs import define, evolve, field

from daemon.cli.check import check_all
from daemon.config import ConnectionSettings, DatabaseSettings, SecuritySettings, Settings, SparkLayerSettings, Survey
from daemon.errors import Retry
from daemon.model import ApiKey, Lane, Secret, Site
from daemon.platforms.bigcommerce.client import Client
from daemon.platforms.bigcommerce.settings import BigCommerceSettings
from daemon.sparklayer import connect
from daemon.transport import http
from daemon.transport.client import ignore
from daemon.transport.http import Api
from tests.each import each
from tests.transport.http.authority import Authority

SECRET = "hunter2"
KEY = ApiKey(client_id="jones", client_secret=Secret(SECRET))
STORE = BigCommerceSettings(store_hash="abc123", access_token=Secret(SECRET))
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


@define
class Server:
    """Answers every request in the same way, and records the decrypted requests."""

    answer: bytes = OK
    ours: bytearray = field(factory=bytearray)
    port: int = 0

    async def handle(self, stream: trio.abc.Stream) -> None:
        async with stream:
            try:
                while part := await stream.receive_some(65536):
                    self.ours += part
                    await stream.send_all(self.answer)
            except trio.BrokenResourceError:
                return


@asynccontextmanager
async def serving(server: Server, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    async with trio.open_nursery() as nursery:
        serve: Any = (
            partial(trio.serve_tcp, server.handle, 0, host="127.0.0.1")
            if tls is None
            else partial(trio.serve_ssl_over_tcp, server.handle, 0, tls, host="127.0.0.1")
        )
        (listener,) = await nursery.start(serve)
        socket = (listener.transport_listener if tls else listener).socket
        server.port = socket.getsockname()[1]
        with trio.fail_after(60):
            yield server
        nursery.cancel_scope.cancel()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.make(tmp_path)


async def ask(url: str) -> int:
    api = Api(url, headers={"Authorization": SECRET})
    try:
        return (await api.send("GET", "/")).status
    finally:
        await api.aclose()


@pytest.mark.parametrize(
    ("signed", "fault"),
    [({"alone": True}, "self-signed certificate"), ({}, "unable to get local issuer certificate")],
    ids=["by itself", "by an unknown authority"],
)
async def test_a_server_that_nobody_vouches_for_hears_nothing(
    authority: Authority, signed: dict[str, Any], fault: str
) -> None:
    async with serving(Server(), authority.server(**signed)) as server:
        with pytest.raises(Retry) as refused:
            await ask(f"https://127.0.0.1:{server.port}")
    assert (refused.value.reason, refused.value.effect_unknown, bytes(server.ours)) == ("certificate", False, b"")
    assert str(refused.value) == f"127.0.0.1: its TLS certificate is not trusted: {fault}; nothing was sent"


@pytest.fixture
def trusted(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """Make the clients trust the authority, as they trust the public ones."""
    context = http._verified.__wrapped__()
    context.load_verify_locations(cadata=authority.text)
    monkeypatch.setattr(http, "_verified", lambda: context)
    return authority


async def test_a_certificate_of_somebody_known_for_the_right_host_will_do(trusted: Authority) -> None:
    async with serving(Server(), trusted.server()) as server:
        assert await ask(f"https://127.0.0.1:{server.port}") == 200
    assert SECRET.encode() in server.ours


@pytest.mark.parametrize(
    ("host", "signed", "words"),
    [
        ("127.0.0.2", {}, "IP address mismatch"),
        ("app.sparklayer.io", {}, "mismatch"),
        ("127.0.0.1", {"ended": True}, "expired"),
    ],
)
async def test_a_certificate_for_another_host_or_another_time_will_not(
    trusted: Authority, host: str, signed: dict[str, Any], words: str
) -> None:
    async with serving(Server(), trusted.server(host, **signed)) as server:
        with pytest.raises(Retry, match=words) as refused:
            await ask(f"https://127.0.0.1:{server.port}")
    assert (refused.value.reason, bytes(server.ours)) == ("certificate", b"")


async def test_https_to_a_server_without_tls_is_a_failure_to_connect() -> None:
    async with serving(Server(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
        with pytest.raises(Retry) as refused:
            await ask(f"https://127.0.0.1:{server.port}")
    assert refused.value.reason == "connect"
    assert SECRET.encode() not in server.ours


async def test_check_says_what_is_wrong_with_a_certificate(authority: Authority, tmp_path: Path) -> None:
    async with serving(Server(), authority.server()) as server:
        url = f"https://127.0.0.1:{server.port}"
        link = ConnectionSettings(
            site_env="test",
            site_id="jones",
            client_id=KEY.client_id,
            client_secret=KEY.client_secret,
            platform="bigcommerce",
            store=evolve(STORE, api_url=url),
        )
        settings = Settings(
            database=DatabaseSettings(url=f"sqlite:///{tmp_path}/a.db"),
            sparklayer=SparkLayerSettings(test_url=url),
            security=SecuritySettings(secret_keys=(Secret("a key of the tests"),)),
            connections=(link,),
        )
        results = await check_all(Survey(settings=settings, faulty=frozenset(), errors=()))
    sides = [one for one in results if one.subject in {f"{link.site} BigCommerce", f"{link.site} SparkLayer"}]
    assert server.ours == b""
    assert [side.ok for side in sides] == [False, False]
    for side in sides:
        assert "its TLS certificate is not trusted" in side.detail
        assert side.detail.endswith("check the address; if it is right, the connection may be intercepted")


STATUSES = [301, 302, 303, 307, 308]


def redirect(status: int, to: Server) -> bytes:
    where = f"http://127.0.0.1:{to.port}/elsewhere"
    return f"HTTP/1.1 {status} Moved\r\nlocation: {where}\r\ncontent-length: 0\r\n\r\n".encode()


@each("status", [*STATUSES])
async def test_no_answer_sends_bigcommerces_token_elsewhere(status: int) -> None:
    async with serving(Server()) as elsewhere, serving(Server()) as server:
        server.answer = redirect(status, elsewhere)
        client = Client(evolve(STORE, api_url=f"http://127.0.0.1:{server.port}"), None, ignore)
        with pytest.raises(Retry, match=f"BigCommerce answered {status}"):
            await client.get("/v3/x", msgspec.json.Decoder(dict[str, Any]), lane=Lane.LIVE)
        await client.aclose()
    assert SECRET.encode() in server.ours
    assert elsewhere.ours == b""


@each("status", [*STATUSES])
@each("sent", ["key", "token"])
async def test_no_answer_sends_sparklayers_key_or_token_elsewhere(status: int, sent: str) -> None:
    async with serving(Server()) as elsewhere, serving(Server()) as server:
        server.answer = redirect(status, elsewhere)
        site = connect(
            base_url=f"http://127.0.0.1:{server.port}", site=Site("test", "jones"), api_key=KEY, integration="x"
        )
        if sent == "token":
            granted = b'{"access_token": "hunter2"}'
            moved, server.answer = server.answer, b"HTTP/1.1 200 OK\r\ncontent-length: 27\r\n\r\n" + granted
            await site._client._tokens.current(Lane.LIVE)
            server.answer = moved
        with pytest.raises(Retry) as failure:
            await site.probe()
        await site.aclose()
    assert failure.value.reason == "foreign_answer"
    assert SECRET.encode() in server.ours
    assert elsewhere.ours == b""


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
async def test_nothing_in_the_environment_leads_credentials_elsewhere(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    async with serving(Server()) as elsewhere, serving(Server()) as server:
        monkeypatch.setenv(variable, f"http://127.0.0.1:{elsewhere.port}")
        assert await ask(f"http://127.0.0.1:{server.port}") == 200
    assert (bool(server.ours), bool(elsewhere.ours)) == (True, False)


async def test_errors_that_come_from_each_other_in_a_circle_end_as_a_retry() -> None:
    first, second = httpx.ConnectError("refused"), OSError("refused")
    first.__context__, second.__context__ = second, first

    def refuse(_request: httpx.Request) -> httpx.Response:
        raise first

    api = Api("https://shop.test", headers={}, connections=1, transport=httpx.MockTransport(refuse))
    with pytest.raises(Retry) as failure:
        await api.send("GET", "/")
    assert failure.value.reason == "connect"
    await api.aclose()
