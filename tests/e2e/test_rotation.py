"""`secret_keys` are rotated as docs/operating.md says, and the real process still reads what the old key encrypted."""

import re
import sqlite3

from daemon.storage.tables import metadata
from tests.e2e.harness import OpenHarness, ProcessHarness
from tests.e2e.process import SITE

OLD, NEW = "e2e-secret-key-of-32-characters!", "another-key-that-came-after-it!!"
SEALED = [name for name, table in metadata.tables.items() if "encrypted" in table.columns]
ALL = "select encrypted from {} where encrypted is not null"
REFUSED = (
    2,
    "",
    "ignite-sync: security.secret_keys: none of the keys opens the database; put the earlier key into the list\n",
)


def _set_keys(h: ProcessHarness, *keys: str) -> None:
    text = h.process.config.read_text("utf-8")
    listed = ", ".join(f'"{key}"' for key in keys)
    h.process.config.write_text(re.sub(r"secret_keys = \[.*\]", f"secret_keys = [{listed}]", text), "utf-8")


def _encrypted(h: ProcessHarness) -> dict[str, set[bytes]]:
    """Return what is encrypted in each table."""
    with sqlite3.connect(f"file:{h.process.database}?mode=ro", uri=True) as database:
        return {name: {row[0] for row in database.execute(ALL.format(name))} for name in SEALED}


async def test_a_new_key_takes_over_and_the_earlier_one_may_go(harness: OpenHarness) -> None:
    async with harness() as h:
        h.store.set_sku(h.store.by_sku("J-S").id, "")  # an issue, whose text is encrypted
        await h.first_sync()
        assert await h.process.terminate() == 0
        before = _encrypted(h)
        assert before["connections"]
        assert before["issues"]
        _set_keys(h, NEW, OLD)
        await h.process.start()
        assert await h.process.terminate() == 0
        after = _encrypted(h)
        assert {name: len(rows) for name, rows in after.items()} == {name: len(rows) for name, rows in before.items()}
        assert [name for name in SEALED if before[name] & after[name]] == [], "everything is encrypted anew"
        _set_keys(h, NEW)
        writes = h.writes
        await h.process.start()
        h.store.set_title(1, "Changed")
        await h.until(lambda: h.writes != writes)
        await h.settle()
        h.assert_equal()
        run = await h.process.full_sync()
        assert (run["succeeded"], h.writes[0]) == (True, writes[0] + 1), "the ledger's fingerprints still hold"
        _, issues, _ = await h.process.command("issues", SITE)
        assert "has no SKU" in issues
        assert await h.process.terminate() == 0
        _set_keys(h, OLD)
        assert await h.process.command("run") == REFUSED
