"""The settings: from TOML and the environment to checked values.

`settings` has the values, `table` turns one section of raw settings into one of them or explains its errors, `load`
finds the sections. A `Settings` from `load` has been checked.
"""

from daemon.config.load import Survey, load, look_over
from daemon.config.settings import (
    ConnectionSettings,
    DatabaseSettings,
    ListenerSettings,
    LoggingSettings,
    NotificationSettings,
    SecuritySettings,
    Settings,
    SparkLayerSettings,
    SyncSettings,
)

__all__ = [
    "ConnectionSettings",
    "DatabaseSettings",
    "ListenerSettings",
    "LoggingSettings",
    "NotificationSettings",
    "SecuritySettings",
    "Settings",
    "SparkLayerSettings",
    "Survey",
    "SyncSettings",
    "load",
    "look_over",
]
