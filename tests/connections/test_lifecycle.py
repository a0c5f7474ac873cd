"""Connections after Ignite's calls, merchants' visits, and changes of the settings."""

from collections.abc import Sequence
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from daemon.connections.offered_keys import OfferedKeys
from daemon.errors import ConfigError, Invalid, StorageTrouble
from daemon.model import ApiKey, Site
from daemon.platforms.apps import AppRefused, Loaded
from daemon.storage import connections, installs
from tests.connections.harness import LifecycleHarness, api_key, link, open_harness, site, store

pytestmark = pytest.mark.usefixtures("both_engines")


def key_of(connection: Any) -> str:
    return str(connection.api_key.client_secret.reveal())


def token_of(connection: Any) -> str:
    return str(connection.store.token.reveal())


async def test_an_unknown_store_is_refused_or_leads_to_the_app() -> None:
    async with open_harness(app=False) as harness:
        with pytest.raises(Invalid, match="store_id: this store is not known here"):
            await harness.connect("a", "unknown")
    async with open_harness() as harness:
        assert await harness.connect("a", "s1") == "https://login.test/s1"
        assert await harness.states("a") == []


async def test_an_install_completes_pending_connections_with_the_newest_key() -> None:
    async with open_harness() as harness:
        await harness.connect("a", "s1", "old key")
        await harness.connect("a", "s1", "new key")
        await harness.connect("b", "s2")
        await harness.install("s1", "token-1")
        present = await harness.present("a")
        assert (key_of(present), token_of(present), present.store.name) == ("new key", "token-1", "s1")
        assert present.store.webhook_secret is not None
        assert await harness.states("b") == []


@pytest.mark.parametrize("forgets", ["disconnect", "another store"])
async def test_a_pending_connection_is_forgotten_when_the_site_asks_for_another(forgets: str) -> None:
    async with open_harness() as harness:
        await harness.install("s2", "token-2")
        await harness.connect("a", "s1")
        if forgets == "disconnect":
            await harness.lifecycle.disconnect(site("a"))
        else:
            await harness.connect("a", "s2")
        await harness.install("s1", "token-1")
        names = [(await harness.present("a")).store.name] if await harness.states("a") else []
        assert names == ([] if forgets == "disconnect" else ["s2"])


@pytest.mark.parametrize("late", [False, True])
async def test_a_pending_connection_expires(monkeypatch: pytest.MonkeyPatch, *, late: bool) -> None:
    async with open_harness() as harness:
        await harness.connect("a", "s1")
        monkeypatch.setattr(installs, "PENDING_KEPT", -1.0 if late else installs.PENDING_KEPT)
        await harness.install("s1", "token-1")
        assert await harness.states("a") == ([] if late else ["active"])


async def test_a_pending_connection_is_completed_after_a_crash() -> None:
    async with open_harness() as harness:
        await harness.connect("a", "s1")
        await harness.lifecycle.storage.write(_install, harness)
        assert (await (await harness.restarted()).present("a")).store.name == "s1"


def _install(conn: Any, calls: Sequence[LifecycleHarness]) -> list[None]:
    for harness in calls:
        encrypted = harness.lifecycle.registry.encrypted_alone(store("s1"))
        installs.install(conn, [installs.Install(platform="fake", store_id="s1", encrypted=encrypted, now=1.0)])
    return [None] * len(calls)


async def test_connecting_again_changes_only_a_changed_key() -> None:
    async with open_harness() as harness:
        await harness.install("s1", "token-1")
        assert await harness.connect("a", "s1") is None
        first = await harness.present("a")
        runner = harness.supervisor.find(first.id)
        assert await harness.connect("a", "s1") is None
        assert harness.supervisor.find(first.id) is runner
        await harness.connect("a", "s1", "key-2")
        second = await harness.present("a")
        assert (second.id, key_of(second), second.store) == (first.id, "key-2", first.store)
        assert harness.supervisor.find(first.id) is not runner


async def test_another_store_starts_a_new_generation_and_the_old_one_leaves() -> None:
    async with open_harness() as harness:
        for name in ("s1", "s2"):
            await harness.install(name, f"token of {name}")
        await harness.connect("a", "s1")
        first = await harness.present("a")
        await harness.connect("a", "s2")
        second = await harness.present("a")
        assert (second.id > first.id, second.store.name) == (True, "s2")
        assert await harness.states("a") == ["active", "leaving"]
        assert harness.supervisor.find(first.id) is None


async def test_the_same_store_again_ends_the_clean_up_and_keeps_the_webhook_secret() -> None:
    async with open_harness() as harness:
        await harness.install("s1", "token-1")
        await harness.connect("a", "s1")
        first = await harness.present("a")
        await harness.lifecycle.disconnect(site("a"))
        assert await harness.states("a") == ["leaving"]
        assert site("a") not in harness.lifecycle.endpoints
        await harness.connect("a", "s1")
        second = await harness.present("a")
        assert await harness.states("a") == ["active"]
        assert (second.id > first.id, second.store) == (True, first.store)


async def test_a_clean_up_goes_on_when_the_database_is_in_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_harness() as harness:
        for name in ("s1", "s2"):
            await harness.install(name, "token")
        await harness.connect("a", "s1")
        await harness.lifecycle.disconnect(site("a"))
        await harness.connect("a", "s2")
        present = await harness.present("a")
        await _with_trouble(harness, monkeypatch)
        assert (await harness.present("a")).id == present.id
        [leaving] = [one for one in await harness.rows("a") if one.state == "leaving"]
        await harness.teardown.interrupt(leaving.id)
        await harness.connect("a", "s1")
        assert (await harness.present("a")).store.name == "s1"


async def _with_trouble(harness: LifecycleHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> Any:
        raise StorageTrouble("full", reason="storage")

    with monkeypatch.context() as patch:
        patch.setattr(connections, "begin", full)
        with pytest.raises(StorageTrouble):
            await harness.connect("a", "s1")


async def test_a_connection_made_by_ignite_needs_no_settings_after_a_restart() -> None:
    async with open_harness() as harness:
        await harness.install("s1", "token-1")
        await harness.connect("a", "s1")
        present = await harness.present("a")
        assert await (await harness.restarted()).present("a") == present
        assert await (await harness.restarted(link("a", "s1"), app=False)).states("a") == ["active"]


async def test_a_configured_connection_pauses_when_the_settings_no_longer_name_it() -> None:
    async with open_harness(link("a", "s1")) as harness:
        assert (await harness.present("a")).store.name == "s1"
        again = await harness.restarted()
        assert (await again.states("a"), again.supervisor.contexts) == (["active"], [])
        assert await again.connect("a", "s1", "key-2") is None
        assert key_of(await again.present("a")) == "key-2"
        assert key_of(await (await again.restarted()).present("a")) == "key-2"


async def test_a_tombstone_keeps_the_configuration_away_until_connect() -> None:
    async with open_harness(link("a", "s1")) as harness:
        first = await harness.present("a")
        await harness.lifecycle.disconnect(site("a"))
        again = await harness.restarted(link("a", "s1"))
        assert (await again.states("a"), again.supervisor.contexts) == (["leaving"], [])
        await again.teardown.interrupt(first.id)
        await again.database.write(connections.wipe, connections.Wipe(id=first.id, blank=b""))
        again = await again.restarted(link("a", "s9"))
        assert (await again.states("a"), again.supervisor.contexts) == (["gone"], []), "with another store, too"
        await again.connect("a", "s9", "key-2")
        present = await again.present("a")
        assert (present.id > first.id, key_of(present)) == (True, "key-2")
        assert await again.states("a") == ["active"]


async def test_the_latest_change_of_a_key_wins() -> None:
    async with open_harness(link("a", "s1", "configured")) as harness:
        await harness.connect("a", "s1", "rotated")
        again = await harness.restarted(link("a", "s1", "configured"))
        assert key_of(await again.present("a")) == "rotated"
        again = await again.restarted(link("a", "s1", "configured anew"))
        assert key_of(await again.present("a")) == "configured anew"


async def test_an_installs_token_is_taken_over_and_kept_until_the_configuration_changes_its_own() -> None:
    async with open_harness(link("a", "s1", token="own", groups=(3,))) as harness:
        before = await harness.present("a")
        await harness.install("s1", "the app's")
        present = await harness.present("a")
        assert (token_of(present), present.store.groups) == ("the app's", (3,))
        assert (present.id, present.store.webhook_secret) == (before.id, before.store.webhook_secret)
        again = await harness.restarted(link("a", "s1", token="own", groups=(4,)))
        present = await again.present("a")
        assert (token_of(present), present.store.groups) == ("the app's", (4,))
        again = await again.restarted(link("a", "s1", token="new own"))
        assert token_of(await again.present("a")) == "new own"


async def test_a_configured_site_may_be_moved_by_ignite_but_not_by_the_configuration() -> None:
    async with open_harness(link("a", "s1")) as harness:
        await harness.install("s2", "token-2")
        await harness.connect("a", "s2")
        again = await harness.restarted(link("a", "s1"))
        assert (await again.present("a")).store.name == "s2"
        with pytest.raises(ConfigError, match=r"was connected to another store \(fake s2\)"):
            await again.restarted(link("a", "s3"))


async def test_an_uninstall_disconnects_the_sites_that_used_its_credentials() -> None:
    async with open_harness(link("own", "s1", token="own")) as harness:
        await harness.install("s1", "token-1")
        await harness.connect("a", "s1")
        again = await harness.restarted(link("own", "s1", token="own again"))
        await again.uninstall("s1")
        assert (await again.states("a"), await again.states("own")) == (["leaving"], ["active"])
        assert again.lifecycle.registry.decrypted((await again.rows("a"))[0]).store is None
        assert await again.connect("a", "s1") == "https://login.test/s1", "its credentials are void"
        await again.uninstall("s1")
        await again.install("s1", "token-2")
        assert token_of(await again.present("a")) == "token-2"
        assert await again.states("a") == ["active", "leaving"]


async def test_opening_the_app_of_a_store_that_is_not_known_says_so() -> None:
    async with open_harness() as harness:
        with pytest.raises(AppRefused, match="remove the app, and install it"):
            await harness.visits.visited("fake", Loaded("s1"))
        await harness.install("s1", "token-1")
        await harness.visits.visited("fake", Loaded("s1"))


async def test_the_store_of_a_site() -> None:
    async with open_harness(link("a", "s1")) as harness:
        assert await harness.lifecycle.registry.store_of(site("a")) == "s1"
        assert await harness.lifecycle.registry.store_of(site("b")) is None
        await harness.install("s2", "token-2")
        await harness.lifecycle.connect(site("b"), "s2", api_key("key"))
        assert await harness.lifecycle.registry.store_of(site("b")) == "s2"


async def test_disconnecting_an_unknown_site_does_nothing() -> None:
    async with open_harness() as harness:
        await harness.lifecycle.disconnect(site("a"))
        assert await harness.states("a") == []


async def test_credentials_that_sparklayer_refuses_leave_nothing() -> None:
    asked: list[Any] = []

    async def knows(name: Site, key: ApiKey) -> bool | None:
        asked.append((name, key))
        return key.client_secret.reveal() != "wrong"

    async with open_harness(knows=knows) as harness:
        await harness.install("s1", "token-1")
        for store_id in ("s1", "s2"):
            with pytest.raises(Invalid, match="spark_api_client_secret: SparkLayer refuses them"):
                await harness.connect("a", store_id, "wrong")
        await harness.install("s2", "token-2")
        assert await harness.states("a") == []
        assert await harness.connect("a", "s1") is None
        assert await harness.connect("a", "s1") is None
        assert asked[2:] == [(site("a"), api_key("key-1"))], "an existing connection needs no answer"


class Words:
    """SparkLayer's answer about each key: True, False, or None without an answer."""

    def __init__(self) -> None:
        self.of: dict[str, bool] = {}

    async def knows(self, _site: Site, key: ApiKey) -> bool | None:
        return self.of.get(key.client_secret.reveal())


async def _key(harness: LifecycleHarness) -> str:
    """Return the key in use after some minutes."""
    with trio.move_on_after(90):
        await OfferedKeys(harness.lifecycle).run()
    return key_of(await harness.present("a"))


async def test_a_key_of_which_sparklayer_says_nothing_is_used_when_it_first_works(autojump_clock: MockClock) -> None:
    words = Words()
    async with open_harness(knows=words.knows) as harness:
        await harness.install("s1", "token-1")
        assert await harness.connect("a", "s1", "key-1") is None, "there is no other"
        assert key_of(await harness.present("a")) == "key-1"
        for name in ("key-2", "key-3"):  # The newest counts.
            assert await harness.connect("a", "s1", name) is None
        assert await _key(harness) == "key-1"
        harness = await harness.restarted()  # noqa: PLW2901  the same daemon
        words.of.update({"key-2": True, "key-3": True})
        assert await _key(harness) == "key-3"
        words.of.clear()
        assert await _key(await harness.restarted()) == "key-3", "it is the connection's by now"


async def test_a_key_beside_that_of_the_configuration_outlives_a_restart(autojump_clock: MockClock) -> None:
    words, linked = Words(), link("a", "s1")
    async with open_harness(linked, knows=words.knows) as harness:
        await harness.connect("a", "s1", "key-2")
        restarted = await harness.restarted(linked)
        assert await _key(restarted) == "key-1"
        words.of["key-2"] = True
        restarted = await harness.restarted(linked)
        assert await _key(restarted) == "key-2"
        assert await _key(await harness.restarted(linked)) == "key-2"


@pytest.mark.parametrize("ending", ["refused", "the present one comes again", "another one works"])
async def test_a_key_that_was_offered_is_forgotten(autojump_clock: MockClock, ending: str) -> None:
    words = Words()
    async with open_harness(link("a", "s1"), knows=words.knows) as harness:
        await harness.connect("a", "s1", "key-2")
        if ending == "refused":
            words.of["key-2"] = False
            assert await _key(harness) == "key-1"
        else:
            words.of["key-3"] = True
            await harness.connect("a", "s1", "key-1" if "again" in ending else "key-3")
        words.of["key-2"] = True
        assert await _key(harness) == ("key-3" if "another" in ending else "key-1")


@pytest.mark.holds("A3")
@pytest.mark.parametrize("then", [True, None], ids=["known", "no answer"])
async def test_an_offered_key_is_not_dropped_for_one_refusal(autojump_clock: MockClock, *, then: bool | None) -> None:
    said: list[bool | None] = [None, False, False, then, False, False]

    async def knows(_site: Site, _key: ApiKey) -> bool | None:
        return said.pop(0) if said else True

    async with open_harness(link("a", "s1"), knows=knows) as harness:
        await harness.connect("a", "s1", "key-2")
        with trio.move_on_after(600):
            await OfferedKeys(harness.lifecycle).run()
        assert key_of(await harness.present("a")) == "key-2"


async def test_a_site_that_leaves_takes_the_key_with_it_that_was_offered(autojump_clock: MockClock) -> None:
    words = Words()
    async with open_harness(link("a", "s1"), knows=words.knows) as harness:
        await harness.connect("a", "s1", "key-2")
        await harness.lifecycle.disconnect(site("a"))
        words.of["key-2"] = True
        with trio.move_on_after(90):
            await OfferedKeys(harness.lifecycle).run()
        assert await harness.states("a") == ["leaving"]


async def test_an_install_keeps_the_key_that_was_offered(autojump_clock: MockClock) -> None:
    words = Words()
    async with open_harness(knows=words.knows) as harness:
        await harness.install("s1", "token-1")
        await harness.connect("a", "s1", "key-1")
        await harness.connect("a", "s1", "key-2")
        await harness.install("s1", "token-2")
        words.of["key-2"] = True
        assert await _key(harness) == "key-2"
        assert token_of(await harness.present("a")) == "token-2"
