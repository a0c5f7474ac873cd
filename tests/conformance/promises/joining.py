"""Promises of connecting: keys that a merchant types, and the consent of a merchant at the platform's own page.

Either way credentials count only if they work on the store of the pending connection, and trouble proves nothing.
"""

import random
from collections.abc import Sequence

import httpx
import pytest

from daemon.errors import Failure, Rejected
from daemon.platforms.apps import AppRefused, Authorized, Installed
from tests.conformance.harness import ReaderHarness, soon
from tests.conformance.kit import Kit, Visited
from tests.conformance.promise import where
from tests.conformance.transport import always

STATE = "the-one-time-state-of-the-wish"
FUZZ = 200
TROUBLE: Sequence[httpx.Response | Exception] = (
    httpx.ConnectError("refused"),
    httpx.ReadTimeout("late"),
    httpx.Response(503, html="<h1>Maintenance</h1>"),
    httpx.Response(200, html="<h1>Welcome</h1>"),
    httpx.Response(200, content=b'{"cut'),
)


def typed(kit: Kit) -> bool:
    return kit.platform.typed_keys is not None


def has_app(kit: Kit) -> bool:
    return kit.platform.app is not None


def in_one_line(harness: ReaderHarness, words: str, *more: str) -> None:
    """Assert that a text is for people, and shows none of the secrets."""
    assert words.strip()
    assert "\n" not in words
    assert len(words) < 500
    assert [secret for secret in (*harness.stand.secrets, *more) if secret in words] == []


@where(typed)
async def typed_keys_are_of_the_store_they_are_typed_for(harness: ReaderHarness) -> None:
    """They connect to that store; without any, or with fields of others alone, there are none."""
    keys, platform = harness.typed_keys(), harness.kit.platform
    store_id, given = platform.identity(harness.stand.settings), harness.stand.typed()
    for more in ({}, {"another_field": "x"}, {"another_field": None}):
        settings = keys.read(store_id, {**given, **more})
        assert platform.identity(settings) == store_id
        shop = platform.connect(settings, harness.wire, harness.calls.append, harness.state)
        await soon(shop.probe())
        await shop.aclose()
        assert keys.read(store_id, {**dict.fromkeys(given, ""), **more}) is None
        assert keys.read(store_id, more) is None


@where(typed)
async def an_unusable_typed_key_is_refused_by_its_field(harness: ReaderHarness) -> None:
    """The text names the field, and repeats nothing of what was typed into it."""
    keys, given = harness.typed_keys(), harness.stand.typed()
    store_id = harness.kit.platform.identity(harness.stand.settings)
    for name in given:
        values: list[object] = ["", "typed-words\nmore", "typed-wörds", "typed-words " * 1000, None]
        for value in (*values, 17, 0, True, False, ["typed-words"], [], {}):
            with pytest.raises(ValueError, match=name) as refused:
                keys.read(store_id, {**given, name: value})
            in_one_line(harness, str(refused.value), "typed-w")


@where(typed)
async def typed_keys_are_tried_and_change_nothing(harness: ReaderHarness) -> None:
    """Keys that work pass, others are rejected in words; neither leaves anything in the store."""
    keys, before = harness.typed_keys(), list(harness.stand.hooks())
    await soon(keys.attempt(harness.stand.settings, harness.wire, harness.calls.append))
    harness.stand.revoke()
    with pytest.raises(Rejected) as refused:
        await soon(keys.attempt(harness.stand.settings, harness.wire, harness.calls.append))
    in_one_line(harness, str(refused.value))
    assert list(harness.stand.hooks()) == before


@where(typed)
async def trouble_says_nothing_about_typed_keys(harness: ReaderHarness) -> None:
    """A store that cannot be asked rejects nothing, and lets nothing pass."""
    keys = harness.typed_keys()
    for answer in TROUBLE:
        harness.wire.meet(always(answer))
        with pytest.raises(Failure) as failed:
            await soon(keys.attempt(harness.stand.settings, harness.wire, harness.calls.append))
        assert not isinstance(failed.value, Rejected)
        in_one_line(harness, str(failed.value))


async def consented(harness: ReaderHarness, state: str = STATE) -> Visited:
    """Have the merchant agree at the page to which the app leads."""
    store_id = harness.kit.platform.identity(harness.stand.settings)
    return await harness.stand.consent(harness.app().install_url(store_id, state))


async def let_in(harness: ReaderHarness, visited: Visited) -> Installed | None:
    """Return the access that a call grants to the store; None if it grants none."""
    visit = await soon(harness.app().visit(visited.page, visited.query, visited.body))
    if isinstance(visit, Authorized):
        visit = await soon(visit.install(harness.kit.platform.identity(harness.stand.settings)))
    return visit if isinstance(visit, Installed) else None


@where(has_app)
async def a_consent_opens_the_store(harness: ReaderHarness) -> None:
    """It leads to credentials that work on the store, and to the wish by its state if it does not name the store."""
    platform, visited = harness.kit.platform, await consented(harness)
    assert platform.app is not None
    assert visited.page in {page.name for page in platform.app.pages}
    visit = await soon(harness.app().visit(visited.page, visited.query, visited.body))
    if isinstance(visit, Authorized):
        assert visit.state == STATE
        visit = await soon(visit.install(platform.identity(harness.stand.settings)))
    assert isinstance(visit, Installed)
    assert visit.store_id == platform.identity(harness.stand.settings) == platform.identity(visit.store)
    shop = platform.connect(visit.store, harness.wire, harness.calls.append, harness.state)
    await soon(shop.probe())
    await shop.aclose()


@where(has_app)
async def what_is_no_consent_is_refused_in_words(harness: ReaderHarness) -> None:
    """Forged, spent, for another store, for less than we need: a merchant can read what is wrong."""
    visited = await consented(harness)
    for stranger in harness.stand.strangers(visited):
        with pytest.raises(AppRefused) as refused:
            await let_in(harness, stranger)
        in_one_line(harness, str(refused.value))
        assert 400 <= refused.value.status < 500


@where(has_app)
async def trouble_lets_nobody_in(harness: ReaderHarness) -> None:
    """A platform that cannot be asked for the credentials, or about them, refuses the call as our own trouble."""
    for answer in TROUBLE:
        harness.wire.meet(None)
        visited = await consented(harness)
        harness.wire.meet(always(answer))
        with pytest.raises(AppRefused) as refused:
            await let_in(harness, visited)
        in_one_line(harness, str(refused.value))
        assert refused.value.status >= 500


@where(has_app)
async def any_visit_is_read_or_refused(harness: ReaderHarness) -> None:
    """AppRefused for what was not agreed, and nothing else: the pages are open to everyone."""
    chance, visited, app = random.Random(7), await consented(harness), harness.app()
    assert harness.kit.platform.app is not None
    for page in harness.kit.platform.app.pages:
        for _ in range(FUZZ):
            query = {name: "".join(chance.choices(f"{value}\0é/.", k=9)) for name, value in visited.query.items()}
            body = bytearray(visited.body or b"{}")
            body[chance.randrange(len(body))] = chance.randrange(256)
            if chance.random() < 0.2:
                query, body = (
                    {},
                    bytearray(chance.choice([b"", b"null", b"[]", b'{"user_id": 1}', b"\xff", b"[" * 9999])),
                )
            try:
                await soon(app.visit(page.name, query, bytes(body)))
            except AppRefused as refused:
                in_one_line(harness, str(refused))
