"""Variables of a cluster are ignored and listed; a misspelt setting is an error that suggests the nearest one."""

import pytest

from daemon.config import load
from tests.config.files import PLATFORMS, line
from tests.each import each

KEYS = {"IGNITE_SYNC_SECURITY_SECRET_KEYS": "0123456789abcdef"}
ADDRESS = "tcp://10.3.0.7:8080"
SERVICE = {
    "SERVICE_HOST": "10.3.0.7",
    "SERVICE_PORT": "8080",
    "SERVICE_PORT_HTTP": "8080",
    "PORT": ADDRESS,
    "PORT_8080_TCP": ADDRESS,
    "PORT_8080_TCP_PROTO": "tcp",
    "PORT_8080_TCP_PORT": "8080",
    "PORT_8080_TCP_ADDR": "10.3.0.7",
    "PORT_53_UDP": "udp://10.3.0.7:53",
    "PORT_9_SCTP": "sctp://10.3.0.7:9",
    "NAME": "/web/ignite-sync",
}
SIX = {
    "SERVICE_HOST": "fd00::7",
    "PORT": "tcp://[fd00::7]:8080",
    "PORT_8080_TCP_ADDR": "fd00::7",
}
SERVICES = ["", "METRICS_", "LISTENER_", "DATABASE_", "SECURITY_", "CONNECTION_", "CONNECTION_BIGCOMMERCE_"]
"""Of Services named `ignite-sync`, `ignite-sync-metrics`, and as some sections."""


@pytest.mark.holds("E06")
@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("injected", [SERVICE, SIX], ids=["IPv4", "IPv6"])
def test_what_a_cluster_injects_is_named_and_not_read(service: str, injected: dict[str, str]) -> None:
    foreign = {f"IGNITE_SYNC_{service}{name}": value for name, value in injected.items()}
    taken = load(None, KEYS | foreign, PLATFORMS)
    assert taken.foreign == tuple(sorted(foreign))
    assert (taken.listener.port, taken.connections) == (8080, ())


@pytest.mark.holds("E06")
@each("name", [*SERVICE])
@each("value", ["", "yes", "10.3.0", "tcp://hidden:x", "https://10.3.0.7", "tcp://1.2.3.999:1"])
def test_such_a_name_with_another_value_is_an_error(name: str, value: str) -> None:
    assert line("", KEYS | {f"IGNITE_SYNC_{name}": value}, path="").startswith(f"environment: IGNITE_SYNC_{name}: ")


@pytest.mark.holds("E06")
@each(
    ("name", "nearest"),
    [
        ("LISTENR_PORT", "LISTENER_PORT"),
        ("PORT", "LISTENER_PORT"),
        ("ADMIN_TOKEN", "LISTENER_ADMIN_TOKEN"),
        ("CONECTION_SITE_ID", "CONNECTION_SITE_ID"),
        ("SECRET_KEYS", "SECURITY_SECRET_KEYS"),
        ("BIGCOMMERCE_STORE_HASH", "CONNECTION_BIGCOMMERCE_STORE_HASH"),
        ("LISTENERPORT", "LISTENER_PORT"),
    ],
)
def test_a_misspelt_one_names_the_nearest_setting(name: str, nearest: str) -> None:
    for value in ("8080", "10.3.0.7", ""):
        text = line("", KEYS | {f"IGNITE_SYNC_{name}": value}, path="")
        assert text == f"environment: IGNITE_SYNC_{name}: names no setting; did you mean IGNITE_SYNC_{nearest}?"


def test_without_any_foreign_one_none_is_named() -> None:
    assert load(None, KEYS, PLATFORMS).foreign == ()
