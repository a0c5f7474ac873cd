"""Typed keys of a store that gave no answer about them: they wait beside those in use."""

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from daemon.connections.offered_keys import OfferedKeys
from daemon.connections.registry import KnownStore
from daemon.errors import Failure, Invalid, Rejected, Retry
from daemon.model import ApiKey, Site
from tests.connections.harness import LifecycleHarness, api_key, link, open_harness, site
from tests.connections.test_lifecycle import Words, key_of, token_of

pytestmark = pytest.mark.usefixtures("both_engines")

NO_ANSWER, REFUSED = Retry("no answer", reason="timeout"), Rejected("no such token", reason="credentials")


@define
class Door:
    """The store's answer about each token; without one it gives none."""

    of: dict[str, Failure | None] = field(factory=dict)

    async def attempt(self, _site: Site, known: KnownStore) -> Failure | None:
        return self.of.get(known.store.token.reveal(), NO_ANSWER)


async def _token(harness: LifecycleHarness) -> str:
    """Return the token in use after some minutes."""
    with trio.move_on_after(130):
        await OfferedKeys(harness.lifecycle).run()
    return token_of(await harness.present("a"))


async def test_typed_keys_are_used_when_they_first_work(autojump_clock: MockClock) -> None:
    door = Door()
    async with open_harness(attempt=door.attempt, app=False) as harness:
        assert await harness.connect("a", "s1", token="token-1") is None, "there are no others"
        first = await harness.present("a")
        for token in ("token-2", "token-3"):  # The newest count.
            assert await harness.connect("a", "s1", token=token) is None
        assert await _token(harness) == "token-1"
        harness = await harness.restarted(app=False)  # noqa: PLW2901  the same daemon
        door.of |= {"token-2": None, "token-3": None}
        assert await _token(harness) == "token-3"
        present = await harness.present("a")
        assert (present.id, present.store.webhook_secret) == (first.id, first.store.webhook_secret)
        door.of.clear()
        assert await _token(await harness.restarted(app=False)) == "token-3", "they are the connection's by now"


async def test_each_side_waits_for_its_own_answer(autojump_clock: MockClock) -> None:
    door, words = Door(), Words()
    async with open_harness(attempt=door.attempt, knows=words.knows, app=False) as harness:
        await harness.connect("a", "s1", "key-1", token="token-1")
        await harness.connect("a", "s1", "key-2", token="token-2")
        words.of["key-2"] = True
        assert await _token(harness) == "token-1"
        assert key_of(await harness.present("a")) == "key-2"
        door.of["token-2"] = None
        assert await _token(harness) == "token-2"
        assert key_of(await harness.present("a")) == "key-2"


@pytest.mark.parametrize("ending", ["refused", "the present ones come again", "others work", "connect without keys"])
async def test_typed_keys_that_waited(autojump_clock: MockClock, ending: str) -> None:
    door = Door({"token-1": None})
    async with open_harness(attempt=door.attempt) as harness:
        await harness.connect("a", "s1", token="token-1")
        await harness.connect("a", "s1", token="token-2")
        if ending == "refused":
            door.of["token-2"] = REFUSED
            assert await _token(harness) == "token-1"
        elif ending == "the present ones come again":
            await harness.connect("a", "s1", token="token-1")
        elif ending == "others work":
            door.of["token-3"] = None
            await harness.connect("a", "s1", token="token-3")
        else:
            assert await harness.connect("a", "s1") is None
        door.of["token-2"] = None
        now = {"others work": "token-3", "connect without keys": "token-2"}.get(ending, "token-1")
        assert await _token(harness) == now


async def test_keys_that_an_install_brought_while_sparklayer_was_asked_are_tried(autojump_clock: MockClock) -> None:
    door = Door({"token-1": REFUSED, "token-2": None})

    async def knows(_site: Site, key: ApiKey) -> bool:
        if key == api_key("key-2"):
            await harness.install("s1", "token-2")
        return True

    async with open_harness(attempt=door.attempt, knows=knows) as harness:
        await harness.connect("a", "s1")
        await harness.install("s1", "token-1")
        assert await harness.connect("a", "s1", "key-2") is None, "no other install is asked for"
        present = await harness.present("a")
        assert (token_of(present), key_of(present)) == ("token-2", "key-2")


async def test_typed_keys_keep_the_settings_of_a_configured_store(autojump_clock: MockClock) -> None:
    """And they stay until the configuration changes its own."""
    door = Door({"typed": None})
    linked = link("a", "s1", token="own", groups=(3,))
    async with open_harness(linked, attempt=door.attempt) as harness:
        await harness.connect("a", "s1", token="typed")
        for again in (harness, await harness.restarted(linked)):
            present = await again.present("a")
            assert (token_of(present), present.store.groups) == ("typed", (3,))
        again = await harness.restarted(link("a", "s1", token="new own"))
        assert token_of(await again.present("a")) == "new own"


async def test_refused_keys_change_nothing(autojump_clock: MockClock) -> None:
    door = Door({"token-1": None, "bad": REFUSED})
    async with open_harness(attempt=door.attempt) as harness:
        with pytest.raises(Invalid, match="extra_config: these keys do not work: no such token"):
            await harness.connect("a", "s1", token="bad")
        assert await harness.states("a") == []
        await harness.connect("a", "s1", token="token-1")
        with pytest.raises(Invalid):
            await harness.connect("a", "s2", "key-2", token="bad")
        present = await harness.present("a")
        assert (token_of(present), key_of(present), present.store.name) == ("token-1", "key-1", "s1")


async def test_keys_of_another_store_move_the_site(autojump_clock: MockClock) -> None:
    async with open_harness() as harness:
        await harness.connect("a", "s1", token="token-1")
        first = await harness.present("a")
        assert await harness.connect("a", "s2", token="token-2") is None
        present = await harness.present("a")
        assert (present.id > first.id, present.store.name, token_of(present)) == (True, "s2", "token-2")
        assert await harness.states("a") == ["active", "leaving"]


async def test_keys_end_the_wait_for_an_install(autojump_clock: MockClock) -> None:
    async with open_harness() as harness:
        assert await harness.connect("a", "s1") == "https://login.test/s1"
        assert await harness.connect("a", "s1", token="token-1") is None
        await harness.install("s1", "token-2")
        await harness.lifecycle.disconnect(site("a"))
        assert await harness.states("a") == ["leaving"], "no pending connection is left to complete"
