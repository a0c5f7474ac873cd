"""Calls of one store's API that are alike on every platform: each goes through the throttle, and its rights are judged.

The throttle judges a refusal by the operation and the entities of the call. Credentials are sent in a header and appear
nowhere else.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import partial

from daemon.errors import Failure
from daemon.model import Lane, Secret
from daemon.platforms.shared.short_answers import ShortAnswers
from daemon.transport.client import Observe, ThrottledApi
from daemon.transport.http import Answer, Api
from daemon.transport.throttle import Limiter, Scopes

SCOPE_MISSING = "scope_missing"
"""Reason of the Blocked for a right that the credentials lack."""

LONGEST_WORDS = 300
"""Characters of a platform's own words that a failure quotes."""

_ID = re.compile(r"/\d+")


class StoreClient(ABC):
    """Calls one store's API."""

    narrowing: tuple[str, ...]
    """Parameters that select single entities. Pages of an enumeration have none of them."""

    def __init__(self, name: str, api: Api, limiter: Limiter, observe: Observe) -> None:
        self.limiter = limiter
        self._api = ThrottledApi(name, api, limiter, observe)
        self._scopes = Scopes()
        self._short_answers = ShortAnswers()

    @abstractmethod
    async def probe(self) -> None:
        """Make the cheapest call that checks credentials and service."""

    @abstractmethod
    def refusal(self, answer: Answer, path: str) -> Failure:
        """Return the failure that an answer (not 2xx) to a read means."""

    async def read(self, method: str, path: str, lane: Lane, query: Mapping[str, str] | None) -> Answer:
        """Make one call that changes nothing. Raises the failure of a refusal."""
        async with self._scopes.turn(operation_of(path), partial(entities_of, path, query, self.narrowing)) as turn:
            answer = await self._api.send(method, path, lane, query=query)
            failure = None if answer.ok else self.refusal(answer, path)
            failure = turn.judged(failure, forbidden=failure is not None and failure.reason == SCOPE_MISSING)
        if failure is not None:
            raise failure
        return answer

    async def aclose(self) -> None:
        """Close the connections."""
        await self._api.aclose()


def operation_of(path: str) -> str:
    """Return the path with placeholders for its ids."""
    return _ID.sub("/{}", path)


def entities_of(path: str, query: Mapping[str, str] | None, narrowing: Sequence[str]) -> frozenset[Hashable]:
    """Return the ids in the path and in the parameters `narrowing` of a call."""
    asked = [value for name, value in (query or {}).items() if name in narrowing]
    return frozenset(_ID.findall(path)) | {f"/{id_}" for value in asked for id_ in value.split(",") if id_}


def quoted(words: str, secrets: Iterable[Secret]) -> str:
    """Return a platform's words for people: on one line, without secrets, shortened."""
    texts = {secret.reveal() for secret in secrets}
    # The words may have other white space, and a secret may be the beginning of another.
    spelt = sorted(texts | {" ".join(text.split()) for text in texts}, key=len, reverse=True)
    for _ in range(2):
        for text in spelt:
            words = words.replace(text, "***")
        words = " ".join(words.split())
    return words if len(words) <= LONGEST_WORDS else f"{words[: LONGEST_WORDS - 1]}…"
