"""The operator's texts become checked settings. `test_config_errors` has the others."""

import re
from pathlib import Path

import pytest

from daemon.config import Settings, load
from daemon.config.settings import DatabaseSettings, SyncSettings
from daemon.errors import ConfigError
from daemon.model import Secret, Site
from daemon.platforms.bigcommerce.app import BigCommerceAppSettings
from tests.config.files import CONNECTION, PLATFORMS, SECURITY, STORE, WHOLE
from tests.each import each

GROUPS_VARIABLE = "IGNITE_SYNC_CONNECTION_BIGCOMMERCE_CUSTOMER_GROUP_MAPPING"
EXAMPLE = Path(__file__).parent.parent.parent / "config" / "ignite-sync.example.toml"

VARIABLES = {
    "IGNITE_SYNC_SECURITY_SECRET_KEYS": "0123456789abcdef,fedcba9876543210",
    "IGNITE_SYNC_CONNECTION_SITE_ENV": "test",
    "IGNITE_SYNC_CONNECTION_SITE_ID": "dyno",
    "IGNITE_SYNC_CONNECTION_CLIENT_ID": "id",
    "IGNITE_SYNC_CONNECTION_CLIENT_SECRET": "s1-hidden",
    "IGNITE_SYNC_CONNECTION_PLATFORM": "bigcommerce",
    "IGNITE_SYNC_CONNECTION_BIGCOMMERCE_STORE_HASH": "abc",
    "IGNITE_SYNC_CONNECTION_BIGCOMMERCE_ACCESS_TOKEN": "s2-hidden",
    "IGNITE_SYNC_CONNECTION_BIGCOMMERCE_CLIENT_SECRET": "s3-hidden",
    "IGNITE_SYNC_CONNECTION_BIGCOMMERCE_WEBHOOK_SECRET": "s4-hidden",
    "IGNITE_SYNC_CONNECTION_BIGCOMMERCE_B2B_CUSTOMER_GROUPS": "3, 5",
}


def settings(text: str = WHOLE, **environ: str) -> Settings:
    Path("s.toml").write_text(text, "utf-8")
    return load(Path("s.toml"), environ, PLATFORMS)


# What is taken


def test_a_minimal_file_is_enough() -> None:
    """`tests/test_docs.py` has all defaults."""
    (connection,) = settings().connections
    assert (connection.site, connection.client_secret) == (Site("live", "jones"), Secret("s1-hidden"))
    assert (connection.store.store_hash, connection.store.access_token) == ("abc", Secret("s2-hidden"))
    assert settings(SECURITY).connections == ()


def filled_in(text: str) -> str:
    signing = text.replace("change-me: echo whsec_$(openssl rand -base64 32)", "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz")
    return signing.replace("change-me", "changed")


def test_the_example_loads_when_it_is_filled_in() -> None:
    taken = settings(filled_in(EXAMPLE.read_text("utf-8")))
    assert [str(one.site) for one in taken.connections] == ["live/changed"]


def test_the_example_shows_every_setting_with_its_default() -> None:
    text = filled_in(EXAMPLE.read_text("utf-8"))
    plain = settings(text)
    uncommented = re.sub(r"^# (?=\[\w|\w+ = )", "", text, flags=re.MULTILINE)
    common, _, shops = uncommented.partition("[connections.bigcommerce]")
    bigcommerce, _, woocommerce = shops.partition("[connections.woocommerce]")
    full = settings(f"{common}[connections.bigcommerce]{bigcommerce}")
    other = common.replace('platform = "bigcommerce"', 'platform = "woocommerce"')
    [shop] = settings(f"{other}[connections.woocommerce]{woocommerce}").connections
    for name in ("database", "sync", "logging", "listener"):
        assert getattr(full, name) == getattr(plain, name), name
    assert full.sparklayer.live_url == plain.sparklayer.live_url
    assert full.connections[0].store == plain.connections[0].store
    sections = [*(getattr(full, name) for name in ("listener", "sparklayer", "sync", "notifications"))]
    sections += full.connections
    assert full.notifications.after_seconds == plain.notifications.after_seconds
    assert full.notifications.digest_seconds == plain.notifications.digest_seconds
    sections += [full.apps["bigcommerce"], full.connections[0].store, shop.store]
    shown = set(re.findall(r"^(\w+) = ", uncommented, flags=re.MULTILINE))
    for section in sections:
        assert {each.name for each in type(section).__attrs_attrs__} - {"store"} <= shown


def test_no_repr_shows_a_secret() -> None:
    listener = '[listener]\npublic_url = "https://a.test"\nadmin_token = "s5-hidden"\n'
    app = f'{listener}[bigcommerce_app]\nclient_id = "x"\nclient_secret = "s6-hidden"\n'
    shown = repr(settings(app + WHOLE))
    assert "hidden" not in shown
    assert "0123456789abcdef" not in shown
    assert "jones" in shown


# The environment


def test_the_environment_wins_over_the_file() -> None:
    text = "[listener]\nport = 1\nhost = 'file'\n[sync]\nsweep_seconds = 60\n" + WHOLE
    taken = settings(
        text,
        IGNITE_SYNC_LISTENER_PORT="2",
        IGNITE_SYNC_LISTENER_METRICS_OPEN="true",
        IGNITE_SYNC_SYNC_SWEEP_SECONDS="30.5",
        IGNITE_SYNC_LOGGING_LEVEL="debug",
        IGNITE_SYNC_CONFIG="ignored.toml",
        HOME="/nowhere",
    )
    assert (taken.listener.host, taken.listener.port, taken.listener.metrics_open) == ("file", 2, True)
    assert taken.sync.sweep_seconds == 30.5
    assert taken.logging.level == "debug"


def test_a_dyno_needs_no_file() -> None:
    taken = load(None, VARIABLES | {"PORT": "5000"}, PLATFORMS)
    assert (taken.listener.host, taken.listener.port) == ("0.0.0.0", 5000)  # noqa: S104
    assert len(taken.security.secret_keys) == 2
    (connection,) = taken.connections
    assert connection.site == Site("test", "dyno")
    assert connection.store.b2b_customer_groups == (3, 5)


def test_a_table_of_groups_comes_from_the_file_or_the_environment() -> None:
    (connection,) = settings(WHOLE + '\ncustomer_group_mapping = { 3 = "vip", "4" = "gold" }\n').connections
    assert connection.store.customer_group_mapping == {3: "vip", 4: "gold"}
    taken = load(None, VARIABLES | {GROUPS_VARIABLE: "3=vip, 4=gold"}, PLATFORMS)
    assert taken.connections[0].store.customer_group_mapping == {3: "vip", 4: "gold"}


def test_the_environments_connection_comes_besides_those_of_the_file() -> None:
    variables = {key: value for key, value in VARIABLES.items() if "SECURITY" not in key}
    assert [str(one.site) for one in settings(WHOLE, **variables).connections] == ["live/jones", "test/dyno"]


@each(
    ("text", "environ", "host", "port"),
    [
        ("", {"PORT": "5000"}, "0.0.0.0", 5000),  # noqa: S104
        ("[listener]\nport = 1\n", {"PORT": "5000"}, "0.0.0.0", 5000),  # noqa: S104
        ("[listener]\nhost = '::1'\n", {"PORT": "5000"}, "::1", 5000),
        ("", {"PORT": "5000", "IGNITE_SYNC_LISTENER_HOST": "::1"}, "::1", 5000),
        ("", {"PORT": "5000", "IGNITE_SYNC_LISTENER_PORT": "6000"}, "127.0.0.1", 6000),
    ],
)
def test_port_is_taken_as_on_heroku(text: str, environ: dict[str, str], host: str, port: int) -> None:
    taken = settings(text + WHOLE, **environ)
    assert (taken.listener.host, taken.listener.port) == (host, port)


def test_database_url_may_be_a_file() -> None:
    assert settings(WHOLE, DATABASE_URL="sqlite:////var/x.db").database.path == Path("/var/x.db")


def test_our_own_variable_helps_where_a_dyno_brings_postgres() -> None:
    own = {"DATABASE_URL": "postgres://u:p@h/d", "IGNITE_SYNC_DATABASE_URL": "sqlite:///x.db"}
    assert settings(WHOLE, **own).database.path == Path.cwd() / "x.db"


@pytest.mark.parametrize(
    ("text", "environ"),
    [
        pytest.param('[database]\nurl = "sqlite:///data/x.db"\n', {}, id="file"),
        pytest.param("", {"DATABASE_URL": "sqlite:///data/x.db"}, id="environment"),
        pytest.param("", {"IGNITE_SYNC_DATABASE_URL": "sqlite:///data/x.db"}, id="our own variable"),
    ],
)
@pytest.mark.parametrize("named", ["s.toml", "../etc/s.toml", "{etc}/s.toml"])
def test_relative_paths_start_at_the_file_wherever_the_command_is_called_from(
    text: str, environ: dict[str, str], named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    etc = tmp_path / "etc"
    etc.mkdir()
    (etc / "token").write_text("t0ken\n", "utf-8")
    (etc / "s.toml").write_text(f"{text}[listener]\nadmin_token_file = 'token'\n{WHOLE}", "utf-8")
    elsewhere = etc if named == "s.toml" else tmp_path / "elsewhere"
    elsewhere.mkdir(exist_ok=True)
    monkeypatch.chdir(elsewhere)
    taken = load(Path(named.format(etc=etc)), environ, PLATFORMS)
    assert ".." not in taken.database.path.parts
    assert taken.database.path == etc.resolve() / "data" / "x.db"
    assert taken.listener.admin_token == Secret("t0ken")


def test_without_a_file_a_relative_path_starts_at_the_working_directory() -> None:
    assert load(None, VARIABLES, PLATFORMS).database.path == Path.cwd() / "ignite-sync.db"


def test_where_a_relative_path_starts_is_no_setting() -> None:
    with pytest.raises(ConfigError, match=r'unknown setting "folder"; known are: listen_url, url$'):
        settings("[database]\nfolder = '/x'\n" + WHOLE)


def test_secrets_may_stand_in_files_of_their_own() -> None:
    Path("token").write_text("t0ken\n", "utf-8")
    Path("keys").write_text("0123456789abcdef\nfedcba9876543210\n", "utf-8")
    store = STORE.replace('access_token = "s2-hidden"', 'access_token_file = "token"')
    variables = {"IGNITE_SYNC_SECURITY_SECRET_KEYS_FILE": "keys", "IGNITE_SYNC_LISTENER_ADMIN_TOKEN_FILE": "token"}
    taken = settings("[listener]\nadmin_token = 'of the file'\n" + SECURITY + CONNECTION + store, **variables)
    assert taken.listener.admin_token == Secret("t0ken")
    assert taken.security.secret_keys == (Secret("0123456789abcdef"), Secret("fedcba9876543210"))
    assert taken.connections[0].store.access_token == Secret("t0ken")


def test_a_secret_of_the_environment_wins_over_a_file_that_the_toml_names() -> None:
    text = "[listener]\nadmin_token_file = 'no such file'\n" + WHOLE
    taken = settings(text, IGNITE_SYNC_LISTENER_ADMIN_TOKEN="t")
    assert taken.listener.admin_token == Secret("t")


def test_an_apps_section_is_its_platforms_and_may_come_from_the_environment() -> None:
    app = {"IGNITE_SYNC_BIGCOMMERCE_APP_CLIENT_ID": "x", "IGNITE_SYNC_BIGCOMMERCE_APP_CLIENT_SECRET": "s6-hidden"}
    taken = settings(WHOLE, IGNITE_SYNC_LISTENER_PUBLIC_URL="https://here.test", **app)
    assert taken.apps == {"bigcommerce": BigCommerceAppSettings(client_id="x", client_secret=Secret("s6-hidden"))}


# URLs


PLAIN = ["http://127.0.0.1:1/x", "http://127.9.9.9", "http://localhost", "http://LocalHost:8080", "http://[::1]:80"]


@each("url", [*PLAIN, "https://example.com", "https://a-b.test:8443/x/y", "https://xn--exmple-cua.com"])
def test_base_urls_are_https_or_on_this_machine(url: str) -> None:
    text = f'[listener]\npublic_url = "{url}/"\n[sparklayer]\nlive_url = "{url}/"\n'
    taken = settings(text + WHOLE + f'api_url = "{url}/"')
    assert taken.listener.public_url == taken.sparklayer.live_url == taken.connections[0].store.api_url == url


def test_a_connection_may_allow_http_for_what_it_uses() -> None:
    text = '[sparklayer]\nlive_url = "http://spark"\n' + SECURITY + CONNECTION + "allow_http = true\n" + STORE
    taken = settings(text + 'api_url = "http://store"')
    assert taken.sparklayer.live_url == "http://spark"
    assert taken.connections[0].store.api_url == "http://store"


def test_allowing_http_lowers_nobody_elses_guard() -> None:
    lax = CONNECTION.replace("jones", "lax") + "allow_http = true\n" + STORE
    with pytest.raises(ConfigError, match=r"sparklayer\.live_url: must be https"):
        settings('[sparklayer]\nlive_url = "http://spark"\n' + WHOLE + lax)
    taken = settings('[sparklayer]\ntest_url = "http://spark"\n' + WHOLE + lax.replace("live", "test"))
    assert taken.sparklayer.test_url == "http://spark"


def test_values_made_in_code_are_checked_too() -> None:
    with pytest.raises(ValueError, match=r"^url: must be sqlite:///FILE"):
        DatabaseSettings(url="mysql://x")
    with pytest.raises(ValueError, match=r"^sweep_seconds: must be 1 or more"):
        SyncSettings(sweep_seconds=-1)
