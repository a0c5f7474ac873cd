"""The platforms that data can come from, found by their folders.

Each folder below this one but `shared` offers a constant `PLATFORM`; see `daemon.platforms.base`.
"""

import importlib
import pkgutil

from daemon.platforms.base import PlatformType


def load_platforms() -> dict[str, PlatformType]:
    """Return every platform by its name. A folder without a `PLATFORM` is a mistake and raises AttributeError."""
    folders = (module.name for module in pkgutil.iter_modules(__path__) if module.ispkg and module.name != "shared")
    found = [importlib.import_module(f"{__name__}.{folder}").PLATFORM for folder in folders]
    return {platform.name: platform for platform in found}
