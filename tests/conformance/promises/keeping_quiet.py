"""What must be seen nowhere: secrets in no text of ours, what is personal in no note that outlives a call."""

import json
from collections.abc import Iterable
from functools import partial

import attrs
import httpx
from structlog.testing import capture_logs

from daemon.errors import Failure
from daemon.model import Kind, Lane, Secret
from tests.conformance.house import House, patiently, soon
from tests.conformance.promise import LISTED, promise
from tests.conformance.wire import always

SAYING = ("secret", "token", "password", "key")
"""What the names of settings that are secrets have in them."""


def none_of(secrets: Iterable[str], text: str) -> None:
    assert [line for line in text.splitlines() if any(secret in line for secret in secrets)][:3] == []


@promise
async def settings_hide_their_secrets(house: House) -> None:
    """By their type, so that no text shows one; and which store is meant is no secret."""
    settings = house.stand.settings
    for one in attrs.fields(type(settings)):
        value = getattr(settings, one.name)
        assert not isinstance(value, str) or not any(word in one.name for word in SAYING), one.name
    hidden = [value for value in attrs.astuple(settings, recurse=False) if isinstance(value, Secret)]
    assert {secret.reveal() for secret in hidden} == set(house.stand.secrets)
    none_of(house.stand.secrets, f"{settings!r} {settings} {house.kit.platform.identity(settings)}")
    assert house.kit.platform.identity(house.stand.other_settings) == house.kit.platform.identity(settings)


@promise
async def nothing_shows_a_secret(house: House) -> None:
    """Neither an adapter's repr, nor a URL, a log line, a failure's words, though the answer quotes it."""
    shown = [f"{house.shop!r} {house.reader()!r}"]
    everything = " ".join(house.stand.secrets)
    body = {"status": 400, "title": everything, "message": everything, "code": everything, "errors": {"x": everything}}
    with capture_logs() as lines:
        for status in (400, 401, 403, 404, 409, 422, 429, 500, 503):
            for content in (body, [body], everything):
                house.wire.meet(always(httpx.Response(status, json=content)))
                shop = house.connect()
                for call in (shop.facts, shop.probe, partial(shop.ensure_webhooks, house.stand.destinations[0])):
                    try:
                        shown.append(repr(await soon(call())))
                    except Failure as failure:
                        shown.append(f"{failure} {failure!r} {failure.reason}")
        house.wire.meet(None)
        for kind in LISTED & house.kit.platform.kinds:
            house.stand.add(kind, 2)
            shown += [repr(entity) for entity in await house.walk(kind)]
        await house.shop.ensure_webhooks(house.stand.destinations[0])
    shown += [f"{request.url} {request.url.raw_path!r}" for request in house.wire.requests]
    shown += [json.dumps(line, default=str) for line in lines] + [repr(call) for call in house.calls]
    none_of(house.stand.secrets, "\n".join(shown))


@promise
async def nothing_personal_is_kept_or_logged(house: House) -> None:
    """Not on the shelf, nor in a log line, nor where an entity is printed."""
    shown: list[str] = []
    with capture_logs() as lines:
        for kind in (LISTED - {Kind.PRODUCTS}) & house.kit.platform.kinds:
            there = house.stand.add(kind, 3)
            house.stand.spoil(kind, there[0])
            for shop in (house.shop, house.connect()):
                shown += [repr(entity) for entity in await house.walk(kind, shop=shop)]
                await house.walk(kind, shop=shop, since=0.0)
                await shop.read(kind, there, Lane.LIVE)
                for external_id in there:
                    await patiently(partial(shop.read_one, kind, external_id, Lane.LIVE))
    shown += [f"{entry.owner} {entry.name} {entry.text}" for entry in house.state.seen]
    shown += [json.dumps(line, default=str) for line in lines] + [repr(call) for call in house.calls]
    none_of(house.stand.personal, "\n".join(shown))


@promise
async def the_platform_is_named(house: House) -> None:
    """As a path, a settings section, and to people; its kinds are some of ours."""
    platform = house.kit.platform
    assert platform.name.isidentifier()
    assert platform.name == platform.name.lower()
    assert platform.label
    assert all(platform.price_list)
    assert {Kind.PRODUCTS, Kind.STORE} <= platform.kinds <= set(Kind)
    assert isinstance(house.stand.settings, platform.settings)
