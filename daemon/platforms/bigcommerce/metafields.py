"""Metafields of the namespace `sparklayer`, which can be listed but not asked for by what they belong to.

They are read whole into the adapter's state when a run begins, and by their date of change from then on. The date is
BigCommerce's own, so no clock of ours matters. Up to when they were caught up with is noted only once what was
found is in safe hands. More may change in the second of that date, so the list is asked for that second again each
time, and what of it was handed out already is let go. What one thing has is read again when a webhook tells of it,
whatever list is being read at that moment: what is known of it since is newer than the list. A store that has none
pays one call for a list.

That a list leaves something out proves nothing: what was known before and is not in it is asked for by itself. That
costs calls, so a run asks for `MOST_ASKED` things at most, and what it does not come to stays as it was.

The namespace is that of other platforms (inferred, the pages about BigCommerce's were not readable).
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

import trio
from attrs import define, field, frozen
from msgspec import Raw

from daemon.errors import Failure, Missing, Retry
from daemon.model import Lane
from daemon.platforms.adapter_state import AdapterState, Entry
from daemon.platforms.bigcommerce import schema
from daemon.platforms.bigcommerce.client import Client
from daemon.platforms.bigcommerce.dates import MARGIN, seconds_of, since_text
from daemon.platforms.bigcommerce.ids import padded
from daemon.platforms.bigcommerce.odd import Shape
from daemon.platforms.bigcommerce.secondary import of_each
from daemon.transport.http import shortly
from daemon.transport.second_answer import SECOND_AFTER

NAMESPACE = "sparklayer"
LIMIT = 250
MOST_ASKED = 100
_METAFIELD = Shape(schema.Metafield)
STATE, SINCE, WHOLE = "", "since", "whole"
"""The owner of the notes on a list itself, and the names of those that say up to when it was caught up with, and that
it has been read to its end."""


@frozen(kw_only=True)
class Source:
    """A list of metafields and the adapter's state it is kept on; `narrowed` is what else is asked for.

    `path_of` finds where the metafields of one thing are: None when the thing is not listed either.
    """

    state: str
    path: str
    narrowed: Mapping[str, str]
    path_of: Callable[[int], Awaitable[str | None]]
    second_look: bool = True
    """Whether it takes two answers that a thing has none any more. Not where it would make the thing none of ours:
    then the engine reads it once more itself."""


@define(kw_only=True)
class Reading:
    """A list that is being read: in which epoch, up to which date of change, and whose metafields it has named.

    `handed_out` is what it may name without meaning anything by it: nobody has to look at that once more. `newer` are
    those whose metafields were read again since it began: the list says nothing of them any more.
    """

    scan_id: int
    newest: str = ""
    last: Sequence[schema.Metafield] = ()
    """At least what the list would name again if it were asked for what changed since `newest`."""
    owners: set[int] | None = None
    """None: nobody wants to know."""
    handed_out: frozenset[schema.Metafield] = frozenset()
    newer: set[int] = field(factory=set)

    def take(self, fields: Sequence[schema.Metafield]) -> None:
        """Take note of a page."""
        if self.owners is not None:
            self.owners.update(one.resource_id for one in fields if one not in self.handed_out)
        self.newest = max([self.newest, *(one.date_modified or "" for one in fields)], key=_rank)
        newest = seconds_of(self.newest)
        if newest is not None:
            since = newest - 2 * MARGIN
            self.last = [one for one in (*self.last, *fields) if (seconds_of(one.date_modified or "") or 0.0) >= since]


@define
class Metafields:
    """The metafields of one sort of things. One list is read at a time, things as they come."""

    _client: Client
    _state: AdapterState
    _source: Source
    _reading: Reading | None = None
    _found: Reading | None = None
    _handed_out: frozenset[schema.Metafield] = frozenset()
    """Those of the last second caught up with; after a restart they are handed out once more."""

    async def read_all(self) -> None:
        """Read the list whole, and forget what is gone."""
        reading = Reading(scan_id=await self._state.newest_scan_id(self._source.state) + 1)
        with self._open(reading):
            await self._read(reading, {})
            await self._ask_for_the_others(reading)
        await self._state.put(self._source.state, [Entry(STATE, WHOLE, "")], reading.scan_id)
        await self._note_since(reading)

    async def is_whole(self) -> bool:
        """Whether the list has been read to its end, so that who has no metafields here has none that we missed."""
        return WHOLE in (await self._state.look_up(self._source.state, [STATE])).get(STATE, {})

    async def catch_up(self) -> set[int]:
        """Read what was changed since the list was read last; return whose it is.

        It is found again the next time, until `caught_up` says that it is in safe hands.
        """
        state = await self._state.look_up(self._source.state, [STATE])
        since = state.get(STATE, {}).get(SINCE, "")
        scan_id, owners = await self._state.newest_scan_id(self._source.state), set[int]()
        reading = Reading(scan_id=scan_id, newest=since, owners=owners, handed_out=self._handed_out)
        with self._open(reading):
            await self._read(reading, {"date_modified:min": _from(since)} if since else {})
        self._found = reading
        return owners

    async def caught_up(self) -> None:
        """Note that what `catch_up` found last need not be found again."""
        if self._found is not None:
            await self._note_since(self._found)

    async def read_again(self, owner: int, path: str, lane: Lane, trace: str = "") -> bool:
        """Read the metafields of one thing below `path` anew; false when BigCommerce says that it does not exist.

        That there are none any more takes two answers, unless the source needs no second look.
        With a `trace` a thing that has none any more keeps an empty one of that name, until it is read without.
        """
        fields = await self._fields_at(owner, path, lane)
        if not fields and self._source.second_look and await self.of([owner]):
            await trio.sleep(SECOND_AFTER)
            fields = await self._fields_at(owner, path, lane)
        entries = [_note(one) for one in fields or []]
        if trace and fields == [] and await self.of([owner]):
            entries = [Entry(padded(owner), trace, "")]
        await self._replace(owner, entries)
        return fields is not None

    async def of(self, owners: Sequence[int]) -> Mapping[int, Mapping[str, str]]:
        """Return the metafields of those of `owners` that have any, by owner and key."""
        found = await self._state.look_up(self._source.state, [padded(owner) for owner in owners]) if owners else {}
        return {int(owner): fields for owner, fields in found.items()}

    async def next_owner(self, after: int) -> int | None:
        """Return the first owner with a larger id than `after`."""
        owner = await self._state.next_owner(self._source.state, padded(after))
        return None if owner is None else int(owner)

    async def _read(self, reading: Reading, narrowed: Mapping[str, str]) -> None:
        """Put what a list says into the adapter's state, page by page."""
        query = {"namespace": NAMESPACE, **self._source.narrowed, **narrowed}
        pages = self._client.by_cursor(
            self._source.path, schema.RAW_LISTING, lane=Lane.BACKFILL, limit=LIMIT, query=query
        )
        async for raws in pages:
            fields = [one for one in read_metafields(raws) if one.namespace in {None, NAMESPACE}]
            reading.take(fields)
            entries = [_note(one) for one in fields if one.resource_id not in reading.newer]
            if entries:
                await self._state.put(self._source.state, entries, reading.scan_id)

    async def _ask_for_the_others(self, reading: Reading) -> None:
        """Ask for each thing of which the list has left something out, the longest unseen first.

        What is read again meanwhile is newer than the answer, which is then let go. What cannot be read stays as it
        was, and is asked for the next time. That there are none any more takes two answers.
        """
        older = await self._state.older(self._source.state, reading.scan_id, MOST_ASKED + 1)
        owners = [int(one) for one in older if one != STATE][:MOST_ASKED]
        answers = dict(await of_each(owners, self._fields_of, Lane.BACKFILL, beside=True))
        bare = [owner for owner, fields in answers.items() if not fields]
        if bare and self._source.second_look:
            await trio.sleep(SECOND_AFTER)
            answers |= await of_each(bare, self._fields_of, Lane.BACKFILL, beside=True)
        for owner, fields in answers.items():
            if not isinstance(fields, Failure) and owner not in reading.newer:
                entries = [_note(one) for one in fields]
                await self._state.replace(self._source.state, padded(owner), entries, reading.scan_id)

    async def _fields_of(self, owner: int) -> Sequence[schema.Metafield]:
        """Read the metafields of one thing, wherever they are; none where there is no such thing."""
        path = await self._source.path_of(owner)
        if path is None:
            return []
        return await shortly(partial(self._fields_at, owner, path, Lane.BACKFILL)) or []

    async def _fields_at(self, owner: int, path: str, lane: Lane) -> Sequence[schema.Metafield] | None:
        """Read the metafields of one thing; None when BigCommerce says that it does not exist.

        Raises Retry when one of them cannot be read, or is another thing's: what was known stays.
        """
        query = {"namespace": NAMESPACE, **self._source.narrowed}
        try:
            raws = await self._client.every(path, schema.RAW_LISTING, lane=lane, limit=LIMIT, query=query)
        except Missing:
            return None
        fields = read_metafields(raws)
        if len(fields) < len(raws):
            raise Retry("one of its metafields is not what was agreed", reason=schema.UNEXPECTED)
        if not all(one.resource_id == owner and one.namespace in {None, NAMESPACE} for one in fields):
            raise Retry("metafields of something else are listed", reason=schema.OUT_OF_FILTER)
        return fields

    @contextmanager
    def _open(self, reading: Reading) -> Iterator[None]:
        """Have a list be read, for as long as this is open."""
        self._reading = reading
        try:
            yield
        finally:
            self._reading = None

    async def _replace(self, owner: int, entries: Sequence[Entry]) -> None:
        """Put what one thing has in place of what is in the adapter's state, so that no list being read spoils it."""
        scan_id = await self._state.newest_scan_id(self._source.state)
        if self._reading is not None:  # it may have begun just now, and from here on the order of writes is kept
            scan_id = self._reading.scan_id
            self._reading.newer.add(owner)
        await self._state.replace(self._source.state, padded(owner), entries, scan_id)

    async def _note_since(self, reading: Reading) -> None:
        if reading.newest:
            scan_id = await self._state.newest_scan_id(self._source.state)
            await self._state.put(self._source.state, [Entry(STATE, SINCE, reading.newest)], scan_id)
        self._handed_out = frozenset(reading.last)


def read_metafields(raws: Iterable[Raw]) -> list[schema.Metafield]:
    """Decode metafields; one that is not what was agreed is left out, it keeps no other from being read."""
    rows = (_METAFIELD.rows([raw], "metafields") for raw in raws)
    return [row.found[0] for row in rows if not row.odd and not row.missing]


def _rank(moment: str) -> tuple[float, str]:
    """Return what puts times in order, however they are written; what is none goes before all that are."""
    return seconds_of(moment) or 0.0, moment


def _from(moment: str) -> str:
    """Return what a filter takes to name also what changed in the second of `moment`."""
    seconds = seconds_of(moment)
    return moment if seconds is None else since_text(seconds)


def _note(told: schema.Metafield) -> Entry:
    return Entry(padded(told.resource_id), told.key, told.value)
