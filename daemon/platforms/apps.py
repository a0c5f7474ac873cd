"""Access to a store: the app of a platform, the visits of merchants to it, and keys that a merchant types.

A platform offers an `AppType`, or `TypedKeys`, or both; see `daemon.platforms.base.PlatformType`. Either way the result
is a settings value of the platform, with the credentials of one store.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from attrs import field, frozen

from daemon.transport.client import Observe
from daemon.transport.http import Transport


@frozen(kw_only=True)
class Installed:
    """A merchant has installed the app. `store` is the platform's settings value with the new credentials."""

    store_id: str
    store: Any = field(repr=False)


@frozen
class Loaded:
    """A merchant has opened the app in the store's control panel."""

    store_id: str


@frozen
class Uninstalled:
    """A merchant has removed the app, which revokes the credentials and webhooks of that install."""

    store_id: str


@frozen(kw_only=True)
class Authorized:
    """A merchant has let us into the store of a pending connection, and the platform names neither.

    `state` is the one-time text that `install_url` was given for that connection. `install` tries the new credentials
    on the store with the id that the pending connection has; it raises AppRefused if they do not work there.
    """

    state: str = field(repr=False)
    install: Callable[[str], Awaitable[Installed]] = field(repr=False)


@frozen
class Returned:
    """A merchant's browser comes back from the page at which the store asks for consent; nothing is done."""

    success: bool


Visit = Installed | Authorized | Loaded | Uninstalled | Returned


class AppRefused(Exception):
    """A call of one of the app's pages did not come from the platform, or came too late.

    The text tells the merchant what is wrong and how to fix it, without secrets. `status` is the HTTP status to answer.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class App(Protocol):
    """An app in the platform's marketplace. Merchants install it to let us read their store."""

    def install_url(self, store_id: str, state: str) -> str:
        """Return the URL at which a merchant installs the app in a store, spelt as `PlatformType.store_id` does.

        `state` names the pending connection, is valid once and for an hour, and fits into a URL as it is. Raises
        ValueError, with what is wrong and how to fix it, if the store could not answer at our public URL.
        """
        ...

    async def visit(self, page: str, query: Mapping[str, str], body: bytes = b"") -> Visit:
        """Verify a call of a page and return its meaning. Raises AppRefused."""
        ...

    async def aclose(self) -> None:
        """Close the connections to the platform."""
        ...


@frozen
class AppPage:
    """A page of an app: its name, its only method, and the status that the platform wants for a successful call."""

    name: str
    method: str = "GET"
    status: int = 200


@frozen(kw_only=True)
class AppType:
    """The app of a platform.

    `settings` is an attrs class, structured from the section `[{name}_app]`. None: the app needs no settings, so it is
    there wherever the daemon has a public URL. `connect` builds the app for a base URL; its `pages` are served at
    {public_url}/{name}/{page}. Tests pass another transport.
    """

    settings: type | None
    pages: tuple[AppPage, ...]
    connect: Callable[[Any, str, Transport | None], App]


@frozen(kw_only=True)
class TypedKeys:
    """Credentials of a store that a merchant types in SparkLayer's Dashboard; a connect brings them in `extra_config`.

    `read` takes a store's id, spelt as `PlatformType.store_id` does, and the whole `extra_config`, and returns the
    settings value. It returns None if none of its fields is filled in, ignores other fields, and raises ValueError,
    with the field and what it must be, for unusable ones. No text quotes a value.
    `attempt` uses the credentials of a settings value on its store, for reading and writing, and changes nothing there.
    It raises Rejected, with words for the merchant, if they do not work; any other failure decides nothing.
    """

    read: Callable[[str, Mapping[str, object]], Any | None]
    attempt: Callable[[Any, Transport | None, Observe], Awaitable[None]]
