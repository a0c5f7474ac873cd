"""A 403 for one entity is told from a missing right, per operation."""

from collections.abc import Hashable

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from daemon.errors import Blocked, Failure, Forbidden, Rejected, Side
from daemon.transport.throttle.scopes import (
    FIRST_PAUSE,
    LONELY_SECONDS,
    LONELY_TRIES,
    LONGEST_PAUSE,
    MOST_KNOWN,
    SEPARATE_SECONDS,
    Scopes,
)
from tests.each import each

pytestmark = pytest.mark.holds("C3")

NO = Blocked("no", reason="forbidden", side=Side.SPARKLAYER)
WRITE, OTHER = "write", "other"


@define
class Api:
    """An API that refuses `entities`, or all entities if None."""

    scopes: Scopes = field(factory=Scopes)
    entities: set[Hashable] | None = field(factory=set)
    calls: list[Hashable] = field(factory=list)
    at_once: int = 0
    seconds: float = 0.1

    async def call(self, entity: Hashable, operation: str = WRITE) -> Failure | None:
        """Make a call and return its failure."""
        failure: Failure | None = None
        try:
            about = frozenset[Hashable]() if entity is None else frozenset({entity})
            async with self.scopes.turn(operation, lambda: entity if isinstance(entity, frozenset) else about) as turn:
                self.calls.append(entity)
                self.at_once += 1
                await trio.sleep(self.seconds)
                self.at_once -= 1
                asked = entity if isinstance(entity, frozenset) else about
                if self.entities is None or asked & self.entities:
                    failure = turn.refused(NO)
                else:
                    turn.granted()
        except Blocked as blocked:
            return blocked
        return failure


async def outcomes(api: Api, *entities: Hashable) -> list[type[Failure] | None]:
    """Return the failure types of consecutive calls."""
    failures = [await api.call(entity) for entity in entities]
    return [None if failure is None else type(failure) for failure in failures]


async def test_a_403_belongs_to_its_entity_once_another_one_succeeds(autojump_clock: MockClock) -> None:
    api = Api(entities={"a"})
    assert await outcomes(api, "a", "a", "b", "a", "a") == [Forbidden, Forbidden, None, Rejected, Rejected]
    api.entities = set()
    assert await outcomes(api, "a") == [None]
    api.entities = {"a"}
    assert await outcomes(api, "a") == [Forbidden], "it was let through meanwhile"


async def test_three_different_entities_with_no_success_between_show_that_a_right_is_missing(
    autojump_clock: MockClock,
) -> None:
    api = Api(entities={"a", "b", "c", "d"})
    assert await outcomes(api, "a", "b", "x", "c", "d") == [Forbidden, Forbidden, None, Forbidden, Forbidden]
    api.entities = None
    failure = await api.call("e")
    assert isinstance(failure, Blocked)
    assert not isinstance(failure, Forbidden)
    assert (failure.reason, failure.side, failure.after) == ("forbidden", Side.SPARKLAYER, FIRST_PAUSE)


@each("refused", ["a", "abcd"])
async def test_a_success_of_a_call_older_than_a_403_proves_nothing(autojump_clock: MockClock, refused: str) -> None:
    api = Api()
    async with api.scopes.turn(WRITE, lambda: frozenset({"x"})) as slow:
        api.entities = None  # the right is taken away while an answer is under way
        before = await outcomes(api, *refused)
        slow.granted()
    assert Rejected not in before
    await trio.sleep(LONGEST_PAUSE)
    assert await outcomes(api, "a") == [Forbidden if refused == "a" else Blocked]
    api.entities = {"a"}
    await trio.sleep(LONGEST_PAUSE)
    assert await outcomes(api, "b", "a") == [None, Rejected], "a younger call proves it"


async def test_an_entity_that_was_read_with_others_is_no_longer_refused(autojump_clock: MockClock) -> None:
    api = Api(entities={"a"})
    assert await outcomes(api, "a", "b", "a") == [Forbidden, None, Rejected]
    api.entities = set()
    assert await outcomes(api, frozenset("ab")) == [None]
    api.entities = None
    assert await outcomes(api, "a") == [Forbidden]


async def test_one_call_at_a_time_goes_after_the_first_403(autojump_clock: MockClock) -> None:
    api, most = Api(entities=None), 0
    await api.call("a")

    async def watched(entity: int) -> None:
        nonlocal most
        await api.call(entity)

    async with trio.open_nursery() as nursery:
        for entity in range(50):
            nursery.start_soon(watched, entity)
        for _ in range(20):
            await trio.sleep(0.05)
            most = max(most, api.at_once)
    assert most == 1
    assert len(api.calls) == 3, "a, and two more"


async def test_those_in_flight_lengthen_no_pause(autojump_clock: MockClock) -> None:
    api, failures = Api(entities=None), []

    async def call(entity: int) -> None:
        failures.append(await api.call(entity))

    async with trio.open_nursery() as nursery:
        for entity in range(20):
            nursery.start_soon(call, entity)
    assert len(api.calls) == 20
    assert {failure.after for failure in failures if isinstance(failure, Blocked)} <= {None, FIRST_PAUSE}


async def test_then_one_probe_goes_per_step_each_for_another_until_one_succeeds(autojump_clock: MockClock) -> None:
    api = Api(entities=None)
    await outcomes(api, 0, 1, 2)
    api.calls.clear()
    steps: list[float] = []

    async def keep_asking(entity: int) -> None:
        while isinstance(failure := await api.call(entity), Blocked):
            if entity == 0:
                steps.append(failure.after or 0.0)
            await trio.sleep(failure.after or 1.0)

    async with trio.open_nursery() as nursery:
        for entity in range(5):
            nursery.start_soon(keep_asking, entity)
        await trio.sleep(1500)
        probes = list(api.calls)
        assert 9 <= len(probes) <= 12
        assert all(len(set(probes[place : place + 5])) == 5 for place in range(len(probes) - 5)), "in turn"
        assert max(steps) == pytest.approx(LONGEST_PAUSE, abs=5)
        api.entities = set()
        await trio.sleep(LONGEST_PAUSE)
        assert len(api.calls) == len(probes) + 5
        nursery.cancel_scope.cancel()
    assert await outcomes(api, "new") == [None]


async def test_for_the_store_as_a_whole_a_second_separate_refusal_decides(autojump_clock: MockClock) -> None:
    api = Api(entities=None)
    assert await outcomes(api, None, None) == [Forbidden, Forbidden], "too close to be two"
    await trio.sleep(SEPARATE_SECONDS)
    assert await outcomes(api, None) == [Blocked]


async def test_calls_that_share_an_entity_count_as_one(autojump_clock: MockClock) -> None:
    api = Api(entities={"a"})
    bulks = [frozenset(bulk) for bulk in ("abcd", "abc", "ax", "a", "abz")]
    assert await outcomes(api, *bulks) == [Forbidden] * 5
    assert await outcomes(api, frozenset("bcd"), *bulks, frozenset("aq")) == [None, *[Rejected] * 6]
    api = Api(entities=None)
    assert await outcomes(api, frozenset("abc"), "a", "b", "c") == [*[Forbidden] * 3, Blocked]


async def test_operations_are_judged_apart(autojump_clock: MockClock) -> None:
    api = Api(entities=None)
    assert await outcomes(api, "a", "b", "c") == [Forbidden, Forbidden, Blocked]
    assert isinstance(await api.call("a", OTHER), Forbidden)
    api.entities = set()
    assert await api.call("b", OTHER) is None
    assert len(api.calls) == 5
    assert await outcomes(api, "d") == [Blocked], "what is granted elsewhere says nothing"
    assert len(api.calls) == 5


@each("others", [True, False])
async def test_an_entity_without_another_to_compare_with_is_judged_by_itself_in_the_end(
    autojump_clock: MockClock, *, others: bool
) -> None:
    api, found = Api(entities={"a"}), []
    for _ in range(LONELY_TRIES + 1):
        found += await outcomes(api, "a")
        if others:
            await api.call("x", OTHER)
        await trio.sleep(LONELY_SECONDS / (LONELY_TRIES - 1))
    assert found == [Forbidden] * (LONELY_TRIES - 1) + [Rejected if others else Forbidden] * 2


async def test_only_so_many_entities_are_remembered(autojump_clock: MockClock) -> None:
    api = Api(entities={*range(MOST_KNOWN + 5)}, seconds=0.0)
    for entity in range(MOST_KNOWN + 5):
        assert await outcomes(api, entity, "well") == [Forbidden, None]
    assert await outcomes(api, MOST_KNOWN, 0) == [Rejected, Forbidden]


async def test_a_call_that_is_cancelled_leaves_its_turn_to_the_next(autojump_clock: MockClock) -> None:
    api = Api(entities={"a"}, seconds=10.0)
    await api.call("a")
    with trio.move_on_after(1):
        await api.call("b")
    assert await outcomes(api, "c", "a") == [None, Rejected]
