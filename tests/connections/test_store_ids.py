"""Stores by their ids: which platform has one, in which spelling, and which install answers which connect."""

from collections.abc import Mapping

import pytest
import trio
from attrs import define, evolve, field, frozen
from sqlalchemy import select
from trio.testing import MockClock

from daemon.errors import Invalid
from daemon.model import Secret
from daemon.platforms.apps import AppRefused, Authorized, Installed, Visit
from daemon.storage.tables import install_states
from tests.connections.harness import Deaf, LifecycleHarness, link, open_harness, site, store
from tests.connections.test_lifecycle import token_of


def _spelt(text: str) -> str:
    """Spell an address of a shop."""
    if "." not in text:
        raise ValueError("must be the shop's address")
    return "https://" + text.lower().removeprefix("https://").rstrip("/")


@define
class ShopApp:
    """An app whose platform does not name the store, and all states that it was given."""

    states: list[str] = field(factory=list)

    def install_url(self, store_id: str, state: str) -> str:
        self.states.append(state)
        return f"{store_id}/authorize?user_id={state}"

    async def visit(self, page: str, query: Mapping[str, str], body: bytes = b"") -> Visit:
        raise NotImplementedError  # the tests carry visits out themselves

    async def aclose(self) -> None:
        """Nothing to close."""


def add_shops(harness: LifecycleHarness) -> ShopApp:
    """Add a second platform, whose stores are named by addresses."""
    registry = harness.lifecycle.registry
    fake = registry.platforms["fake"]
    registry.platforms = {
        "fake": evolve(fake, store_id=_hash),
        "shops": evolve(fake, label="Shops", store_id=_spelt, typed_keys=None),
    }
    app = harness.lifecycle.apps["shops"] = ShopApp()
    return app


def _hash(text: str) -> str:
    if "." in text:
        raise ValueError("must be a short id")
    return text


async def test_a_store_id_leads_to_its_platform_in_its_one_spelling() -> None:
    async with open_harness() as harness:
        app = add_shops(harness)
        assert await harness.connect("a", "abc123") == "https://login.test/abc123"
        for spelling in ("https://Shop.example/", "https://shop.example", "shop.example//"):
            url = await harness.connect("b", spelling)
            assert url == f"https://shop.example/authorize?user_id={app.states[-1]}"
        await harness.visits.visited("shops", Installed(store_id=(at := "https://shop.example"), store=store(at)))
        for spelling in ("https://Shop.example/", "shop.example"):
            assert await harness.connect("b", spelling) is None
            assert await harness.connect("c", spelling) is None
        assert await harness.states("b") == ["active"], "another spelling is no other store"
        assert await harness.states("a") == []
        assert (await harness.present("b")).platform == "shops"


async def test_a_store_id_of_no_platform_is_refused_in_the_words_of_each() -> None:
    async with open_harness() as harness:
        add_shops(harness)
        harness.lifecycle.registry.platforms = {
            name: evolve(platform, store_id=_refused) for name, platform in harness.lifecycle.registry.platforms.items()
        }
        with pytest.raises(Invalid, match=r"^store_id: Fake: must differ; Shops: must differ$"):
            await harness.connect("a", "x")


def _refused(_text: str) -> str:
    raise ValueError("must differ")


async def test_without_its_own_app_a_store_is_not_sent_to_another_one() -> None:
    async with open_harness() as harness:
        add_shops(harness)
        del harness.lifecycle.apps["shops"]
        with pytest.raises(Invalid, match="configure its credentials, or set up the app of Shops"):
            await harness.connect("a", "shop.example")
        assert harness.lifecycle.apps.keys() == {"fake"}


def granted(state: str, name: str = "", fault: str = "") -> Authorized:
    """Return the visit of a shop that lets us in; `name` is the store that its credentials belong to."""

    async def install(store_id: str) -> Installed:
        await trio.lowlevel.checkpoint()
        if fault:
            raise AppRefused(fault)
        return Installed(store_id=name or store_id, store=store(store_id, "token-1"))

    return Authorized(state=state, install=install)


async def test_a_state_recognises_the_pending_connection_once(autojump_clock: MockClock) -> None:
    async with open_harness() as harness:
        app = add_shops(harness)
        await harness.connect("a", "shop.example")
        await harness.connect("b", "other.example")
        await harness.visits.visited("shops", granted(app.states[0]))
        assert (await harness.present("a")).store.name == "https://shop.example"
        assert await harness.states("b") == []
        for state in (app.states[0], "", "guessed", app.states[1].swapcase()):
            with pytest.raises(AppRefused, match="answered already") as refused:
                await harness.visits.visited("shops", granted(state))
            assert refused.value.status == 401
        assert await harness.states("b") == []


async def test_a_repeated_connect_leaves_earlier_addresses_valid(autojump_clock: MockClock) -> None:
    """The merchant may have the first one open."""
    async with open_harness() as harness:
        app = add_shops(harness)
        for _ in range(2):
            await harness.connect("a", "shop.example")
        await harness.visits.visited("shops", granted(app.states[0]))
        assert await harness.states("a") == ["active"]


@pytest.mark.parametrize("why", ["too old", "clock ahead", "disconnected", "another store", "another platform"])
async def test_a_state_that_stands_for_nothing_any_more_is_refused(autojump_clock: MockClock, why: str) -> None:
    async with open_harness() as harness:
        app = add_shops(harness)
        if why == "clock ahead":
            harness.later[0] = 1000.0
        await harness.connect("a", "shop.example")
        if why == "too old":
            harness.later[0] = 3601.0
        elif why == "clock ahead":
            harness.later[0] = 0.0
        elif why == "disconnected":
            await harness.lifecycle.disconnect(site("a"))
        elif why == "another store":
            await harness.connect("a", "other.example")
        with pytest.raises(AppRefused):
            await harness.visits.visited("fake" if why == "another platform" else "shops", granted(app.states[0]))
        assert await harness.states("a") == []


@pytest.mark.parametrize("visit", [{"fault": "This key does not work."}, {"name": "https://else.example"}])
async def test_credentials_that_do_not_work_on_the_named_store_are_refused(
    autojump_clock: MockClock, visit: dict[str, str]
) -> None:
    async with open_harness() as harness:
        app = add_shops(harness)
        await harness.connect("a", "shop.example")
        with pytest.raises(AppRefused):
            await harness.visits.visited("shops", granted(app.states[0], **visit))
        assert await harness.states("a") == []
        assert await harness.connect("a", "shop.example") is not None, "nothing of it is kept"


async def test_no_state_can_be_read_from_the_database(autojump_clock: MockClock) -> None:
    async with open_harness() as harness:
        app = add_shops(harness)
        await harness.connect("a", "shop.example")
        rows = await harness.database.read(lambda conn: [tuple(row) for row in conn.execute(select(install_states))])
        assert len(rows) == 1
        assert app.states[0] not in str(rows)


@frozen(kw_only=True)
class PlainSettings:
    """Settings of a platform whose webhooks have no secret."""

    name: str
    token: Secret


async def test_a_platform_without_a_webhook_secret_needs_none(autojump_clock: MockClock) -> None:
    async with open_harness() as harness:
        platforms = harness.lifecycle.registry.platforms
        plain = evolve(platforms["fake"], settings=PlainSettings, reader=lambda _settings: Deaf(store("")))
        harness.lifecycle.registry.platforms = {"fake": plain}
        for token in ("token-1", "token-2"):
            installed = Installed(store_id="s1", store=PlainSettings(name="s1", token=Secret(token)))
            await harness.visits.visited("fake", installed)
            assert await harness.connect("a", "s1") is None
            assert (await harness.present("a")).store == installed.store
        configured = evolve(link("a", "s1"), store=PlainSettings(name="s1", token=Secret("token-3")))
        harness.lifecycle.registry.settings = evolve(harness.lifecycle.registry.settings, connections=(configured,))
        [connection] = await harness.lifecycle.registry.adopt_all(0.0)
        assert token_of(connection) == "token-3"


async def test_a_person_who_names_no_store_is_told_what_names_one() -> None:
    async with open_harness() as harness:
        add_shops(harness)
        params = {"site": "test/a", "client_id": "id", "client_secret": "secret"}
        with pytest.raises(Invalid, match="store_id: must be the platform's id of the store"):
            await harness.admin.connect(params)
        harness.lifecycle.registry.platforms = {
            name: evolve(platform, store_id=_refused) for name, platform in harness.lifecycle.registry.platforms.items()
        }
        with pytest.raises(Invalid, match="store_id: Fake: must differ; Shops: must differ"):
            await harness.admin.connect(params)
