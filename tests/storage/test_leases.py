"""Leases: who may work on a connection, and what is refused to a node that may no longer.

The protocol runs on both engines; what only locks show runs on a real server with two connections.
"""

from collections.abc import Iterator, Sequence

import pytest
from sqlalchemy import Connection, Engine, select, text

from daemon.errors import LeaseLost
from daemon.model import ConnectionId, Secret, Site
from daemon.storage import connections, leases, postgres
from daemon.storage.connections import Adopt, Wipe
from daemon.storage.leases import Lease, Node, Taken
from daemon.storage.migrate import upgrade
from daemon.storage.tables import meta
from tests.databases import InlineDatabase


def node(id_: str) -> Node:
    return Node(id=id_, name=f"name of {id_}", release="1", config="")


class Leases:
    """Transactions of nodes on one database; each node is a letter."""

    def __init__(self, conn_of: Engine) -> None:
        self.engine = conn_of

    def enter(self, *ids: str, now: float = 0.0) -> None:
        with self.engine.begin() as conn:
            for id_ in ids:
                leases.enter(conn, node(id_), now)

    def adopt(self, number: int) -> list[ConnectionId]:
        sites = [Site("test", f"site-{index}") for index in range(number)]
        with self.engine.begin() as conn:
            calls = [Adopt(site=site, platform="fake", encrypted=b"", now=0.0) for site in sites]
            return [stored.id for stored in connections.adopt(conn, calls)]

    def take(self, id_: str, *held: Lease, now: float = 0.0) -> list[Taken]:
        with self.engine.begin() as conn:
            ids = [lease.connection_id for lease in held]
            return leases.take(conn, id_, ids, now)

    def beat(self, id_: str, now: float) -> bool:
        with self.engine.begin() as conn:
            return leases.beat(conn, id_, now)

    def expel(self, now: float) -> list[str]:
        with self.engine.begin() as conn:
            return leases.expel(conn, now)


@pytest.fixture
def several(inline: InlineDatabase) -> Leases:
    return Leases(inline._engine)


def test_a_node_takes_its_fair_share_and_each_lease_has_one_node(several: Leases) -> None:
    ids = several.adopt(5)
    several.enter("a", "b")
    first, second = several.take("a"), several.take("b")
    assert [len(first), len(second)] == [3, 2]
    assert sorted(taken.lease.connection_id for taken in (*first, *second)) == ids
    assert all(taken.given and taken.lease.token == 1 for taken in (*first, *second))
    assert several.take("a", *(taken.lease for taken in first)) == []


def test_an_expelled_node_loses_its_leases_to_a_higher_token(several: Leases) -> None:
    several.adopt(1)
    several.enter("a", now=0.0)
    [before] = several.take("a")
    several.enter("b", now=5.0)
    assert several.beat("a", 2.0)
    assert several.expel(11.9) == []
    assert several.take("b", now=11.9) == []
    assert several.expel(12.1) == ["name of a"]
    assert not several.beat("a", 12.2), "an expelled node learns of it at its next beat"
    [after] = several.take("b", now=12.2)
    assert after == Taken(lease=Lease(before.lease.connection_id, "b", 2), given=False)


def test_a_node_takes_its_own_lease_again_with_a_new_token_when_it_does_not_work_with_it(several: Leases) -> None:
    several.adopt(1)
    several.enter("a")
    [first] = several.take("a")
    [again] = several.take("a")
    assert (again.lease.token, again.given) == (2, False)
    with several.engine.begin() as conn:
        assert leases.fence(conn, [first.lease, again.lease]) == {again.lease}


def test_a_draining_node_keeps_its_leases_and_counts_for_no_share(several: Leases) -> None:
    several.adopt(2)
    several.enter("a")
    held = [taken.lease for taken in several.take("a")]
    several.enter("b")
    with several.engine.begin() as conn:
        leases.drain(conn, "a")
        assert leases.fair_share(conn) == 2
    assert several.take("b") == []
    with several.engine.begin() as conn:
        leases.give(conn, held[:1])
    assert [taken.given for taken in several.take("b")] == [True]
    with several.engine.begin() as conn:
        leases.leave(conn, "a")
    got = several.take("b", Lease(held[0].connection_id, "b", 2))
    assert [(taken.lease.connection_id, taken.given) for taken in got] == [(held[1].connection_id, False)]


def test_a_crash_keeps_a_connection_from_every_node_for_longer_each_time(several: Leases) -> None:
    several.adopt(1)
    several.enter("a", "b")
    now, waits = 0.0, []
    for _ in range(8):
        [taken] = several.take("a", now=now)
        with several.engine.begin() as conn:
            wait = leases.quarantine(conn, taken.lease, now)
            assert leases.quarantine(conn, taken.lease, now) == 0.0, "it is no longer this node's"
        waits.append(wait)
        assert several.take("b", now=now + wait - 1) == []
        now += wait
    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600]
    [taken] = several.take("a", now=now)
    with several.engine.begin() as conn:
        assert leases.quarantine(conn, taken.lease, now + 3601) == 60, "it had worked for an hour"


def put(conn: Connection, names: Sequence[str]) -> list[str]:
    for name in names:
        conn.execute(meta.insert().values(name=name, encrypted=b""))
    return [name.upper() for name in names]


def names(conn: Connection) -> set[str]:
    return set(conn.execute(select(meta.c.name)).scalars())


@pytest.mark.parametrize(
    "wrong",
    [{"token": 2}, {"token": 0}, {"node_id": "b"}, {"connection_id": ConnectionId(99)}],
    ids=" ".join,
)
async def test_only_calls_with_the_valid_lease_are_carried_out(
    inline: InlineDatabase, wrong: dict[str, object]
) -> None:
    several = Leases(inline._engine)
    [id_] = several.adopt(1)
    several.enter("a", "b")
    [taken] = several.take("a")
    valid = taken.lease
    other = Lease(**({"connection_id": id_, "node_id": "a", "token": 1} | wrong))  # type: ignore[arg-type]
    with inline._engine.begin() as conn:
        results = leases.fenced(put)(conn, [(valid, "x"), (other, "y"), (valid, "z")])
        assert names(conn) == {"x", "z"}
    assert results[::2] == ["X", "Z"]
    assert isinstance(results[1], LeaseLost)


def test_leases_follow_their_connections(several: Leases) -> None:
    [id_] = several.adopt(1)
    several.enter("a")
    several.take("a")
    with several.engine.begin() as conn:
        [stored] = leases.owned(conn, "a").values()
        assert stored.site == Site("test", "site-0")
        connections.leave(conn, [connections.Leave(site=stored.site, now=1.0)])
        assert [left.state for left in leases.owned(conn, "a").values()] == ["leaving"]
        connections.wipe(conn, [Wipe(id=id_, blank=b"")])
        assert leases.owned(conn, "a") == {}
        assert leases.fair_share(conn) == 0


@pytest.fixture
def two_engines(postgres_url: Secret) -> Iterator[tuple[Engine, Engine]]:
    engines = [postgres.engine(postgres_url, postgres.WRITE) for _ in range(2)]
    with engines[0].begin() as conn:
        upgrade(conn)
    yield engines[0], engines[1]
    for engine in engines:
        engine.dispose()


@pytest.mark.postgres
def test_a_transaction_of_the_last_owner_ends_before_the_lease_is_taken(two_engines: tuple[Engine, Engine]) -> None:
    here, there = map(Leases, two_engines)
    here.adopt(2)
    here.enter("a")
    held = [taken.lease for taken in here.take("a")]
    there.enter("b")
    with here.engine.begin() as under_way:
        assert leases.fence(under_way, held[:1]) == {held[0]}
        with there.engine.begin() as conn:
            leases.leave(conn, "a")
        # The other one is free at once: nobody waits for a transaction that may stand still.
        assert [taken.lease.connection_id for taken in there.take("b")] == [held[1].connection_id]
    [taken] = there.take("b", Lease(held[1].connection_id, "b", 2))
    assert taken.lease == Lease(held[0].connection_id, "b", 2)
    with here.engine.begin() as conn:
        assert leases.fence(conn, held) == set()


@pytest.mark.postgres
def test_a_beat_under_way_keeps_a_node_from_being_expelled(two_engines: tuple[Engine, Engine]) -> None:
    here, there = map(Leases, two_engines)
    here.enter("a", now=0.0)
    with here.engine.begin() as conn:
        assert leases.beat(conn, "a", 20.0)
        assert there.expel(20.0) == []
    assert there.expel(20.0) == []


@pytest.mark.postgres
def test_two_nodes_that_take_at_the_same_time_share(two_engines: tuple[Engine, Engine]) -> None:
    here, there = map(Leases, two_engines)
    here.adopt(4)
    here.enter("a", "b")
    with here.engine.begin() as conn:
        first = leases.take(conn, "a", [], 0.0)
        with there.engine.connect() as other, other.begin():
            other.execute(text("SET LOCAL lock_timeout = '100ms'"))
            with pytest.raises(Exception, match="lock timeout"):
                leases.take(other, "b", [], 0.0)
    second = there.take("b")
    assert len(first) == len(second) == 2
    assert not {taken.lease.connection_id for taken in first} & {taken.lease.connection_id for taken in second}


@pytest.mark.postgres
def test_a_connection_that_is_deleted_meanwhile_gets_no_lease(two_engines: tuple[Engine, Engine]) -> None:
    here, there = map(Leases, two_engines)
    first, _ = here.adopt(2)
    there.enter("b")
    with here.engine.begin() as conn:
        conn.execute(text("DELETE FROM connections WHERE id = :id"), {"id": first})
        assert len(there.take("b")) == 1
    with there.engine.begin() as conn:
        assert leases.fair_share(conn) == 1


@pytest.mark.postgres
def test_the_clock_is_the_servers(two_engines: tuple[Engine, Engine]) -> None:
    with two_engines[0].begin() as conn:
        before = leases.clock(conn)
        assert conn.execute(text("SELECT pg_sleep(0.01)")).first() is not None
        assert leases.clock(conn) > before, "not the time at which the transaction began"
