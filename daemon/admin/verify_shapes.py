"""The bodies of dry runs, for /openapi.json; see `daemon.admin.verify`."""

from typing import NotRequired, TypedDict

from daemon.admin.shapes import IssueShown, KindName, RemovalShown


class VerifyOrder(TypedDict):
    """A dry run of all kinds, or of one; with the names of `all` entities, or of the first `names` of each list."""

    site: str
    kind: NotRequired[KindName]
    names: NotRequired[int]
    all: NotRequired[bool]


class EntityNamed(TypedDict):
    """An entity that would be written or removed."""

    id: str
    name: str


class EntityFailing(TypedDict):
    """An entity that could not be read or compared."""

    id: str
    error: str


class KindVerified(TypedDict):
    """The findings on one kind: counts, then names."""

    over: bool
    seen: int
    counts: dict[str, int]
    create: list[EntityNamed]
    change: list[EntityNamed]
    remove: list[EntityNamed]
    held: list[RemovalShown]
    issues: list[IssueShown]
    failing: list[EntityFailing]
    leftovers: str | None


class VerifyAnswer(TypedDict):
    """The findings so far. `unknown` is what no read of SparkLayer tells, `ended_ago` in seconds."""

    site: str
    running: bool
    ended_ago: float | None
    trouble: str | None
    kinds: dict[KindName, KindVerified]
    set_up: list[str]
    writes: dict[str, int]
    unknown: list[str]
    nothing_to_do: bool


class VerifyCancelled(TypedDict):
    """The end of a dry run."""

    site: str
    running: bool
