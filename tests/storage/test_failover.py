"""A server that was promoted has another timeline, which every user may ask for."""

import shutil

from psycopg import sql

from daemon.storage import failover, postgres
from daemon.storage.database import open_database
from tests.postgres import running


async def test_a_promoted_server_has_another_timeline() -> None:
    with running() as server, server.database() as url:
        async with open_database(url) as database:
            assert await database.apart(failover.timeline) == 1
        server.stop()
        signal = server.data / "standby.signal"
        signal.touch()
        shutil.chown(signal, server.user) if server.user else None
        server.start()
        server.administer(sql.SQL("SELECT {}").format(sql.SQL("pg_promote()")))
        server.administer(sql.SQL("CHECKPOINT").format())
        async with open_database(url) as database:
            assert await database.apart(failover.timeline) == 2


def test_a_user_without_the_right_is_told_nothing() -> None:
    with running() as server, server.database() as url:
        revoke = "REVOKE EXECUTE ON FUNCTION pg_control_checkpoint() FROM public"
        server.administer(sql.SQL("{}").format(sql.SQL(revoke)))
        engine = postgres.engine(url, postgres.WRITE)
        with engine.begin() as conn:
            assert failover.timeline(conn) == 1
        engine.dispose()
