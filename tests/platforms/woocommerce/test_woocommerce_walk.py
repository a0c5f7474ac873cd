"""A walk by offset returns each row exactly once, while others are trashed, restored and made."""

import random
from collections.abc import Callable

import msgspec
import pytest
from msgspec import Raw
from trio.testing import MockClock

from daemon.errors import Retry
from daemon.platforms.shared.page_size import PageSize
from daemon.platforms.woocommerce.client import Listed
from daemon.platforms.woocommerce.walk import step
from tests.each import each


def page(ids: list[int], total: int | None) -> Listed:
    return Listed(rows=[Raw(msgspec.json.encode({"id": id_})) for id_ in ids], total=total)


class List:
    """A list of ids; `edit` is called after each call."""

    def __init__(self, ids: set[int], *, counts: bool = True) -> None:
        self.ids = ids
        self.counts = counts
        self.calls = 0
        self.edit: Callable[[], None] = lambda: None
        self.hidden: set[int] = set()
        """Rows that the server counts but does not show."""

    async def ask(self, place: dict[str, str]) -> Listed:
        self.calls += 1
        offset, size = int(place["offset"]), int(place["per_page"])
        rows = [id_ for id_ in sorted(self.ids)[offset : offset + size] if id_ not in self.hidden]
        answer = page(rows, len(self.ids) if self.counts else None)
        self.edit()
        return answer


async def walk(rows: List, size: int, edit: object = None) -> tuple[list[int], int]:
    """Return the ids in their order, and the number of pages."""
    found: list[int] = []
    cursor: str | None = ""
    pages = 0
    while cursor is not None:
        taken = await step(rows.ask, cursor, PageSize(size))
        found += [msgspec.json.decode(raw)["id"] for raw in taken.rows]
        cursor = taken.cursor
        pages += 1
        if callable(edit):
            edit()
    return found, pages


@each("seed", range(200))
async def test_random_edits_between_calls(seed: int, autojump_clock: MockClock) -> None:
    """Rows also come and go while the walk looks for the place at which it must go on."""
    chance = random.Random(seed)
    size = chance.choice([10, 20, 50])
    rows = List(set(range(2, 600, 2)), counts=chance.random() < 0.8)
    always, trash, newest = set(rows.ids), set[int](), 600

    def edit() -> None:
        nonlocal newest
        for _ in range(chance.randrange(8)):
            match chance.randrange(3):
                case 0 if rows.ids:
                    gone = chance.choice(sorted(rows.ids))
                    rows.ids.discard(gone)
                    always.discard(gone)
                    trash.add(gone)
                case 1 if trash:
                    back = chance.choice(sorted(trash))
                    trash.discard(back)
                    rows.ids.add(back)
                case 2:
                    newest += 1
                    rows.ids.add(newest)

    rows.edit = edit
    found, pages = await walk(rows, size)
    assert len(found) == len(set(found)), "nothing twice"
    assert always <= set(found), "nothing missed"
    assert rows.calls <= 3 * pages


async def test_a_still_list_costs_one_call_a_page() -> None:
    rows = List(set(range(1, 301)))
    found, pages = await walk(rows, 100)
    assert found == list(range(1, 301))
    assert (rows.calls, pages) == (4, 4)


async def test_more_rows_go_than_a_page_has() -> None:
    rows = List(set(range(1, 501)))

    def edit() -> None:
        rows.ids -= set(range(1, 41))

    found, _ = await walk(rows, 20, edit)
    assert set(range(41, 501)) <= set(found)


async def test_rows_that_the_server_hides_end_no_walk() -> None:
    rows = List(set(range(1, 101)))
    rows.hidden = {5, 20, 21, 40, *range(55, 63)}
    found, _ = await walk(rows, 20)
    assert found == [id_ for id_ in range(1, 101) if id_ not in rows.hidden]


@each(
    ("ids", "total", "reason"),
    [([], 7, "page_empty"), ([3, 2], 2, "page_out_of_order"), ([2, 2], 2, "page_out_of_order")],
)
async def test_a_page_that_contradicts_itself_is_not_believed(
    ids: list[int], total: int, reason: str, autojump_clock: MockClock
) -> None:
    async def ask(_place: dict[str, str]) -> Listed:
        return page(ids, total)

    with pytest.raises(Retry) as caught:
        await step(ask, None, PageSize(100))
    assert caught.value.reason == reason


async def test_a_failing_page_becomes_smaller_before_the_walk_gives_up(autojump_clock: MockClock) -> None:
    rows = List(set(range(1, 90)))
    asked: list[int] = []

    async def ask(place: dict[str, str]) -> Listed:
        asked.append(int(place["per_page"]))
        if asked[-1] > 30:
            raise Retry("too big", reason="http_502")
        return await rows.ask(place)

    size = PageSize(100)
    taken = await step(ask, None, size)
    assert asked == [100, 50, 25]
    assert len(taken.rows) == 25


@each("gone", [21, 60, 133, 300])
async def test_many_rows_go_that_were_seen(gone: int) -> None:
    """The walk begins so far back that its page has only rows that were seen."""
    rows = List(set(range(1, 1001)))
    done = False

    def edit() -> None:
        nonlocal done
        if rows.calls >= 20 and not done:
            rows.ids -= set(range(1, gone + 1))
            done = True

    found, _ = await walk(rows, 20, edit)
    assert found == sorted(found)
    assert set(range(gone + 1, 1001)) <= set(found)
