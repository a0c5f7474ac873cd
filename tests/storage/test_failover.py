"""A server that was promoted has another timeline, which every user may ask for, and which is seen at a later start."""

import shutil

import psycopg
from psycopg import sql

from daemon.storage import failover, postgres
from daemon.storage.database import open_database
from tests.postgres import Server, running


async def test_a_promoted_server_has_another_timeline() -> None:
    with running() as server, server.database() as url:
        async with open_database(url) as database:
            assert await database.apart(failover.look, None, 0.0) == (1, False), "a new database"
        server.stop()
        signal = server.data / "standby.signal"
        signal.touch()
        if server.user is not None:
            shutil.chown(signal, server.user)
        server.start()
        server.administer(sql.SQL("SELECT pg_promote()").format())
        server.administer(sql.SQL("CHECKPOINT").format())
        async with open_database(url) as database:
            assert await database.apart(failover.look, None, 0.0) == (2, True)
            assert await database.apart(failover.look, None, 0.0) == (2, False), "that one was noted"
            assert await database.apart(failover.look, 3, 0.0) == (2, True), "another life of the server came back"


def test_a_user_without_the_right_is_told_nothing(server: Server) -> None:
    with server.database() as url:
        name = url.reveal().partition("?")[0].rpartition("/")[2]
        with psycopg.connect(server.url(name, "admin").reveal(), autocommit=True) as admin:
            admin.execute("REVOKE EXECUTE ON FUNCTION pg_control_checkpoint() FROM public")
        engine = postgres.engine(url, postgres.WRITE)
        with engine.begin() as conn:
            assert failover.timeline(conn) is None
        engine.dispose()
