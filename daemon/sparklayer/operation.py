"""Operations of SparkLayer's API: their method, the shape of their answers, and the meaning of their refusals. Pure.

Each module of one API declares its operations with these. A control question is the read that shows if an empty 404 is
the API's own (`empty_refusals`).
"""

import enum
from collections.abc import Hashable, Iterator
from typing import Any

import msgspec
from attrs import frozen


@frozen(kw_only=True)
class AnswerShape:
    """Shape of an operation's success: no body, an object, or a list; each object has at least one of `names`."""

    empty: bool = False
    any_status: bool = False
    """Without a body, any status of success may be SparkLayer's, since none is documented."""
    one: bool = False
    many: bool = False
    names: frozenset[str] = frozenset()


NOTHING = AnswerShape(empty=True)
OF_OLD_PAGES = AnswerShape(empty=True, one=True, many=True)
"""Shape for answers that only old pages document: 204 without a body; JSON if the operation always sends it."""
UNSEEN = AnswerShape(empty=True, one=True, many=True, any_status=True)
"""Shape for undocumented answers: no body; JSON if the operation always sends it."""


def one_with(*names: str) -> AnswerShape:
    """Return the shape of an object with at least one of the names."""
    return AnswerShape(one=True, names=frozenset(names))


def many_with(*names: str) -> AnswerShape:
    """Return the shape of a list of objects, each with at least one of the names."""
    return AnswerShape(many=True, names=frozenset(names))


NOBODY = "ffffffff-ffff-4fff-bfff-ffffffffffff"
"""An id that no entity has. It is a UUID, since purchases are looked up by UUID."""


@frozen
class Control:
    """The read made by a control question: `path` has {} in place of an id, and no entity has the id `nobody`."""

    path: str
    answers: AnswerShape
    nobody: str = NOBODY

    def of(self, identifier: str) -> str:
        """Return the path that reads the entity with a quoted id."""
        return self.path.replace("{}", identifier)

    def id_in(self, path: str) -> str | None:
        """Return the quoted id in a path that this control covers, else None."""
        before, _, after = self.path.partition("{}")
        if not path.startswith(before):
            return None
        identifier, slash, rest = path.removeprefix(before).partition("/")
        return identifier if identifier and (not after or slash + rest == after) else None


CUSTOMER = Control("/api/v2/customers/platform/{}", one_with("id", "external_id", "email"))
PRICE_LIST = Control("/api/v1/price-lists/{}", one_with("slug"), nobody="ignite-sync-no-such-list")
"""Its impossible id is a valid slug, of at most 30 characters."""
PRODUCT = Control("/api/v1/products/{}", one_with("id", "external_id", "title", "variants"))
PURCHASE = Control("/api/v1/purchases/sparklayer/{}", one_with("type", "purchase_identifiers", "packages"))
STOCK_LOCATION = Control("/api/v1/stock-locations/{}", one_with("id"))
SYNC_LOG = Control("/api/v1/sync-log/{}/products", one_with("started_full_sync", "last_full_sync"))

EMPTY_SITE = Control("/api/v2/price-lists", one_with("pagination"))
"""The read for sites without a known id."""


class About(enum.Enum):
    """The entities of a call, to which its 403 may be due if the right to the operation is there."""

    SITE = enum.auto()
    """No entity."""
    PATH = enum.auto()
    """The entity whose id is in the path."""
    BODY = enum.auto()
    """The entities in the body."""


@frozen(kw_only=True)
class Operation:
    """One operation of the API, with the meaning of its refusals."""

    name: str
    """Its name in SparkLayer's documentation; a label in metrics."""
    method: str
    answers: AnswerShape
    """Shape of its success."""
    names_nothing: bool = False
    """It addresses no entity that could be missing, since it creates or wipes: its 404 is about the path."""
    creating: bool = False
    """It creates the entity that it addresses if there is none: its 404 is about the path too."""
    keyed: bool = False
    """It writes an id or a SKU that may be taken."""
    concurrent: bool = False
    """Its 409 means a concurrent write."""
    conflicting: bool = False
    """Its 409 means that an id or an e-mail address is taken."""
    forbidding: bool = False
    """Its 403 is about the content of the request, not about the key."""
    by_line: bool = False
    """Its 400 may be a list of refused lines."""
    bulk: bool = False
    """It is about many entities, different ones each time: a success does not void an earlier refusal."""
    control: Control = PRICE_LIST
    """The read that shows if its empty 404 is the API's own."""
    about: About = About.SITE
    """Entities to which its 403 may be due."""

    @property
    def may_miss(self) -> bool:
        """True if its 404 may be about an entity, not only about the path."""
        return not (self.names_nothing or self.creating)


def entities_of(operation: Operation, path: str, body: bytes | None) -> frozenset[Hashable]:
    """Return the entities of a call: its path, or the external ids and SKUs in its body."""
    if operation.about is About.SITE:
        return frozenset()
    return frozenset({path} if operation.about is About.PATH else _named(msgspec.json.decode(body or b"{}")))


def _named(content: Any) -> Iterator[str]:
    """Yield the external ids and SKUs in a body, at any depth."""
    if isinstance(content, dict):
        yield from (value for name in ("external_id", "sku") if isinstance(value := content.get(name), str))
    for part in content.values() if isinstance(content, dict) else content if isinstance(content, list) else ():
        yield from _named(part)
