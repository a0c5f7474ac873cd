"""The shop's roles, and those of B2B customers. Read when an enumeration begins, and cached.

A customer's own record shows only the first of its roles, so roles are asked for by lists (woocommerce-more.md,
Customers). Their names come from the description of these lists. Since they stay cached, one description without a
B2B role would take its customers away: a second one, two seconds later, decides.
"""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import partial

import msgspec
import trio

from daemon.errors import Retry
from daemon.model import Lane
from daemon.platforms.woocommerce.client import OBJECT, Client
from daemon.transport.http import shortly
from daemon.transport.second_answer import SECOND_AFTER

PATH = "/customers"
ANY = "all"
"""Value of the filter for every role; it is not a role."""


class Roles:
    """The B2B roles of one shop, in the order of its list."""

    def __init__(self, client: Client, patterns: Sequence[str]) -> None:
        self._client = client
        self._patterns = patterns
        self._every: tuple[str, ...] | None = None
        self._known: frozenset[str] | None = None
        """The B2B roles at the last reading, kept by `forget`; None before the first."""

    async def refresh(self) -> tuple[str, ...]:
        """Read the shop's roles."""
        every, known = await self._read(), self._known
        # At the first reading, a shop without any B2B role is asked twice.
        if not known <= set(every) if known is not None else not any(map(self.is_b2b, every)):
            await trio.sleep(SECOND_AFTER)
            every = await self._read()
        self._every, self._known = every, frozenset(filter(self.is_b2b, every))
        return every

    async def every(self) -> tuple[str, ...]:
        """Return the shop's roles, read at the first call."""
        return await self.refresh() if self._every is None else self._every

    async def b2b(self) -> tuple[str, ...]:
        """Return the B2B roles."""
        return tuple(filter(self.is_b2b, await self.every()))

    async def others(self) -> tuple[str, ...]:
        """Return the roles outside B2B."""
        return tuple(role for role in await self.every() if not self.is_b2b(role))

    async def unmatched(self) -> tuple[str, ...]:
        """Read the shop's roles; return the patterns without any role."""
        every = await self.refresh()
        return tuple(pattern for pattern in self._patterns if not any(fnmatchcase(role, pattern) for role in every))

    async def _read(self) -> tuple[str, ...]:
        """Return the roles in the description of the list of customers. Raises Retry if there are none."""
        described = await shortly(partial(self._client.options, PATH, OBJECT, lane=Lane.LIVE))
        try:
            reads = [end for end in described["endpoints"] if "GET" in end["methods"]]
            roles = msgspec.convert(reads[0]["args"]["role"]["enum"], list[str])
        except (KeyError, IndexError, TypeError, msgspec.ValidationError):
            roles = []
        if not roles:
            raise Retry("WooCommerce's description of customers names no roles", reason="unexpected_shape")
        return tuple(dict.fromkeys(role for role in roles if role != ANY))

    def is_b2b(self, role: str) -> bool:
        """Return True if a role fits one of the patterns."""
        return any(fnmatchcase(role, pattern) for pattern in self._patterns)

    def forget(self) -> None:
        """Read the roles again at the next call: the shop has refused one."""
        self._every = None
