"""Variables within the file (${NAME}), and several connections from the environment."""

from pathlib import Path

from daemon.config import look_over
from daemon.model import Secret
from tests.config.files import PLATFORMS, WHOLE, line
from tests.config.test_config import VARIABLES, settings
from tests.each import each

NEXT = {name.replace("CONNECTION_", "CONNECTION_2_"): value for name, value in VARIABLES.items() if "CONN" in name}


def test_a_variable_within_the_file_is_parsed_by_its_settings_type() -> None:
    text = f"""{WHOLE.replace('"s1-hidden"', '"${SPARK}"')}
b2b_customer_groups = ["${{FIRST}}", 5]
[listener]
port = "${{WEB}}"
public_url = "https://${{NAME}}.example.com"
[database]
url = "sqlite:///$${{A}}.db"
"""
    taken = settings(text, SPARK="s9-hidden", FIRST="3", WEB="81", NAME="sync")
    [connection] = taken.connections
    assert connection.client_secret == Secret("s9-hidden")
    assert connection.store.b2b_customer_groups == (3, 5)
    assert (taken.listener.port, taken.listener.public_url) == (81, "https://sync.example.com")
    assert taken.database.path.name == "${A}.db"


@each(
    ("old", "new", "place"),
    [
        ("s1-hidden", "${GONE}", "connections[0].client_secret"),
        ("s2-hidden", "x${GONE}", "connections[0].bigcommerce.access_token"),
        ("0123456789abcdef", "${GONE}", "security.secret_keys"),
    ],
)
def test_a_missing_variable_is_named_with_the_setting_and_nothing_else(old: str, new: str, place: str) -> None:
    assert old in WHOLE
    Path("s.toml").write_text(WHOLE.replace(old, new), "utf-8")
    [error] = look_over(Path("s.toml"), {}, PLATFORMS).errors
    assert str(error).startswith(f"s.toml: {place}: names the variable GONE, which is not set; set it")


def test_an_error_in_a_variables_value_names_the_variable() -> None:
    text = f'{WHOLE}\n[listener]\nport = "${{WEB}}"\n'
    assert "environment: WEB: must be a whole number" in line(text, {"WEB": "http"})


def test_the_environment_describes_several_connections() -> None:
    numbered = NEXT | {
        "IGNITE_SYNC_CONNECTION_2_SITE_ID": "second",
        "IGNITE_SYNC_CONNECTION_2_BIGCOMMERCE_STORE_HASH": "b",
    }
    tenth = {name.replace("_2_", "_10_"): value for name, value in NEXT.items()}
    tenth["IGNITE_SYNC_CONNECTION_10_SITE_ID"] = "tenth"
    taken = settings("", **VARIABLES, **numbered, **tenth).connections
    assert [str(connection.site) for connection in taken] == ["test/dyno", "test/second", "test/tenth"]
    assert [connection.store.store_hash for connection in taken] == ["abc", "b", "abc"]


def test_connections_of_the_environment_may_all_have_a_number() -> None:
    first = {name.replace("CONNECTION_", "CONNECTIONS_1_"): value for name, value in VARIABLES.items()}
    second = {name.replace("CONNECTION_2_", "CONNECTIONS_2_"): value for name, value in NEXT.items()}
    second |= {"IGNITE_SYNC_CONNECTIONS_2_SITE_ID": "second", "IGNITE_SYNC_CONNECTIONS_2_BIGCOMMERCE_STORE_HASH": "b"}
    for variables in (first | second, VARIABLES | second):
        taken = settings("", **variables).connections
        assert [str(connection.site) for connection in taken] == ["test/dyno", "test/second"]
    for own, plural in (("CONNECTION", "CONNECTIONS_1"), ("CONNECTION_2", "CONNECTIONS_2")):
        text = f"names the connection that IGNITE_SYNC_{own}_* names; spell all of its variables alike"
        told = line(
            "",
            VARIABLES | NEXT | {"IGNITE_SYNC_CONNECTION_2_SITE_ID": "second"} | {f"IGNITE_SYNC_{plural}_SITE_ID": "x"},
        )
        assert told == f"environment: IGNITE_SYNC_{plural}_*: {text}"


def test_an_error_of_a_numbered_connection_names_its_variable() -> None:
    incomplete = {name: value for name, value in NEXT.items() if not name.endswith("_CLIENT_SECRET")}
    incomplete["IGNITE_SYNC_CONNECTION_2_BIGCOMMERCE_CLIENT_SECRET"] = "s3-hidden"
    error = line("", {**VARIABLES, **incomplete})
    assert error == "environment: IGNITE_SYNC_CONNECTION_2_CLIENT_SECRET: is missing; set it"
