"""Modules that libraries load and this process does not need.

structlog imports rich to colour tracebacks, which are never shown with colours here. httpx imports its command line,
which loads rich and pygments. structlog and SQLAlchemy look for greenlet, and shutil for the libraries of archives. All
of them go on without: in `sys.modules`, None says that a module is not installed. That saves 17 MB of the daemon, and a
third of a second of each command. Imports nothing heavy.
"""

import sys
from typing import Any, cast

MODULES = ("bz2", "greenlet", "httpx._main", "lzma", "rich")


def forbid() -> None:
    """Let imports of these modules fail from now on."""
    modules = cast("dict[str, Any]", sys.modules)
    for name in MODULES:
        modules.setdefault(name, None)


def allow(name: str) -> None:
    """Let imports of a module succeed again."""
    if name in sys.modules and cast("dict[str, Any]", sys.modules)[name] is None:
        del sys.modules[name]
