"""Credentials of a connection on their way to the database: a store's, SparkLayer's, and those that wait.

They come from the settings, from SparkLayer's connect, or from a store that let us in. None of these values is shown.
"""

from typing import Any

from attrs import field, frozen

from daemon.model import ApiKey


@frozen
class KnownStore:
    """A store whose credentials are known; `store` is its platform's settings value."""

    platform: str
    store: Any = field(repr=False)


@frozen(kw_only=True)
class Offered:
    """Credentials beside those in use, which replace them when they first work; None: those of that side stay.

    `store` is a settings value of the connection's platform.
    """

    api_key: ApiKey | None = None
    store: Any = field(default=None, repr=False)

    def parts(self) -> list["Offered"]:
        """Return the credentials of each side alone."""
        api_key = [] if self.api_key is None else [Offered(api_key=self.api_key)]
        return api_key if self.store is None else [*api_key, Offered(store=self.store)]

    def without(self, part: "Offered") -> "Offered":
        """Return these without the side that `part` has."""
        return Offered(
            api_key=None if part.api_key is not None else self.api_key,
            store=None if part.store is not None else self.store,
        )


NOTHING_OFFERED = Offered()


@frozen(kw_only=True)
class KeyAnswers:
    """The answers of both sides about the credentials of a connect: of SparkLayer's key, and of the store's keys.

    `store_known` is false if the store gave no answer about the keys that came with the connect. `store_void` is true
    if the store refuses those that the site's connection uses, so the merchant must let us in again.
    """

    api_key_known: bool = False
    store_known: bool = False
    store_void: bool = False
