"""Recognises operators by their tokens, and slows down guesses.

A token is compared with each that is known, in constant time. The first few wrong ones are answered at once. Beyond,
a wrong one is answered after a second, and only a few wait at a time; meanwhile no other token is looked at. So
however many connections an attacker opens, the number of guesses a second is bounded. No address counts, since behind a
proxy all callers share one. Sessions of the page need no token, so operators who have logged in are not affected.
"""

import hmac
from collections import deque
from collections.abc import Sequence

import trio
from attrs import define, field

from daemon.model.operators import NamedToken
from daemon.observability.tally import Tally

FREE = 5
"""Wrong tokens within `WITHIN` seconds that are answered at once: people mistype."""

WITHIN = 60.0
DELAY = 1.0
"""Seconds that a further wrong token waits for its answer."""

AT_ONCE = 8
"""Tokens that are looked at or wait at the same time, so at most as many guesses in `DELAY` seconds."""


class TooManyGuesses(Exception):
    """Too many wrong tokens wait for their answers, so this one was not looked at."""


@define(eq=False)
class Entrance:
    """One of the entrances, /admin and the page: an attack on one does not shut the other."""

    _tokens: Sequence[NamedToken]
    _name: str
    _wrong: deque[float] = field(init=False, factory=lambda: deque(maxlen=FREE))
    _slots: trio.CapacityLimiter = field(init=False, factory=lambda: trio.CapacityLimiter(AT_ONCE))
    _tally: Tally = field(init=False, factory=Tally)

    async def holder(self, given: bytes) -> NamedToken | None:
        """Return the known token that equals `given`; None if none does. Raises TooManyGuesses."""
        borrower = object()
        try:
            self._slots.acquire_on_behalf_of_nowait(borrower)
        except trio.WouldBlock:
            raise TooManyGuesses from None
        try:
            holder, now = None, trio.current_time()
            # Each is compared, so the time does not tell which one was close.
            for token in self._tokens:
                if hmac.compare_digest(given, token.token.reveal().encode()):
                    holder = token
            if holder is None and given:
                self._tally.log("wrong tokens refused", entrance=self._name)
                slowed = len(self._wrong) == FREE and now - self._wrong[0] < WITHIN
                self._wrong.append(now)
                if slowed:
                    await trio.sleep(DELAY)
            return holder
        finally:
            self._slots.release_on_behalf_of(borrower)
