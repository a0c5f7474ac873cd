"""Facts that the suite needs about a platform, and about a stand-in of one of its stores.

A platform joins with one file, `tests/conformance/{name}_kit.py`, which has a constant `KIT`. The stand-in is reached
by a transport, so it runs without sockets; it shall be as strict as the real API, and as strange. Every edit is made
behind the adapter's back: nothing is announced, since webhooks are asked for by `delivery`.
"""

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from attrs import field, frozen

from daemon.model import ExternalId, Kind
from daemon.platforms import load_platforms
from daemon.platforms.base import PlatformType
from daemon.transport.http import Transport

PUBLIC_URL = "https://sync.test"
"""Base URL of our own pages."""


@frozen(kw_only=True)
class Sent:
    """A webhook as it arrives: header names in lower case, and the body's bytes."""

    headers: Mapping[bytes, bytes]
    body: bytes


@frozen(kw_only=True)
class Visited:
    """A call of one of the app's pages."""

    page: str
    query: Mapping[str, str] = field(factory=dict)
    body: bytes = b""


@frozen(kw_only=True)
class Hook:
    """A webhook that is registered: for what, where it leads, and whether it works."""

    scope: str
    destination: str
    active: bool = True


class Stand(Protocol):
    """A stand-in of one store, empty at first but for its settings, and all that the suite does to it."""

    transport: Transport
    settings: Any
    """Settings that connect to it, of the platform's `settings` class."""
    other_settings: Any
    """The same store, with every secret of its webhooks another one."""
    secrets: Sequence[str]
    """Texts that must be shown nowhere."""
    personal: Sequence[str]
    """Texts of persons that stand in what `add` adds."""
    destinations: tuple[str, str]
    """Address of our webhooks, and of another connection's."""
    spellings: Sequence[str]
    """Texts by which SparkLayer or a person may name the store of `settings`."""
    strange_ids: Sequence[str]
    """Texts that are no id of any store of this platform."""
    moved: Sequence[str]
    """Other addresses of ours: at another host, another port, below another path."""
    now: float
    """The store's clock, in seconds since the epoch; the suite sets it."""

    def add(self, kind: Kind, count: int) -> list[ExternalId]:
        """Add so many entities, each of which maps to a value without problems."""
        ...

    def edit(self, kind: Kind, external_id: ExternalId) -> None:
        """Change what an entity maps to; the platform dates that, if it dates such things."""
        ...

    def edit_unseen(self, kind: Kind, external_id: ExternalId) -> None:
        """Change what an entity maps to by way of what the platform tells only in lists: a note, a group."""
        ...

    def spoil(self, kind: Kind, external_id: ExternalId) -> None:
        """Make a merchant's mistake in an entity, which mapping must find."""
        ...

    def delete(self, kind: Kind, external_id: ExternalId) -> None:
        """Delete an entity for good."""
        ...

    def revoke(self) -> None:
        """Make the credentials void, or valid again."""
        ...

    def called(self, kind: Kind, external_id: ExternalId) -> Sequence[str]:
        """Return what a person calls an entity: each SKU and the name, the e-mail address, the number. No other's."""
        ...

    def delivery(self, kind: Kind, external_id: ExternalId, *, body: bytes | None = None, age: float = 0) -> Sent:
        """Return the webhook of an update, signed `age` seconds ago, over `body` instead of its own if it is given."""
        ...

    def unmanaged(self) -> Sent:
        """Return a signed webhook about something that we know nothing of."""
        ...

    def ping(self) -> Sent | None:
        """Return the request by which the platform tries an address before it registers it; None: it sends none."""
        ...

    def hooks(self) -> Sequence[Hook]:
        """Return what is registered."""
        ...

    def add_hook(self, destination: str) -> None:
        """Register a webhook of somebody else's."""
        ...

    def disable_hooks(self) -> None:
        """Switch off all that is registered, as the platform does after many failures."""
        ...

    def typed(self) -> Mapping[str, str]:
        """Return the fields of `extra_config` with credentials of the store; none if merchants type no keys."""
        ...

    # Only of a platform with an app:

    app_settings: Any
    """Settings of the app, whose `public_url` is `PUBLIC_URL`."""

    async def consent(self, install_url: str) -> Visited:
        """Return the call by which the platform passes on the consent of the store's merchant at `install_url`."""
        ...

    def strangers(self, visited: Visited) -> Sequence[Visited]:
        """Return calls like that of a consent that are no consent to the access that we need to the store."""
        ...


@frozen(kw_only=True)
class Kit:
    """A platform, as the suite sees it."""

    platform: PlatformType
    open: Callable[[], AbstractAsyncContextManager[Stand]]
    """Opens a stand-in, which is gone at the end of the block."""
    page: Mapping[Kind, int]
    """The most entities of a page: the suite adds more than two pages of them."""
    dated: frozenset[Kind]
    """Of what the platform dates changes, so that `changed_since` can leave the rest out."""
    refusal: Callable[[str], Mapping[str, Any]]
    """Makes the body of the API's own refusal, with status 422, in given words."""
    registers_together: bool
    """True if one call registers all webhooks, so that its failure keeps all of them away."""
    unseen: frozenset[Kind]
    """Of what there is something that is told only in lists, so that `edit_unseen` works."""
    shrinking: frozenset[Kind]
    """Of what the adapter can ask for smaller pages when the store bears no large ones."""
    signs_time: bool
    """True if a webhook's time is signed, so that an old one is known as stale."""


def find_kits() -> dict[str, Kit | None]:
    """Return the kit of every platform of the daemon by its name; None where there is none."""
    return {name: _kit_of(name) for name in load_platforms()}


def _kit_of(name: str) -> Kit | None:
    module = f"tests.conformance.{name}_kit"
    if importlib.util.find_spec(module) is None:
        return None
    kit: Kit = importlib.import_module(module).KIT
    return kit
