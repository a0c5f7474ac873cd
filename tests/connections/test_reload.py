"""A reload applies some settings at once and names those that need a restart."""

from pathlib import Path
from typing import Any

import attrs
import pytest

from daemon.config import (
    DatabaseSettings,
    ListenerSettings,
    LoggingSettings,
    NotificationSettings,
    SecuritySettings,
    Settings,
    SparkLayerSettings,
    SyncSettings,
)
from daemon.connections.reload import merged
from daemon.model import Secret

PUBLIC = "https://here.test"
RUNNING = Settings(
    listener=ListenerSettings(public_url=PUBLIC),
    security=SecuritySettings(secret_keys=(Secret("0123456789abcdef"),)),
    apps={"bigcommerce": "an app"},
)
OTHER: dict[str, Any] = {
    "listener.host": ListenerSettings(public_url=PUBLIC, host="0.0.0.0"),  # noqa: S104
    "listener.port": ListenerSettings(public_url=PUBLIC, port=1),
    "listener.public_url": ListenerSettings(public_url="https://there.test"),
    "database.url": DatabaseSettings(url="sqlite:///other.db"),
    "database.folder": DatabaseSettings(folder=Path("/elsewhere")),
    "sparklayer.live_url": SparkLayerSettings(live_url="https://other.test"),
    "sync.sweep_seconds": SyncSettings(sweep_seconds=1),
    "security.secret_keys": SecuritySettings(secret_keys=(Secret("fedcba9876543210"),)),
    "logging.level": LoggingSettings(level="debug"),
    "notifications.slack_url": NotificationSettings(slack_url=Secret("https://slack.test/hook")),
}


@pytest.mark.parametrize("name", OTHER)
def test_what_takes_a_restart_is_named_and_stays(name: str) -> None:
    read = attrs.evolve(RUNNING, **{name.partition(".")[0]: OTHER[name]})
    assert merged(RUNNING, read) == (RUNNING, [name])


@pytest.mark.parametrize(
    "changed",
    [
        {"connections": ("others",)},
        {"apps": {}},
        {"apps": {"bigcommerce": "another app"}},
        {"listener": ListenerSettings(public_url=PUBLIC, admin_token=Secret("a"))},
        {"listener": ListenerSettings(public_url=PUBLIC, ignite_token=Secret("i"))},
        {"listener": ListenerSettings(public_url=PUBLIC, metrics_open=True)},
    ],
)
def test_what_is_taken_over_is_as_it_was_read(changed: dict[str, Any]) -> None:
    read = attrs.evolve(RUNNING, **changed)
    assert merged(RUNNING, read) == (read, [])


def test_apps_wait_for_the_public_url_that_they_come_back_to() -> None:
    read = attrs.evolve(RUNNING, listener=ListenerSettings(), apps={})
    assert merged(RUNNING, read) == (RUNNING, ["listener.public_url", "bigcommerce_app"])


def test_every_setting_is_either_taken_over_or_named() -> None:
    sections = [one.name for one in attrs.fields(Settings) if attrs.has(type(getattr(RUNNING, one.name)))]
    assert {name.partition(".")[0] for name in OTHER} == set(sections)
