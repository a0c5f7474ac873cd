"""Encrypts everything again with the first of the configured keys, so that the older keys may be taken out."""

from typing import Any

from attrs import field, frozen
from sqlalchemy import Connection, Table, select, update

from daemon.storage.database import Storage
from daemon.storage.group_commit import one_by_one
from daemon.storage.tables import metadata
from daemon.storage.vault import Vault


@frozen
class Renewed:
    """A row's value, encrypted again."""

    table: Table
    key: tuple[Any, ...]
    before: bytes = field(repr=False)
    after: bytes = field(repr=False)


async def renew_encryption(storage: Storage, vault: Vault) -> None:
    """Encrypt everything again. Raises ConfigError when no key decrypts a row, and StorageTrouble."""
    for table in metadata.sorted_tables:
        if "encrypted" in table.columns:
            # A commit for each row holds up no webhook; a rotation that is killed is repeated at the next start.
            for key, encrypted in await storage.read(_encrypted, table):
                await storage.write(_store, Renewed(table, key, encrypted, vault.renew(encrypted)))


def _encrypted(conn: Connection, table: Table) -> list[tuple[tuple[Any, ...], bytes]]:
    rows = conn.execute(select(*table.primary_key.columns, table.c.encrypted).where(table.c.encrypted.is_not(None)))
    return [(tuple(row[:-1]), row[-1]) for row in rows]


@one_by_one
def _store(conn: Connection, call: Renewed) -> None:
    row = [column == value for column, value in zip(call.table.primary_key.columns, call.key, strict=True)]
    # A row that has changed since it was read has a new value, which the first key has encrypted.
    unchanged = call.table.c.encrypted == call.before
    conn.execute(update(call.table).where(*row, unchanged).values(encrypted=call.after))
