"""`check` tells whether receivers of notifications can be reached, and sends them nothing."""

import ssl
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing

from daemon.cli.check import CheckResult, check_all
from daemon.config import look_over
from daemon.platforms import load_platforms
from tests.config.files import SECURITY
from tests.e2e.process import free_port

PLATFORMS = load_platforms()
SIGNING = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"


async def results(folder: Path, settings: str) -> list[CheckResult]:
    path = folder / "s.toml"
    text = f'[database]\nurl = "sqlite:///{folder}/a.db"\n[listener]\nport = 0\n'
    path.write_text(f"{text}[notifications]\n{settings}\n{SECURITY}", "utf-8")
    every = await check_all(look_over(path, {}, PLATFORMS))
    return [result for result in every if "notifications" in f"{result.subject}: {result.detail}"]


async def test_a_receiver_that_listens_is_reached_and_gets_nothing(tmp_path: Path) -> None:
    received: list[bytes] = []

    async def serve(stream: trio.SocketStream) -> None:
        received.extend([bytes(part) async for part in stream])

    async with trio.open_nursery() as nursery:
        listener, *_ = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        port = listener.socket.getsockname()[1]
        url = f"http://127.0.0.1:{port}/hidden?key=hidden"
        found = await results(tmp_path, f'webhook_url = "{url}"\nwebhook_secret = "{SIGNING}"\nslack_url = "{url}"')
        nursery.cancel_scope.cancel()
    assert [(result.subject, result.ok, result.detail) for result in found] == [
        (f"notifications.{name}_url", True, "127.0.0.1 can be reached; nothing was sent")
        for name in ("webhook", "slack")
    ]
    assert received == []


async def test_a_receiver_that_nobody_answers_for_is_named_without_its_path(tmp_path: Path) -> None:
    [found] = await results(tmp_path, f'slack_url = "http://127.0.0.1:{free_port()}/hidden"')
    assert not found.ok
    assert not found.configured
    assert found.detail.startswith("127.0.0.1: ")
    assert found.detail.endswith("; check the address and the network")
    assert "hidden" not in found.detail


async def test_what_answers_something_else_than_tls_is_found(tmp_path: Path) -> None:
    async def serve(stream: trio.SocketStream) -> None:
        await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with trio.open_nursery() as nursery:
        listener, *_ = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        [found] = await results(tmp_path, f'slack_url = "https://127.0.0.1:{listener.socket.getsockname()[1]}/hidden"')
        nursery.cancel_scope.cancel()
    assert (found.ok, found.configured) == (False, False)
    assert "hidden" not in found.detail


async def test_a_certificate_that_is_not_trusted_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(_stream: object) -> None:
        distrusted = ssl.SSLCertVerificationError(1, "no")
        distrusted.verify_message = "self-signed certificate"
        raise trio.BrokenResourceError from distrusted

    monkeypatch.setattr(trio.SSLStream, "do_handshake", refuse)
    async with trio.open_nursery() as nursery:
        serve = partial(trio.serve_tcp, lambda stream: stream.receive_some(), 0, host="127.0.0.1")
        listener, *_ = await nursery.start(serve)
        [found] = await results(tmp_path, f'slack_url = "https://127.0.0.1:{listener.socket.getsockname()[1]}/"')
        nursery.cancel_scope.cancel()
    assert "its TLS certificate is not trusted: self-signed certificate; check the address" in found.detail


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ('webhook_url = "https://a.test/hook"', "webhook_secret: is missing; it signs what goes to webhook_url"),
        (f'webhook_url = "http://a.test/"\nwebhook_secret = "{SIGNING}"', "webhook_url: must be https"),
        ('slack_url = "https://a.test/#hidden"', "slack_url: must be a URL: scheme, host and path, without fragment"),
        ('webhook_secret = "hidden"', "webhook_secret: must be whsec_ and 24 to 64 bytes in base64"),
        ('webhook_secret = "whsec_aGlkZGVu"', "webhook_secret: must be whsec_ and 24 to 64 bytes in base64"),
        (f'webhook_secret = "{SIGNING}!"', "webhook_secret: must be whsec_ and 24 to 64 bytes in base64"),
        ("after_seconds = -1", "after_seconds: must be 0 or more, not -1"),
    ],
)
async def test_wrong_settings_are_named_and_not_repeated(tmp_path: Path, settings: str, line: str) -> None:
    [found] = await results(tmp_path, settings)
    assert found.configured
    assert line in f"{found.subject}: {found.detail}"
    assert "hidden" not in found.detail
