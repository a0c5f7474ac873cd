"""Promises of silence: no text shows a secret, and no personal data outlives a call."""

import json
from collections.abc import Iterable
from functools import partial

import attrs
import httpx
import pytest
from structlog.testing import capture_logs

from daemon.errors import Failure
from daemon.model import Kind, Lane, Secret
from tests.conformance.harness import ReaderHarness, patiently, soon
from tests.conformance.promise import LISTED, promise
from tests.conformance.transport import always

SAYING = ("secret", "token", "password", "key")
"""Words in the names of secret settings."""


def none_of(secrets: Iterable[str], text: str) -> None:
    assert [line for line in text.splitlines() if any(secret in line for secret in secrets)][:3] == []


@promise
async def settings_hide_their_secrets(harness: ReaderHarness) -> None:
    """By their type, so that no text shows one; and which store is meant is no secret."""
    settings = harness.stand.settings
    for one in attrs.fields(type(settings)):
        value = getattr(settings, one.name)
        assert not isinstance(value, str) or not any(word in one.name for word in SAYING), one.name
    hidden = [value for value in attrs.astuple(settings, recurse=False) if isinstance(value, Secret)]
    assert {secret.reveal() for secret in hidden} == set(harness.stand.secrets)
    none_of(harness.stand.secrets, f"{settings!r} {settings} {harness.kit.platform.identity(settings)}")
    assert harness.kit.platform.identity(harness.stand.other_settings) == harness.kit.platform.identity(settings)


@promise
async def nothing_shows_a_secret(harness: ReaderHarness) -> None:
    """Neither an adapter's repr, nor a URL, a log line, a failure's words, though the answer quotes it."""
    shown = [f"{harness.shop!r} {harness.reader()!r}"]
    everything = " ".join(harness.stand.secrets)
    body = {"status": 400, "title": everything, "message": everything, "code": everything, "errors": {"x": everything}}
    with capture_logs() as lines:
        for status in (400, 401, 403, 404, 409, 422, 429, 500, 503):
            for content in (body, [body], everything):
                harness.wire.meet(always(httpx.Response(status, json=content)))
                shop = harness.connect()
                for call in (shop.facts, shop.probe, partial(shop.ensure_webhooks, harness.stand.destinations[0])):
                    try:
                        shown.append(repr(await soon(call())))
                    except Failure as failure:
                        shown.append(f"{failure} {failure!r} {failure.reason}")
        harness.wire.meet(None)
        for kind in LISTED & harness.kit.platform.kinds:
            harness.stand.add(kind, 2)
            shown += [repr(entity) for entity in await harness.walk(kind)]
        await harness.shop.ensure_webhooks(harness.stand.destinations[0])
    shown += [f"{request.url} {request.url.raw_path!r}" for request in harness.wire.requests]
    shown += [json.dumps(line, default=str) for line in lines] + [repr(call) for call in harness.calls]
    none_of(harness.stand.secrets, "\n".join(shown))


@promise
async def nothing_personal_is_kept_or_logged(harness: ReaderHarness) -> None:
    """Not in the adapter's state, nor in a log line, nor where an entity is printed."""
    shown: list[str] = []
    with capture_logs() as lines:
        for kind in (LISTED - {Kind.PRODUCTS}) & harness.kit.platform.kinds:
            there = harness.stand.add(kind, 3)
            harness.stand.spoil(kind, there[0])
            for shop in (harness.shop, harness.connect()):
                shown += [repr(entity) for entity in await harness.walk(kind, shop=shop)]
                await harness.walk(kind, shop=shop, since=0.0)
                await shop.read(kind, there, Lane.LIVE)
                for external_id in there:
                    await patiently(partial(shop.read_one, kind, external_id, Lane.LIVE))
    shown += [f"{entry.owner} {entry.name} {entry.text}" for entry in harness.state.seen]
    shown += [json.dumps(line, default=str) for line in lines] + [repr(call) for call in harness.calls]
    none_of(harness.stand.personal, "\n".join(shown))


@promise
async def the_platform_is_named(harness: ReaderHarness) -> None:
    """As a path, a settings section, and to people; its kinds are some of ours."""
    platform = harness.kit.platform
    assert platform.name.isidentifier()
    assert platform.name == platform.name.lower()
    assert platform.label
    assert all(platform.price_list)
    assert {Kind.PRODUCTS, Kind.STORE} <= platform.kinds <= set(Kind)
    assert platform.census_kinds <= platform.kinds - {Kind.STORE}
    assert isinstance(harness.stand.settings, platform.settings)


@promise
async def a_store_has_one_spelling(harness: ReaderHarness) -> None:
    """However it is named it is the store of the settings; another platform's ids are refused in one line."""
    platform = harness.kit.platform
    identity = platform.identity(harness.stand.settings)
    spellings = (*harness.stand.spellings, identity)
    assert {platform.store_id(text) for text in spellings} == {identity}
    for text in harness.stand.strange_ids:
        with pytest.raises(ValueError, match=r"^[^\n]+$"):
            platform.store_id(text)
