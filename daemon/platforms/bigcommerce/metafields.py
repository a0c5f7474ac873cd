"""Metafields of the namespace `sparklayer`. The API lists them, but does not filter them by parent.

The list is read whole into the adapter's state when a run begins, and by date of change after that. The date is
BigCommerce's own, so our clock does not matter. The date reached is stored only after the caller has recorded the
changed parents. More metafields may change within that second, so the next list starts at the same second and omits
those already returned. A webhook has the metafields of one parent read again, even while a list is being read: the
result is newer than the list. A store without metafields costs one call for each list.

An omission from a list proves nothing, so the metafields of a known parent that is not listed are read by themselves.
A run reads at most `MOST_ASKED` of them this way; the others stay as they were.

The namespace is that of other platforms (inferred, the pages about BigCommerce's were not readable).
"""

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial

import trio
from attrs import define, field
from msgspec import Raw

from daemon.errors import Failure, Missing, Retry
from daemon.model import ExternalId, Lane
from daemon.platforms.adapter_state import AdapterState, Entry
from daemon.platforms.base import Entity
from daemon.platforms.bigcommerce import schema
from daemon.platforms.bigcommerce.client import Client
from daemon.platforms.bigcommerce.ids import MARGIN, MetafieldsId, is_id, padded, since_text
from daemon.platforms.bigcommerce.schema import LARGEST_PAGE
from daemon.platforms.shared.adapter import Reader, read_single
from daemon.platforms.shared.dates import seconds_of
from daemon.platforms.shared.rows import OUT_OF_FILTER, UNEXPECTED, Shape
from daemon.platforms.shared.secondary import of_each
from daemon.transport.http import shortly
from daemon.transport.second_answer import SECOND_AFTER

NAMESPACE = "sparklayer"
MOST_ASKED = 100
_METAFIELD = Shape(schema.Metafield)
STATE, SINCE, WHOLE = "", "since", "whole"
"""Owner of the entries about a list itself, and their names: the date reached, and the mark of a complete list."""


CURSOR = "touched:"
WALK = "walk:"
"""Cursor of the walk's first page, if changed parents came before it."""


@define(kw_only=True)
class Reading:
    """A list being read: its scan id, the latest date of change, and the parents named so far.

    `handed_out` has metafields that were already returned. `newer` has the parents whose metafields were read by
    themselves since the list began: the list is outdated for them.
    """

    scan_id: int
    newest: float = 0.0
    last: Sequence[schema.Metafield] = ()
    """At least the metafields that a list of changes since `newest` would repeat."""
    owners: set[int] | None = None
    """None if the parents are not needed."""
    handed_out: frozenset[schema.Metafield] = frozenset()
    newer: set[int] = field(factory=set)

    def take(self, fields: Sequence[schema.Metafield]) -> None:
        """Add a page."""
        if self.owners is not None:
            self.owners.update(one.resource_id for one in fields if one not in self.handed_out)
        self.newest = max([self.newest, *map(_changed_at, fields)])
        if self.newest:
            self.last = [one for one in (*self.last, *fields) if _changed_at(one) >= self.newest - 2 * MARGIN]


@define
class Metafields:
    """The metafields of one type of parent. At most one list is read at a time; parents may be read meanwhile.

    `path` is that of the list, `section` its own in the adapter's state, and `narrowed` has further filters. `path_of`
    returns the path of one parent's metafields; None if the parent is not listed either. With `second_look`, a parent's
    metafields count as gone only after two answers.
    """

    _client: Client
    _state: AdapterState
    _section: str
    _path: str
    _path_of: Callable[[int], Awaitable[str | None]]
    _narrowed: Mapping[str, str] = field(factory=dict)
    _second_look: bool = True
    _reading: Reading | None = None
    _found: Reading | None = None
    _handed_out: frozenset[schema.Metafield] = frozenset()
    """Metafields of the last second that were already returned; after a restart they are returned again."""

    async def read_all(self) -> None:
        """Read the whole list, and delete what is gone."""
        reading = Reading(scan_id=await self._state.newest_scan_id(self._section) + 1)
        with self._open(reading):
            await self._read(reading, {})
            await self._ask_for_the_others(reading)
        await self._state.put(self._section, [Entry(STATE, WHOLE, "")], reading.scan_id)
        await self._note_since(reading)

    async def is_whole(self) -> bool:
        """Return True if the list was read to its end, so that no parent's metafields are missing here."""
        return WHOLE in (await self._state.look_up(self._section, [STATE])).get(STATE, {})

    async def catch_up(self) -> set[int]:
        """Read the metafields changed since the list was read last; return their parents.

        The next call finds them again, unless `caught_up` was called in between.
        """
        state = await self._state.look_up(self._section, [STATE])
        since = seconds_of(state.get(STATE, {}).get(SINCE, "")) or 0.0
        scan_id, owners = await self._state.newest_scan_id(self._section), set[int]()
        reading = Reading(scan_id=scan_id, newest=since, owners=owners, handed_out=self._handed_out)
        with self._open(reading):
            await self._read(reading, {"date_modified:min": since_text(since)} if since else {})
        self._found = reading
        return owners

    async def caught_up(self) -> None:
        """Note that the caller has recorded the parents that `catch_up` returned last."""
        if self._found is not None:
            await self._note_since(self._found)

    async def read_again(self, owner: int, path: str, lane: Lane, trace: str = "") -> bool:
        """Read the metafields of one parent at `path` again; return False if BigCommerce says that it does not exist.

        They count as gone only after two answers, unless they need no second look. With a `trace`, a parent that
        lost its metafields keeps an empty entry of that name, until it is read without a trace.
        """
        fields = await self._fields_at(owner, path, lane)
        if not fields and self._second_look and await self.of([owner]):
            await trio.sleep(SECOND_AFTER)
            fields = await self._fields_at(owner, path, lane)
        entries = [_entry(one) for one in fields or []]
        if trace and fields == [] and await self.of([owner]):
            entries = [Entry(padded(owner), trace, "")]
        scan_id = await self._state.newest_scan_id(self._section)
        if self._reading is not None:  # checked after the await: a list may have begun during it
            # The list being read must not overwrite them.
            scan_id = self._reading.scan_id
            self._reading.newer.add(owner)
        await self._state.replace(self._section, padded(owner), entries, scan_id)
        return fields is not None

    async def of(self, owners: Sequence[int]) -> Mapping[int, Mapping[str, str]]:
        """Return the metafields of `owners` by owner and key; owners without any are left out."""
        found = await self._state.look_up(self._section, [padded(owner) for owner in owners]) if owners else {}
        return {int(owner): fields for owner, fields in found.items()}

    async def next_owner(self, after: int) -> int | None:
        """Return the first owner with a larger id than `after`."""
        owner = await self._state.next_owner(self._section, padded(after))
        return None if owner is None else int(owner)

    async def _read(self, reading: Reading, narrowed: Mapping[str, str]) -> None:
        """Write a list to the adapter's state, page by page."""
        query = {"namespace": NAMESPACE, **self._narrowed, **narrowed}
        pages = self._client.by_cursor(
            self._path, schema.RAW_LISTING, lane=Lane.BACKFILL, limit=LARGEST_PAGE, query=query
        )
        async for raws in pages:
            fields = [one for one in read_metafields(raws) if one.namespace in {None, NAMESPACE}]
            reading.take(fields)
            entries = [_entry(one) for one in fields if one.resource_id not in reading.newer]
            if entries:
                await self._state.put(self._section, entries, reading.scan_id)

    async def _ask_for_the_others(self, reading: Reading) -> None:
        """Read the metafields of each known parent that the list omitted, the longest unseen first.

        An answer is dropped if a webhook has had the parent read meanwhile. Unreadable metafields stay as they were,
        until the next time. Metafields count as gone only after two answers.
        """
        older = await self._state.older(self._section, reading.scan_id, MOST_ASKED + 1)
        owners = [int(one) for one in older if one != STATE][:MOST_ASKED]
        answers = dict(await of_each(owners, self._fields_of, Lane.BACKFILL, beside=True))
        bare = [owner for owner, fields in answers.items() if not fields]
        if bare and self._second_look:
            await trio.sleep(SECOND_AFTER)
            answers |= await of_each(bare, self._fields_of, Lane.BACKFILL, beside=True)
        for owner, fields in answers.items():
            if not isinstance(fields, Failure) and owner not in reading.newer:
                entries = [_entry(one) for one in fields]
                await self._state.replace(self._section, padded(owner), entries, reading.scan_id)

    async def _fields_of(self, owner: int) -> Sequence[schema.Metafield]:
        """Read the metafields of one parent; none if the parent does not exist."""
        path = await self._path_of(owner)
        if path is None:
            return []
        return await shortly(partial(self._fields_at, owner, path, Lane.BACKFILL)) or []

    async def _fields_at(self, owner: int, path: str, lane: Lane) -> Sequence[schema.Metafield] | None:
        """Read the metafields of one parent; None if BigCommerce says that it does not exist.

        Raises Retry if one of them is unreadable or has another parent: then the known ones stay.
        """
        query = {"namespace": NAMESPACE, **self._narrowed}
        try:
            raws = await self._client.every(path, schema.RAW_LISTING, lane=lane, limit=LARGEST_PAGE, query=query)
        except Missing:
            return None
        fields = read_metafields(raws)
        if len(fields) < len(raws):
            raise Retry("one of its metafields has an unexpected shape", reason=UNEXPECTED)
        if not all(one.resource_id == owner and one.namespace in {None, NAMESPACE} for one in fields):
            raise Retry("metafields of something else are listed", reason=OUT_OF_FILTER)
        return fields

    @contextmanager
    def _open(self, reading: Reading) -> Iterator[None]:
        """Set the list being read, for the duration of the block."""
        self._reading = reading
        try:
            yield
        finally:
            self._reading = None

    async def _note_since(self, reading: Reading) -> None:
        if reading.newest:
            scan_id = await self._state.newest_scan_id(self._section)
            moment = datetime.fromtimestamp(reading.newest, UTC).isoformat()
            await self._state.put(self._section, [Entry(STATE, SINCE, moment)], scan_id)
        self._handed_out = frozenset(reading.last)


def read_metafields(raws: Iterable[Raw]) -> list[schema.Metafield]:
    """Decode metafields, without the unreadable ones."""
    rows = (_METAFIELD.rows([raw], "metafields") for raw in raws)
    return [row.found[0] for row in rows if not row.odd and not row.missing]


def _changed_at(metafield: schema.Metafield) -> float:
    """Return the time of the last change, in seconds since the epoch; 0 if it is not told."""
    return seconds_of(metafield.date_modified or "") or 0.0


def _entry(metafield: schema.Metafield) -> Entry:
    return Entry(padded(metafield.resource_id), metafield.key, metafield.value)


@define
class ChangedParents:
    """The first pages of a sweep: the parents that `find` finds, at most `size` at a time, before the walk by date.

    A changed metafield does not change its parent's date, so the walk by date would miss the parent. The parents are
    found once and returned page by page in the order of their ids. `done` is called when the page after the last one is
    asked for, because by then the caller has taken all of them. After a restart, the parents are found again and
    returned from the first one: an earlier one may have changed since. The walk by date starts with a cursor of its
    own, so that asking again for its first page does not find parents again and drop them.
    """

    _size: int
    _find: Callable[[], Awaitable[Iterable[object]]]
    _done: Callable[[], Awaitable[None]]
    _found: Sequence[ExternalId] | None = None

    async def page(self, cursor: str | None) -> tuple[Sequence[ExternalId], str] | None:
        """Return the page that `cursor` starts, and the cursor of the next one; None when the walk follows."""
        if cursor is not None and not cursor.startswith(CURSOR):
            return None
        after = cursor.removeprefix(CURSOR) if cursor and self._found is not None else ""
        if cursor is None or self._found is None:
            self._found = sorted((ExternalId(str(parent)) for parent in await self._find()), key=_order)
        part = [parent for parent in self._found if _order(parent) > _order(after)][: self._size]
        if part:
            return part, f"{CURSOR}{part[-1]}"
        await self._done()
        self._found = None
        return None if cursor is None else ([], WALK)


class ParentReader(Reader):
    """Reads a kind of entities with metafields. An id of metafields has these read again, and leads to their parent."""

    batch = schema.LARGEST_PAGE

    def is_id(self, text: str) -> bool:
        """Return True for the id of an entity, and for one of metafields."""
        return is_id(text) or MetafieldsId.read(text) is not None

    async def read_named(self, ids: Sequence[ExternalId], lane: Lane) -> dict[ExternalId, Entity]:
        """Read the metafields among `ids` again; return their parents, without content."""
        named = [named_id for named_id in map(MetafieldsId.read, ids) if named_id is not None]

        async def parent_of(place: int) -> ExternalId | None:
            return await self._read_again(named[place], lane)

        found: dict[ExternalId, Entity] = {}
        beside = len(ids) > len(named)
        for place, parent in (await of_each(range(len(named)), parent_of, lane, beside=beside)).items():
            text = named[place].text
            if isinstance(parent, Failure):
                found[text] = Entity(text, parent)
            elif parent is not None:
                found[text] = Entity(parent, None)
        return found

    async def read_one(self, external_id: ExternalId, lane: Lane) -> Entity | None:
        """Read one entity; None if BigCommerce itself says that it does not exist."""
        if MetafieldsId.read(external_id):
            return None  # `read_named` has asked BigCommerce itself
        raw = await read_single(external_id, partial(self._one, external_id, lane))
        return None if raw is None else (await self._entities([raw], lane))[0]

    @abstractmethod
    async def _read_again(self, named_id: MetafieldsId, lane: Lane) -> ExternalId | None:
        """Read metafields again; return the id of their parent, or None if there is none."""

    @abstractmethod
    async def _one(self, external_id: ExternalId, lane: Lane) -> Raw:
        """Ask for one entity."""

    @abstractmethod
    async def _entities(self, raws: Sequence[Raw], lane: Lane) -> list[Entity]:
        """Decode entities, and read their other parts."""


def walk_begins(cursor: str | None) -> bool:
    """Return True if the walk starts at its first page, after `ChangedParents.page` has returned None."""
    return cursor is None or cursor == WALK


def _order(text: str) -> tuple[int, str]:
    """Return the sort key of an id: the order of numbers, because ids have no leading zeros."""
    return len(text), text
