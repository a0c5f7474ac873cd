"""Every error of the settings is one line with the place, the fault and the remedy."""

from pathlib import Path

from daemon.config import look_over
from tests.config.files import CONNECTION, PLATFORMS, SECURITY, STORE, WHOLE, line
from tests.each import each


def with_line(section: str, setting: str) -> str:
    return f"[{section}]\n{setting}\n" + WHOLE


def replaced(old: str, new: str) -> str:
    assert old in WHOLE
    return WHOLE.replace(old, new, 1)


HTTPS = "must be https; http is allowed only on this machine, or with allow_http = true in the connection"
KEYS = "must list at least one text, each of 16 or more characters; create one with: openssl rand -base64 32"
SEGMENT = "must be the id alone, in ASCII letters, digits and . _ ~ -"
EMPTY = "is empty; fill it in, or remove it if it is optional"
TWICE = "is connected more than once; remove one of the two; a site has one store"
NEED = "must be sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME"
OTHER_DATABASE = "set IGNITE_SYNC_DATABASE_URL=sqlite:///ignite-sync.db"

BAD_FILES = {
    "broken TOML": (
        "[listener]\nport = \n" + WHOLE,
        "is not valid TOML: Invalid value (at line 2, column 8); correct that line",
    ),
    "unknown section": ("[listner]\n" + WHOLE, 'unknown section "listner"; did you mean "listener"?'),
    "unknown setting": (
        with_line("listener", "prot = 1"),
        'listener.prot: unknown setting "prot"; did you mean "port"?',
    ),
    "an app that merchants cannot come back to": (
        with_line("bigcommerce_app", "client_id = 'x'\nclient_secret = 's6-hidden'"),
        "listener.public_url: is missing; set it, because merchants' browsers return to it while they install an app",
    ),
    "an app that cannot be": (
        with_line("bigcommerce_app", "client_id = 'x y'\nclient_secret = 's6-hidden'"),
        "bigcommerce_app.client_id: must be 1 to 512 printable ASCII characters without spaces; it has a space",
    ),
    "an app's login server without TLS": (
        with_line("bigcommerce_app", "client_id = 'x'\nclient_secret = 's6-hidden'\nlogin_url = 'http://a.test'"),
        f"bigcommerce_app.login_url: {HTTPS}",
    ),
    "an app's page that is none": (
        with_line("bigcommerce_app", "client_id = 'x'\nclient_secret = 's6-hidden'\ninstall_url = 'a.test'"),
        "bigcommerce_app.install_url: must be the address of a page, such as https://example.com/install",
    ),
    "unknown setting, unlike any": (
        with_line("logging", "x = 1"),
        'logging.x: unknown setting "x"; known are: level',
    ),
    "unknown setting of a connection": (
        replaced("site_id", "siteid"),
        'connections[0].siteid: unknown setting "siteid"; did you mean "site_id"?',
    ),
    "unknown setting of a store": (
        replaced("store_hash", "storehash"),
        'connections[0].bigcommerce.storehash: unknown setting "storehash"; did you mean "store_hash"?',
    ),
    "the inner name of the store": (
        SECURITY + CONNECTION + "store = 1\n" + STORE,
        (
            'connections[0].store: unknown setting "store"; known are: allow_http, census_seconds, client_id,'
            " client_secret, full_sync_on_start, platform, site_env, site_id, stock_location, sweep_seconds,"
            " webhooks_seconds"
        ),
    ),
    "a table of groups that is none": (
        WHOLE + "\ncustomer_group_mapping = 3",
        "connections[0].bigcommerce.customer_group_mapping: must be a table, not a whole number",
    ),
    "a group that is no number": (
        WHOLE + "\ncustomer_group_mapping = { vip = 3 }",
        "connections[0].bigcommerce.customer_group_mapping: must be a whole number, not a text",
    ),
    "a group without a name": (
        WHOLE + '\ncustomer_group_mapping = { 3 = "" }',
        (
            "connections[0].bigcommerce.customer_group_mapping: must name a SparkLayer group for ids of customer"
            ' groups, such as 3 = "vip"'
        ),
    ),
    "a pattern that is none": (
        WHOLE + "\norder_staff_notes_pattern = 'cart ('",
        (
            "connections[0].bigcommerce.order_staff_notes_pattern: must be a regular expression with one group, or one"
            " named cart_id, for the cart's id: missing ), unterminated subpattern at position 5"
        ),
    ),
    "a pattern that finds nothing": (
        WHOLE + "\norder_staff_notes_pattern = 'cart'",
        (
            "connections[0].bigcommerce.order_staff_notes_pattern: must be a regular expression with one group, or one"
            " named cart_id, for the cart's id; it has 0 groups"
        ),
    ),
    "section that is no table": (
        "listener = 1\n" + WHOLE,
        "listener: must be a table, not a whole number; write it as a table",
    ),
    "connections that are no list": (
        SECURITY + "[connections]\nsite_id = 'x'",
        "connections: must be a list of tables, not a table; write [[connections]] with two brackets",
    ),
    "store that is no table": (
        SECURITY + CONNECTION + "bigcommerce = 1",
        "connections[0].bigcommerce: must be a table, not a whole number; write it as a table",
    ),
    "text for a number": (with_line("listener", "port = '1'"), "listener.port: must be a whole number, not a text"),
    "number for a text": (with_line("listener", "host = 1"), "listener.host: must be a text, not a whole number"),
    "number for a switch": (
        with_line("listener", "metrics_open = 1"),
        "listener.metrics_open: must be true or false, not a whole number",
    ),
    "switch for a number": (
        with_line("sync", "sweep_seconds = true"),
        "sync.sweep_seconds: must be a number, not true or false",
    ),
    "date for a text": (
        with_line("logging", "level = 2020-01-01"),
        "logging.level: must be a text, not a date or time",
    ),
    "number for a secret": (
        with_line("listener", "admin_token = 12345"),
        "listener.admin_token: must be a text, not a whole number",
    ),
    "text for a list": (
        replaced('["0123456789abcdef"]', '"0123456789abcdef"'),
        "security.secret_keys: must be a list, not a text",
    ),
    "wrong type in a list": (
        WHOLE + "b2b_customer_groups = ['3']",
        "connections[0].bigcommerce.b2b_customer_groups: must be a whole number, not a text",
    ),
    "no secret keys": (
        CONNECTION + STORE,
        "security.secret_keys: is missing; add it or set IGNITE_SYNC_SECURITY_SECRET_KEYS",
    ),
    "empty list of secret keys": ("[security]\nsecret_keys = []", f"security.secret_keys: {KEYS}"),
    "short secret key": ("[security]\nsecret_keys = ['hidden']", f"security.secret_keys: {KEYS}"),
    "missing setting of a connection": (
        replaced('client_id = "id"', ""),
        "connections[0].client_id: is missing; add it",
    ),
    "missing platform": (
        replaced('platform = "bigcommerce"', ""),
        "connections[0].platform: is missing; add it",
    ),
    "missing setting of a store": (
        replaced('access_token = "s2-hidden"', ""),
        "connections[0].bigcommerce.access_token: is missing; add it",
    ),
    "missing table of a store": (
        SECURITY + CONNECTION,
        "connections[0].bigcommerce.store_hash: is missing; add it",
    ),
    "unknown platform": (
        replaced('"bigcommerce"', '"bigcomerce"'),
        f"connections[0].platform: must be one of {', '.join(sorted(PLATFORMS))}, not 'bigcomerce'",
    ),
    "platform that is no text": (
        replaced('"bigcommerce"', "[]"),
        f"connections[0].platform: must be one of {', '.join(sorted(PLATFORMS))}, not []",
    ),
    "unknown environment": (
        replaced('"live"', '"prod"'),
        "connections[0].site_env: must be one of live, test, not 'prod'",
    ),
    "site with a slash": (
        replaced('"jones"', '"live/jones"'),
        f"connections[0].site_id: {SEGMENT}; it has the character /",
    ),
    "empty site": (
        replaced('"jones"', '""'),
        f"connections[0].site_id: {SEGMENT}; it is empty",
    ),
    "repeated site": (
        WHOLE + CONNECTION + STORE,
        f"connections[1].site_id: live/jones {TWICE}",
    ),
    "empty secret": (replaced('"s1-hidden"', '" "'), f"connections[0].client_secret: {EMPTY}"),
    "secret of two lines": (
        replaced('"s1-hidden"', '"s1-hidden\\nhidden"'),
        "connections[0].client_secret: must be one line of printable text; it has a line break",
    ),
    "empty text": (with_line("sparklayer", "integration = ''"), f"sparklayer.integration: {EMPTY}"),
    "store's own limits": (
        replaced('"abc"', '"a/b"'),
        "connections[0].bigcommerce.store_hash: must be the short id in the store's API path, such as stores/abc123",
    ),
    "port out of range": (
        with_line("listener", "port = 65536"),
        "listener.port: must be between 0 and 65535, not 65536",
    ),
    "negative seconds": (
        with_line("sync", "debounce_seconds = -1"),
        "sync.debounce_seconds: must be 0 or more, not -1.0",
    ),
    "sweeping without a pause": (
        with_line("sync", "sweep_seconds = 0"),
        "sync.sweep_seconds: must be 1 or more, not 0.0",
    ),
    "not a number": (with_line("sync", "sweep_seconds = nan"), "sync.sweep_seconds: must be 1 or more, not nan"),
    "never": (with_line("sync", "sweep_seconds = inf"), "sync.sweep_seconds: must be 1 or more, not inf"),
    "debounce past its limit": (
        with_line("sync", "debounce_seconds = 20"),
        "sync.debounce_max_seconds: must not be less than debounce_seconds (20.0)",
    ),
    "unknown level": (
        with_line("logging", "level = 'loud'"),
        "logging.level: must be one of debug, info, warning, error, not 'loud'",
    ),
    "http": (with_line("listener", "public_url = 'http://sync.example.com'"), f"listener.public_url: {HTTPS}"),
    "http for a store": (WHOLE + "api_url = 'http://10.0.0.1'", f"connections[0].bigcommerce.api_url: {HTTPS}"),
    "http where nobody is connected": (
        "[sparklayer]\ntest_url = 'http://x'\n" + SECURITY,
        f"sparklayer.test_url: {HTTPS}",
    ),
    "another scheme": (
        with_line("sparklayer", "live_url = 'ftp://x'"),
        "sparklayer.live_url: must be a URL such as https://example.com",
    ),
    "no host": (
        with_line("sparklayer", "live_url = 'https:///x'"),
        "sparklayer.live_url: must be a URL such as https://example.com",
    ),
    "a host that DNS cannot have": (
        with_line("sparklayer", "live_url = 'https://a..b'"),
        "sparklayer.live_url: must be a URL such as https://example.com; no server can have this host",
    ),
    "a store's host that DNS cannot have": (
        WHOLE + "api_url = 'https://xn--zzzzzzzzzzzzzz9999.com'",
        "connections[0].bigcommerce.api_url: must be a URL such as https://example.com; no server can have this host",
    ),
    "URL with a bad port": (
        with_line("sparklayer", "live_url = 'https://x:port'"),
        "sparklayer.live_url: must be a URL such as https://example.com",
    ),
    "URL with a password": (
        with_line("sparklayer", "live_url = 'https://u:hidden@x'"),
        "sparklayer.live_url: must be a base URL: scheme, host and path, without user, query and fragment",
    ),
    "another database": (
        with_line("database", "url = 'mysql://u:hidden@x/y'"),
        f"database.url: {NEED}, not mysql://; {OTHER_DATABASE}",
    ),
    "database in memory": (
        with_line("database", "url = 'sqlite:///:memory:'"),
        f"database.url: {NEED}; {OTHER_DATABASE}",
    ),
    "unreadable secret's file": (
        with_line("listener", "admin_token_file = 'none'"),
        (
            "listener.admin_token_file: cannot read {here}/none (No such file or directory);"
            " correct the path or the permissions"
        ),
    ),
    "secret's file that is no path": (
        with_line("listener", "admin_token_file = 1"),
        "listener.admin_token_file: must be the path of a file, not a whole number",
    ),
    "secret given twice": (
        with_line("listener", "admin_token = 'x'\nadmin_token_file = 'y'"),
        "listener.admin_token_file: admin_token is set as well; remove one of the two",
    ),
    "file for what is no secret": (
        with_line("listener", "port_file = 'y'"),
        'listener.port_file: unknown setting "port_file"; did you mean "port"?',
    ),
}


@each("what", [*BAD_FILES])
def test_a_bad_file_is_explained_in_one_line(what: str) -> None:
    text, expected = BAD_FILES[what]
    assert line(text) == f"s.toml: {expected.replace('{here}', str(Path.cwd()))}"


BAD_VARIABLES = {
    "PORT=http": "must be a whole number, not a text",
    "PORT=70000": "must be between 0 and 65535, not 70000",
    "DATABASE_URL=mysql://u:hidden@h/d": f"{NEED}, not mysql://; {OTHER_DATABASE}",
    "IGNITE_SYNC_LISTENER_PROT=1": 'unknown setting "prot"; did you mean "port"?',
    "IGNITE_SYNC__LISTENER__PORT=1": "names no setting; did you mean IGNITE_SYNC_LISTENER_PORT?",
    "IGNITE_SYNC_LISTENER_METRICS_OPEN=perhaps": "must be true or false, not a text",
    "IGNITE_SYNC_SYNC_SWEEP_SECONDS=often": "must be a number, not a text",
    "IGNITE_SYNC_LISTENER_ADMIN_TOKEN=": EMPTY,
    "IGNITE_SYNC_LISTENER_ADMIN_TOKEN_FILE=none": (
        "cannot read {here}/none (No such file or directory); correct the path or the permissions"
    ),
    "IGNITE_SYNC_SECURITY_SECRET_KEYS=,": KEYS,
}


@each("variable", [*BAD_VARIABLES])
def test_a_bad_variable_is_explained_in_one_line(variable: str) -> None:
    name, _, value = variable.partition("=")
    assert line(WHOLE, {name: value}) == f"environment: {name}: {BAD_VARIABLES[variable]}".replace(
        "{here}", str(Path.cwd())
    )


DYNO = {
    "SITE_ENV": "test",
    "SITE_ID": "dyno",
    "CLIENT_ID": "id",
    "CLIENT_SECRET": "s1-hidden",
    "PLATFORM": "bigcommerce",
    "BIGCOMMERCE_STORE_HASH": "abc",
    "BIGCOMMERCE_ACCESS_TOKEN": "s2-hidden",
}


@each(
    ("without", "added", "expected"),
    [
        ("PLATFORM", {}, "PLATFORM: is missing; set it"),
        ("CLIENT_ID", {}, "CLIENT_ID: is missing; set it"),
        ("BIGCOMMERCE_STORE_HASH", {}, "BIGCOMMERCE_STORE_HASH: is missing; set it"),
        ("", {"ALLOW_HTTP": "perhaps"}, "ALLOW_HTTP: must be true or false, not a text"),
        ("", {"BIGCOMMERCE_API_URL": "http://10.0.0.1"}, f"BIGCOMMERCE_API_URL: {HTTPS}"),
        (
            "",
            {"BIGCOMMERCE_STOREHASH": "x"},
            'BIGCOMMERCE_STOREHASH: unknown setting "storehash"; did you mean "store_hash"?',
        ),
        ("", {"SITE_ENV": "live", "SITE_ID": "jones"}, f"SITE_ID: live/jones {TWICE}"),
    ],
)
def test_a_bad_connection_in_the_environment_names_the_variable(
    without: str, added: dict[str, str], expected: str
) -> None:
    variables = {f"IGNITE_SYNC_CONNECTION_{name}": value for name, value in (DYNO | added).items() if name != without}
    assert line(WHOLE, variables) == f"environment: IGNITE_SYNC_CONNECTION_{expected}"


def test_without_any_file_the_environment_is_named() -> None:
    assert line(path="") == "environment: IGNITE_SYNC_SECURITY_SECRET_KEYS: is missing; set it"


def test_a_file_that_is_not_there() -> None:
    expected = (
        "none.toml: cannot be read (No such file or directory); name a file that exists and can be read with --config"
    )
    assert line(path="none.toml") == expected


def test_a_file_that_is_a_folder() -> None:
    Path("folder").mkdir()
    assert line(path="folder").startswith("folder: cannot be read (Is a directory)")


def test_a_file_that_is_no_text() -> None:
    Path("binary").write_bytes(b"\xff\xfe\x00")
    assert line(path="binary") == "binary: cannot be read (it is not UTF-8 text); save it as UTF-8"


TWO_OF_ONE_NAME = """
[[listener.tokens]]
name = "anna"
token = "a-hidden"
[[listener.tokens]]
name = "anna"
token = "b-hidden"
"""


@each(
    ("text", "lines"),
    [
        (
            with_line("sync", "debounce_seconds = 20\nsweep_seconds = 0"),
            [
                "sync.sweep_seconds: must be 1 or more",
                "sync.debounce_max_seconds: must not be less than debounce_seconds (20.0)",
            ],
        ),
        (
            with_line("listener", f"public_url = 'ftp://x'{TWO_OF_ONE_NAME}"),
            ["listener.tokens: two have the same name", "listener.public_url: must be"],
        ),
    ],
)
def test_a_contradiction_is_told_beside_an_error_of_one_setting(text: str, lines: list[str]) -> None:
    Path("s.toml").write_text(text, "utf-8")
    told = sorted(str(error) for error in look_over(Path("s.toml"), {}, PLATFORMS).errors)
    assert len(told) == len(lines), told
    for error, start in zip(told, sorted(lines), strict=True):
        assert error.startswith(f"s.toml: {start}")
