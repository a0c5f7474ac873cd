"""The settings: TOML and the environment in, checked values out.

`settings` has the values, `table` turns one section of raw settings into one of them and words what is wrong,
`load` finds the sections. Whoever has a `Settings` from `load` has checked settings.
"""

from daemon.config.load import Survey, load, look_over
from daemon.config.settings import (
    ConnectionSettings,
    DatabaseSettings,
    ListenerSettings,
    LoggingSettings,
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
    "SecuritySettings",
    "Settings",
    "SparkLayerSettings",
    "Survey",
    "SyncSettings",
    "load",
    "look_over",
]
