"""Triggers in the daemon's database that see every settlement, and every change of hands of a lease.

The session of a node has the node's name as its `application_name`. Only the node with the lease of a connection may
write rows of the ledger, or delete rows of the outbox; everything else is a violation.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from attrs import frozen

from daemon.model import Lane, Secret
from daemon.storage import postgres

TRIGGERS = """
CREATE TABLE audit_nodes (id text PRIMARY KEY, name text NOT NULL);
CREATE TABLE audit_hands (site text, token bigint, name text, at float);
CREATE TABLE audit_violations (place text, connection_id integer, writer text, holder text, at float);

CREATE FUNCTION audit_enter() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO audit_nodes VALUES (NEW.id, current_setting('application_name'));
    RETURN NULL;
END $$;
CREATE TRIGGER audit AFTER INSERT ON nodes FOR EACH ROW EXECUTE FUNCTION audit_enter();

CREATE FUNCTION audit_take() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO audit_hands SELECT c.site_id, NEW.token, n.name, extract(epoch FROM clock_timestamp())
    FROM connections c, audit_nodes n WHERE c.id = NEW.connection_id AND n.id = NEW.node_id;
    RETURN NULL;
END $$;
CREATE TRIGGER audit AFTER UPDATE OF token ON leases FOR EACH ROW EXECUTE FUNCTION audit_take();

CREATE FUNCTION audit_settle() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    connection integer := CASE WHEN TG_OP = 'DELETE' THEN OLD.connection_id ELSE NEW.connection_id END;
    writer text := current_setting('application_name');
    holder text := (
        SELECT n.name FROM leases l JOIN audit_nodes n ON n.id = l.node_id WHERE l.connection_id = connection
    );
BEGIN
    IF holder IS DISTINCT FROM writer THEN
        INSERT INTO audit_violations
        VALUES (TG_OP || ' ' || TG_TABLE_NAME, connection, writer, holder, extract(epoch FROM clock_timestamp()));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON ledger FOR EACH ROW EXECUTE FUNCTION audit_settle();
CREATE TRIGGER audit AFTER DELETE ON outbox FOR EACH ROW EXECUTE FUNCTION audit_settle();
"""

OUTBOX = """
SELECT c.site_id, o.kind, o.external_id, o.state, o.lane FROM outbox o JOIN connections c ON c.id = o.connection_id
"""


@frozen(kw_only=True)
class Hand:
    """A lease taken: by the node `name`, at `at`, in seconds since the epoch."""

    token: int
    name: str
    at: float


@frozen(kw_only=True)
class Waiting:
    """A row of the outbox."""

    site_id: str
    kind: str
    external_id: str
    parked: bool
    live: bool


@frozen
class Audit:
    """The triggers' findings in one database."""

    _conn: psycopg.Connection[tuple[Any, ...]]

    @classmethod
    def begin(cls, url: Secret) -> "Audit":
        """Make the daemon's tables in an empty database, with the triggers. `close` ends the session."""
        engine = postgres.engine(url, postgres.WRITE)
        with engine.connect() as conn, conn.begin():
            postgres.prepare(conn, "test")
        engine.dispose()
        session = psycopg.connect(url.reveal(), autocommit=True, prepare_threshold=None)
        session.execute(TRIGGERS)
        return cls(session)

    def close(self) -> None:
        """End the session."""
        self._conn.close()

    @property
    def violations(self) -> list[str]:
        """Settlements by nodes without the lease."""
        rows = self._conn.execute("SELECT place, connection_id, writer, holder FROM audit_violations").fetchall()
        return [
            f"{place} of connection {number} by {writer}, while {holder} had it"
            for place, number, writer, holder in rows
        ]

    @property
    def hands(self) -> Mapping[str, Sequence[Hand]]:
        """All takings of each site's lease, in order."""
        hands: dict[str, list[Hand]] = {}
        for site, token, name, at in self._conn.execute("SELECT site, token, name, at FROM audit_hands ORDER BY token"):
            hands.setdefault(site, []).append(Hand(token=int(token), name=name, at=float(at)))
        return hands

    @property
    def outbox(self) -> list[Waiting]:
        """All rows of the outbox."""
        return [
            Waiting(
                site_id=site_id,
                kind=kind,
                external_id=external_id,
                parked=state == "parked",
                live=Lane(int(lane)) is Lane.LIVE,
            )
            for site_id, kind, external_id, state, lane in self._conn.execute(OUTBOX)
        ]

    @property
    def open_runs(self) -> int:
        """The number of full syncs that have not ended."""
        return int(self._conn.execute("SELECT count(*) FROM full_syncs WHERE state <> 'ended'").fetchall()[0][0])
