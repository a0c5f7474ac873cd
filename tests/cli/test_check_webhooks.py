"""`check` reports the address for webhooks and their registration, without asking an API."""

from pathlib import Path

import pytest
from attrs import evolve

from daemon.cli.check import check_webhooks
from daemon.config import ConnectionSettings, Settings
from daemon.config.settings import DatabaseSettings, ListenerSettings, SecuritySettings
from daemon.model import Secret, Site
from daemon.platforms.bigcommerce.settings import BigCommerceSettings
from daemon.storage import connections, registrations
from daemon.storage.connections import Adopt
from daemon.storage.database import open_database
from daemon.storage.registrations import StoredRegistration
from daemon.storage.vault import Vault

KEY = Secret("a key of the tests, long enough..")
AGAIN = "the running daemon tries again"
LINK = ConnectionSettings(
    site_env="live",
    site_id="jones",
    client_id="id",
    client_secret=Secret("s"),
    platform="bigcommerce",
    store=BigCommerceSettings(store_hash="abc", access_token=Secret("t")),
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        database=DatabaseSettings(url=f"sqlite:///{tmp_path}/a.db"),
        listener=ListenerSettings(public_url="https://sync.example.com"),
        security=SecuritySettings(secret_keys=(KEY,)),
        connections=(LINK,),
    )


async def look(
    settings: Settings,
    missing: dict[str, str],
    trouble: str | None = None,
    at: float | None = 0.0,
    destination: str | None = None,
) -> None:
    """Store a registration as the daemon would."""
    async with open_database(settings.database.path) as database:
        site = Site("live", "jones")
        await database.write(connections.adopt, Adopt(site=site, platform="bigcommerce", encrypted=b"", now=0.0))
        stored = await database.read(connections.find, site)
        assert stored is not None
        encrypted = Vault([KEY]).encrypt({"missing": missing, "trouble": trouble, "destination": destination})
        registration = StoredRegistration(
            connection_id=stored.id,
            registered=41 - len(missing),
            missing=len(missing),
            looked_at=at,
            encrypted=encrypted,
        )
        await database.write(registrations.store, registration)


@pytest.mark.holds("E02")
@pytest.mark.parametrize(
    "public_url", ["http://127.0.0.1:8080", "https://sync.example.com:8443", "https://127.0.0.1", "https://localhost"]
)
def test_an_address_that_gets_no_webhooks_is_told_by_field_and_remedy(settings: Settings, public_url: str) -> None:
    result = check_webhooks(evolve(settings, listener=ListenerSettings(public_url=public_url)), LINK)
    assert not result.ok
    assert result.subject == "live/jones webhooks"
    assert result.detail.startswith("listener.public_url: BigCommerce ")
    assert "; set the https address" in result.detail


def test_without_an_address_it_is_told_what_that_means(settings: Settings) -> None:
    result = check_webhooks(evolve(settings, listener=ListenerSettings()), LINK)
    assert result.ok
    assert result.detail.startswith("listener.public_url is not set, so none are registered")


async def test_what_was_never_looked_at_is_said_to_be_done_at_the_start(settings: Settings) -> None:
    assert check_webhooks(settings, LINK).detail.startswith("not registered yet")
    assert not settings.database.path.exists()
    settings.database.path.write_bytes(b"no database")
    assert check_webhooks(settings, LINK).detail.startswith("not registered yet")


@pytest.mark.parametrize(
    ("missing", "trouble", "at", "words"),
    [
        ({}, None, 0.0, "41 registered, checked 1970-01-01 00:00 UTC"),
        (
            {"store/order/created": "No right."},
            None,
            60.0,
            f"40 registered, checked 1970-01-01 00:01 UTC; 1 missing: store/order/created (No right.); {AGAIN}",
        ),
        ({}, "Busy.", None, "41 registered, never checked; the registration cannot be read: Busy."),
    ],
)
async def test_what_the_daemon_found_is_told(
    settings: Settings, missing: dict[str, str], trouble: str | None, at: float | None, words: str
) -> None:
    await look(settings, missing, trouble, at)
    result = check_webhooks(settings, LINK)
    assert (result.ok, result.detail) == (not missing and not trouble, words)


EARLIER = "https://earlier.example.com/webhooks/live/jones"
HERE = "https://sync.example.com/webhooks/live/jones"


@pytest.mark.parametrize(
    ("destination", "trouble", "words"),
    [
        (HERE, None, "41 registered, checked"),
        (EARLIER, None, f"registered at the earlier address {EARLIER}; the daemon moves them at its next start"),
        (EARLIER, "Busy.", "41 registered, checked"),
        ("https://sync.example.com/base/webhooks/live/jones", None, "registered at the earlier address"),
    ],
)
async def test_webhooks_at_an_earlier_address_are_told_unless_something_is_wrong(
    settings: Settings, destination: str, trouble: str | None, words: str
) -> None:
    await look(settings, {}, trouble, destination=destination)
    result = check_webhooks(settings, LINK)
    assert (result.ok, result.detail.startswith(words)) == (trouble is None, True), result.detail


async def test_a_database_of_another_key_is_told(settings: Settings) -> None:
    await look(settings, {})
    result = check_webhooks(evolve(settings, security=SecuritySettings(secret_keys=(Secret("another" * 6),))), LINK)
    assert not result.ok
    assert result.detail.startswith("security.secret_keys: none of the keys")
