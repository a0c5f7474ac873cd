"""The platforms, found by their folders.

Each folder below this one, except `shared`, has a constant `PLATFORM`; see `daemon.platforms.base`.
"""

import importlib
import pkgutil

from daemon.platforms.base import PlatformType


def load_platforms() -> dict[str, PlatformType]:
    """Return every platform by its name. Raises AttributeError for a folder without a `PLATFORM`."""
    folders = (module.name for module in pkgutil.iter_modules(__path__) if module.ispkg and module.name != "shared")
    platforms = [importlib.import_module(f"{__name__}.{folder}").PLATFORM for folder in folders]
    return {platform.name: platform for platform in platforms}
