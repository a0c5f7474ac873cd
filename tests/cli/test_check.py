"""`check` lists every problem of the settings, the database and the port in one run, with field and remedy."""

import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import attrs
import pytest

from daemon.cli.check import CheckResult, _exposed, _platform, check_all
from daemon.config import ConnectionSettings, Survey, look_over
from daemon.config.settings import ListenerSettings, NotificationSettings, SecuritySettings
from daemon.config.texts import SECRET_NAME
from daemon.errors import Blocked, Failure, Retry, Side
from daemon.listener.admin import Admin
from daemon.listener.http.messages import Request
from daemon.listener.routes import Routes
from daemon.model import Kind, Secret
from daemon.observability.metrics import Metrics
from daemon.platforms import load_platforms
from daemon.platforms.base import PlatformType
from daemon.platforms.woocommerce.settings import WooCommerceSettings
from daemon.sandbox import Shop as WooCommerceShop
from daemon.sandbox import open_woocommerce
from daemon.storage import connections
from daemon.storage.connections import Begin, Leave, Wipe
from daemon.storage.database import open_database
from daemon.storage.vault import Vault, load_fingerprint
from tests.cli.admin import admin
from tests.config.files import SECURITY
from tests.config.test_config import EXAMPLE
from tests.engine.fakes import Shop

pytestmark = pytest.mark.holds("O7")

PLATFORMS = load_platforms()
KEY = "0123456789abcdef"


def survey(text: str, environ: Mapping[str, str] | None = None) -> Survey:
    """Read a file with `text`."""
    Path("s.toml").write_text(text, "utf-8")
    return look_over(Path("s.toml"), environ or {}, PLATFORMS)


async def checked(text: str, environ: Mapping[str, str] | None = None) -> list[CheckResult]:
    """Return the results for a file with `text`. None of its connections is valid, so no API is asked."""
    return await check_all(survey(text, environ))


def wrong(results: list[CheckResult]) -> list[str]:
    failed = [result for result in results if not result.ok]
    assert all(result.configured for result in failed)
    return [f"{result.subject}: {result.detail}".removeprefix("s.toml: ") for result in failed]


async def test_the_example_says_all_that_must_be_filled_in() -> None:
    text = EXAMPLE.read_text("utf-8")
    lines = wrong(
        await checked(text.replace("# [bigcommerce_app]", "[bigcommerce_app]").replace("# client_", "client_"))
    )
    still = "still has the example's value; fill it in"
    optional = {"listener.public_url", "listener.ignite_token", "listener.admin_token"}
    optional |= {f"connections[0].bigcommerce.{name}_secret" for name in ("client", "webhook")}
    named = {line.partition(": ")[0]: line.partition(": ")[2] for line in lines}
    assert named == {name: still + ", or remove it" * (name in optional) for name in named}
    assert list(named) == [
        *("listener.public_url", "listener.ignite_token", "listener.admin_token", "security.secret_keys"),
        *("bigcommerce_app.client_id", "bigcommerce_app.client_secret"),
        *(f"connections[0].{name}" for name in ("site_id", "client_id", "client_secret")),
        *(f"connections[0].bigcommerce.{name}" for name in ("store_hash", "access_token")),
        *(f"connections[0].bigcommerce.{name}_secret" for name in ("client", "webhook")),
    ]


WRONG = """
[listener]
port = 99999
admin_token = " "
public_urL = "https://x.test"
[sinc]
[sync]
sweep_seconds = "soon"
debounce_seconds = -1
[database]
url = "mysql://x/y"
[security]
secret_keys = ["short"]
[sparklayer]
live_url = "ftp://x"
test_url = "x"
[[connections]]
site_env = "prod"
client_id = ""
client_secret_file = "/none"
platform = "shopware"
[[connections]]
site_env = "live"
site_id = "x"
client_id = "c"
client_secret = "s"
platform = "bigcommerce"
[connections.bigcommerce]
store_hash = ""
"""


async def test_one_mistake_hides_no_other() -> None:
    lines = wrong(await checked(WRONG, {"IGNITE_SYNC_LISTNER_PORT": "1"}))
    assert [line.partition(": ")[0] for line in lines[2:]] == [
        *("listener.public_urL", "listener.port", "listener.admin_token", "database.url"),
        *("sync.debounce_seconds", "sync.sweep_seconds", "security.secret_keys"),
        *("connections[0].platform", "connections[0].site_env", "connections[0].site_id"),
        *("connections[0].client_id", "connections[0].client_secret_file"),
        *("connections[1].bigcommerce.store_hash", "connections[1].bigcommerce.access_token"),
        *("sparklayer.live_url", "sparklayer.test_url"),
    ]
    assert lines[0].startswith("environment: IGNITE_SYNC_LISTNER_PORT")
    assert lines[1].startswith('unknown section "sinc"')
    assert all("; " in line or "must be" in line for line in lines), "each says what to do"


async def test_a_port_that_another_program_has_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other program accepts connections and never answers."""
    monkeypatch.setattr("daemon.cli.check.ANSWER_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        lines = wrong(await checked(f"[listener]\nport = {port}\nadmin_token = 'twelve-letters'\n{SECURITY}"))
    remedy = "choose another port, or stop the program that uses it"
    assert lines == [f"listener.port: 127.0.0.1:{port} cannot be used (Address already in use); {remedy}"]


async def test_a_token_that_can_be_guessed_is_found() -> None:
    tokens = "\n".join(
        f"[[listener.tokens]]\nname = '{name}'\ntoken = '{token}'"
        for name, token in (("ben", "short"), ("anna", "twelve-letters"))
    )
    results = await checked(f"[listener]\nport = 0\nadmin_token = 'x'\n{tokens}\n{SECURITY}")
    found = [result for result in results if not result.ok]
    assert [result.subject for result in found] == ["listener.admin_token", "listener.tokens[ben]"]
    assert all("can be guessed" in result.detail for result in found)


@pytest.mark.parametrize(("answer", "ours"), [(None, True), (b"<html>No such page</html>", False)])
async def test_the_port_of_our_own_daemon_without_a_token_is_no_fault(answer: bytes | None, *, ours: bool) -> None:
    async def nothing(*_: object) -> Any:
        """Never called: every request is refused before."""

    operations = {("GET", "/admin/status"): nothing}
    daemon = Admin(
        tokens=(),
        metrics_open=False,
        metrics=Metrics(),
        why_not_ready=nothing,
        refresh=nothing,
        operations=operations,
    )
    request = Request("GET", "/admin/status", "", {}, b"", keep_alive=True)
    refusal = await Routes.of(daemon.routes(), Metrics()).answer(request)
    with admin((refusal.status, answer or refusal.body)) as server:
        lines = wrong(await checked(f"[listener]\nport = {server.port}\n{SECURITY}"))
    assert (lines == []) is ours


async def test_an_address_of_another_machine_is_found() -> None:
    [line] = wrong(await checked(f"[listener]\nhost = '192.0.2.1'\n{SECURITY}"))
    assert line.startswith("listener.port: 192.0.2.1:8080 cannot be used (")


async def test_keys_that_do_not_open_the_database_are_found() -> None:
    path = Path("ignite-sync.db")
    vault = Vault([Secret("another-key-of-before")])
    async with open_database(path) as storage:
        await load_fingerprint(storage, vault)
        text = "[listener]\nport = 0\n" + SECURITY
        [beside] = wrong(await checked(text))
    [line] = wrong(await checked(text))
    assert line == beside, "beside a running daemon too"
    assert line.startswith("security.secret_keys: none of the keys decrypts 1 of 1 encrypted values in ")
    assert line.endswith("ignite-sync.db; add the earlier key to the list, after the new one")
    rotated = SECURITY.replace(KEY, f'{KEY}", "another-key-of-before')
    assert wrong(await checked("[listener]\nport = 0\n" + rotated)) == []


@pytest.mark.parametrize("gone", [True, False])
async def test_a_site_that_was_disconnected_is_found(*, gone: bool) -> None:
    """The clean-up may be under way, or over."""
    seen = survey(FILLED)
    assert not seen.errors
    [link] = seen.settings.connections
    vault = Vault(seen.settings.security.secret_keys)
    async with open_database(seen.settings.database.path) as storage:
        begin = Begin(site=link.site, platform="bigcommerce", encrypted=vault.encrypt({}), now=time.time())
        stored = await storage.write(connections.begin, begin)
        await storage.write(connections.leave, Leave(site=link.site, now=time.time()))
        if gone:
            await storage.write(connections.wipe, Wipe(id=stored.id, blank=vault.encrypt(None)))
    results = await check_all(seen)
    [line] = wrong([result for result in results if result.configured])
    assert line.startswith("connections[0].site_id: live/x was disconnected according to ")
    assert line.endswith("connect it again: ignite-sync connect live/x, or remove the connection from the settings")


FILLED = f"""
[listener]
port = 0
[sparklayer]
live_url = "http://127.0.0.1:9"
[security]
secret_keys = ["{KEY}"]
[[connections]]
site_env = "live"
site_id = "x"
client_id = "c"
client_secret = "s"
platform = "bigcommerce"
[connections.bigcommerce]
api_url = "http://127.0.0.1:9"
store_hash = "abc"
access_token = "t"
"""


async def test_what_was_found_of_faulty_sections_is_not_said_of_their_defaults() -> None:
    results = await checked(f"[database]\nurl = 1\n[listener]\nport = -1\n{SECURITY}")
    assert [result.ok for result in results] == [False, False]


async def checked_platform(failures: dict[str, Exception], **fields: Any) -> tuple[CheckResult, Shop]:
    """Check the store of a platform that has products alone, with words of its own."""
    shop = Shop()
    shop.failures = {method: [failure] * 9 for method, failure in failures.items()}
    platform = PlatformType(
        name="fake",
        label="Fakes",
        settings=object,
        identity=str,
        connect=lambda *_: shop,
        reader=lambda _settings: None,  # type: ignore[arg-type,return-value]
        kinds=frozenset({Kind.PRODUCTS, Kind.STORE}),
        rights={Kind.PRODUCTS: "Goods", Kind.STORE: "Settings"},
        remedies={"credentials": "make a new key in Fakes", "role": "give the key's user the role"},
    )
    link = ConnectionSettings(
        site_env="live", site_id="x", client_id="c", client_secret=Secret("s"), platform="fake", **fields
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("daemon.cli.check.load_platforms", lambda: {"fake": platform})
        return await _platform(link, None), shop


@pytest.mark.parametrize(("public_url", "ok"), [(None, True), ("https://here.example", False)])
async def test_a_key_that_may_only_read_is_found_where_webhooks_are_registered(
    public_url: str | None, *, ok: bool
) -> None:
    async with open_woocommerce(shop=WooCommerceShop()) as shop:
        for permissions, expected in (("read_write", True), ("read", ok)):
            key = shop.keys.add(permissions)
            link = ConnectionSettings(
                site_env="live",
                site_id="x",
                client_id="c",
                client_secret=Secret("s"),
                platform="woocommerce",
                store=WooCommerceSettings(
                    store_url=shop.url,
                    consumer_key=Secret(key.consumer_key),
                    consumer_secret=Secret(key.consumer_secret),
                ),
            )
            result = await _platform(link, public_url)
            assert result.ok is expected, result.detail
            assert expected or "set the key's permissions to Read/Write" in result.detail
        assert not shop.webhooks.hooks.registered


async def test_only_kinds_that_the_platform_has_are_read() -> None:
    result, shop = await checked_platform({})
    assert (result.subject, result.ok) == ("live/x Fakes", True)
    assert shop.calls["changed_since"] == 2


@pytest.mark.parametrize(
    ("failure", "remedy"),
    [
        (Blocked("No", reason="credentials", side=Side.PLATFORM), "make a new key in Fakes"),
        (Blocked("No", reason="role", side=Side.PLATFORM), "give the key's user the role"),
        (Blocked("No", reason="other", side=Side.PLATFORM), "give the account the missing right, "),
        (Blocked("No", reason="scope_missing", side=Side.PLATFORM), "allow the account to read all that is synced"),
        (Retry("No", reason="timeout"), "check the address and the network, "),
    ],
)
async def test_the_remedy_is_the_platforms_own(failure: Failure, remedy: str) -> None:
    result, _ = await checked_platform({"facts": failure})
    assert not result.ok
    needed = "; it needs the right to read: Settings" if failure.reason == "scope_missing" else ""
    assert result.detail.startswith(f"No{needed}; {remedy}")


async def test_every_missing_right_is_named_in_one_run() -> None:
    refused = Blocked("No", reason="scope_missing", side=Side.PLATFORM)
    result, _ = await checked_platform({"changed_since": refused})
    assert result.detail.startswith("No; it needs the right to read: Settings, Goods; ")


@pytest.mark.parametrize(
    ("mode", "text", "lines"),
    [
        (0o640, f'[listener]\nadmin_token = "t"\n{SECURITY}', 0),
        (0o644, '[security]\nsecret_keys = ["${KEY}"]\n', 0),
        (0o644, SECURITY, 1),
        (0o604, '[listener]\nadmin_token = "t"\n', 1),
        (0o644, '[[listener.tokens]]\nname = "ann"\ntoken_file = "t"\n', 0),
        (0o644, '[[listener.tokens]]\nname = "ann"\ntoken = "t"\n', 1),
    ],
)
def test_a_file_with_secrets_that_everybody_can_read_is_found(mode: int, text: str, lines: int) -> None:
    found = survey(text, {"KEY": KEY})
    Path("s.toml").chmod(mode)
    results = list(_exposed(Path("s.toml"), found))
    assert len(results) == lines
    assert all(result.detail.endswith("run: chmod o-rwx s.toml") and not result.configured for result in results)


IN_FILES = """
[listener]
admin_token_file = "admin_token"
public_url = "https://here.test"
[[listener.tokens]]
name = "ann"
token_file = "token"
[security]
secret_keys_file = "secret_keys"
[notifications]
slack_url_file = "slack_url"
[bigcommerce_app]
client_id = "id"
client_secret_file = "app_secret"
[[connections]]
site_env = "test"
site_id = "a"
client_id = "id"
client_secret_file = "client_secret"
platform = "bigcommerce"
[connections.bigcommerce]
store_hash = "abc"
access_token_file = "access_token"
"""
PLACES = ("access_token", "admin_token", "app_secret", "client_secret", "secret_keys", "slack_url", "token")
IN_VARIABLES = {
    "IGNITE_SYNC_LISTENER_IGNITE_TOKEN_FILE": "ignite_token",
    "IGNITE_SYNC_LISTENER_TOKENS_1_NAME": "bob",
    "IGNITE_SYNC_LISTENER_TOKENS_1_TOKEN_FILE": "numbered",
    "IGNITE_SYNC_CONNECTION_2_PLATFORM": "bigcommerce",
    "IGNITE_SYNC_CONNECTION_2_CLIENT_SECRET_FILE": "second",
    "IGNITE_SYNC_CONNECTION_2_BIGCOMMERCE_ACCESS_TOKEN_FILE": "store_token",
}


def test_each_file_of_a_secret_that_everybody_can_read_is_found() -> None:
    places = [*PLACES, *(place for name, place in IN_VARIABLES.items() if name.endswith("_FILE"))]
    for number, name in enumerate(places):
        text = "https://slack.test/hook" if name == "slack_url" else f"{number}{KEY}"
        Path(name).write_text(text, "utf-8")
        Path(name).chmod(0o644)
    found = survey(IN_FILES, IN_VARIABLES)
    Path("s.toml").chmod(0o644)
    results = list(_exposed(Path("s.toml"), found))
    assert [result.subject for result in results] == sorted(str(Path(name).absolute()) for name in places)
    assert all(result.detail.endswith(f"run: chmod o-rwx {result.subject}") for result in results)
    for name in places:
        Path(name).chmod(0o640)
    assert not list(_exposed(Path("s.toml"), found))
    Path("secret_keys").chmod(0o644)
    alone = look_over(None, {"IGNITE_SYNC_SECURITY_SECRET_KEYS_FILE": "secret_keys"}, PLATFORMS)
    assert [result.subject for result in _exposed(None, alone)] == [str(Path("secret_keys").absolute())]


def test_every_secret_setting_is_known_by_its_name() -> None:
    classes = [ListenerSettings, SecuritySettings, NotificationSettings, ConnectionSettings]
    classes += [platform.settings for platform in PLATFORMS.values()]
    classes += [platform.app.settings for platform in PLATFORMS.values() if platform.app and platform.app.settings]
    for cls in classes:
        for setting in attrs.fields(attrs.resolve_types(cls)):
            if setting.type is Secret or Secret in get_args(setting.type):
                assert SECRET_NAME.search(setting.name), setting.name
