"""Random faults of requests: few as a rule, many during a storm, none once `calm` is called.

A fault strikes before the effect of a request, so that nothing was done, or after it, so that all was done and the
caller cannot know. `FAULTS` has them with their shares; those of one side only are marked so.
"""

import random
from collections.abc import Iterable, Sequence

from attrs import define, field, frozen

SHOP, SITE = "shop", "site"
SIDES = (SHOP, SITE)

RIGHTS = tuple((SITE, f"/api/{part}") for part in ("auth/", "v1/products", "v2/customers", "v1/batch-", "v1/sync-log"))
"""Operations of SparkLayer that may be forbidden for a while. A 403 of a purchase is about the request itself."""


@frozen
class Fault:
    """Something that happens to one request. `number` is a status, or seconds, or how much is left of an answer."""

    name: str
    after: bool = False
    number: float = 0.0

    def __str__(self) -> str:
        return f"{self.name}{'+' if self.after else '-'}{self.number:g}"


@frozen
class _Sort:
    name: str
    share: int
    numbers: Sequence[float] = (0.0,)
    after: Sequence[bool] = (False, True)
    sides: Sequence[str] = SIDES
    methods: Sequence[str] = ()


FOREIGN = (400, 403, 404, 409)
"""Refusals of a proxy or gateway, in its own words."""

FAULTS = (
    _Sort("slow", 6, numbers=(0.5, 2.0, 6.0)),
    _Sort("hang", 2),
    _Sort("connect", 2, after=(False,)),
    _Sort("reset", 4),
    _Sort("truncate", 3, after=(True,)),
    _Sort("garbage", 2, after=(True,)),
    _Sort("html", 2, numbers=(200, 502, 503)),
    _Sort("html", 2, numbers=FOREIGN, after=(False,)),
    _Sort("text", 2, numbers=FOREIGN, after=(False,)),
    _Sort("status", 4, numbers=(500, 503, 504)),
    _Sort("status", 1, numbers=(408, 425), after=(False,)),
    _Sort("refuse", 4, numbers=(0, 1, 3, 20), after=(False,)),
    _Sort("refuse-until", 2, numbers=(2, 20), after=(False,)),
    _Sort("conflict", 2, after=(False,), sides=(SITE,), methods=("POST", "PATCH")),
    _Sort("short", 3, after=(True,), sides=(SHOP,), methods=("GET",)),
    _Sort("revoke", 3, after=(False,), sides=(SITE,)),
)
"""`refuse` is a 429 that asks for so many seconds, 0: for none, `refuse-until` one that names the moment; `revoke`
makes SparkLayer's tokens worthless; `html` is a page of a proxy, with a 200 one that wants somebody to log in;
`text` is JSON of a gateway's own."""

FOREIGN_SHARE = 2
"""The share of each answer that only a platform's stores give."""

DRIZZLE = 0.02


@define(eq=False)
class FaultPlan:
    """The weather between the daemon and both sides."""

    chance: random.Random
    storms: dict[str, float] = field(factory=lambda: dict.fromkeys(SIDES, DRIZZLE))
    down: dict[str, Fault | None] = field(factory=lambda: dict[str, Fault | None].fromkeys(SIDES))
    """Outage of a side: no connection succeeds, or a gateway is misrouted."""
    short_pages: bool = False
    """True if lists too may leave rows out, not only reads by ids. The daemon cannot know a row never listed."""
    forgetful: bool = False
    """Every page of all there is knows nothing of one of its entities."""
    deaf: bool = False
    """True if requests reach SparkLayer and every answer is lost."""
    locked_out: bool = False
    """The store's API account was revoked: every call is answered 401."""

    foreign: Iterable[str] = ()
    """Names of answers that only the platform's stores give."""

    forbidden: tuple[str, str] | None = None
    """A side, and what the paths begin with that it answers 403: our account has lost that right."""

    _by_share: list[_Sort] = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Weigh the sorts of faults."""
        own = [_Sort(name, FOREIGN_SHARE, sides=(SHOP,)) for name in self.foreign]
        self._by_share = [sort for sort in (*FAULTS, *own) for _ in range(sort.share)]

    def calm(self) -> None:
        """Let everything work from now on."""
        self.storms = dict.fromkeys(SIDES, 0.0)
        self.down = dict.fromkeys(SIDES)
        self.locked_out = self.deaf = self.forgetful = False
        self.forbidden = None

    def strike(self, side: str, method: str, path: str) -> Fault | None:
        """Return what happens to a request."""
        if (outage := self.down[side]) is not None:
            return outage
        if status := self._turned_away(side, path):
            return Fault("status", number=status)
        if self.deaf and side == SITE and method != "GET":
            return Fault("reset", after=True)
        if self.chance.random() >= self.storms[side]:
            return None
        sort = self.chance.choice(self._by_share)
        if side not in sort.sides or (sort.methods and method not in sort.methods):
            return None
        return Fault(sort.name, self.chance.choice(sort.after), self.chance.choice(sort.numbers))

    def _turned_away(self, side: str, path: str) -> int:
        """Return the status that an account without the right gets; 0 when it has it."""
        if self.locked_out and side == SHOP:
            return 401
        forbidden = self.forbidden is not None and self.forbidden[0] == side and self.forbidden[1] in path
        return 403 if forbidden else 0
