"""`python -m tests.prove.power.recorder TRACE LEVEL run --config FILE`: the real command, recorded into TRACE.

LEVEL is what SQLite's `synchronous` shall be: FULL as it is, or less, to show what the daemon would lose with it.
An acknowledgement is noted when the listener has made up its answer, a moment before anybody can have it.
"""

import sys
from pathlib import Path
from typing import Any

import msgspec

from daemon.cli.group import main
from daemon.listener.http.messages import Request, Response
from daemon.listener.webhooks import Webhooks
from daemon.storage import sqlite
from tests.prove.power.shim import Shim
from tests.prove.power.trace import Acknowledged, Pen

VERSION = b'"version"'


class _Data(msgspec.Struct):
    id: int


class _Body(msgspec.Struct):
    data: _Data
    version: int


def note_answers(pen: Pen) -> None:
    """Have the webhooks' answers noted, where the test says in a webhook which version it is about."""
    receive = Webhooks.receive

    async def receive_and_note(self: Webhooks, request: Request, site_env: str, site_id: str) -> Response:
        response = await receive(self, request, site_env, site_id)
        if response.status == 200 and VERSION in request.body:
            body = msgspec.json.decode(request.body, type=_Body)
            pen.write(Acknowledged(str(body.data.id), body.version))
        return response

    Webhooks.receive = receive_and_note  # type: ignore[method-assign]


CHECKPOINT_PAGES = 50
"""Instead of SQLite's 1,000: so the WAL is carried over into the database and begun anew many times in a recording."""


def set_level(level: str) -> None:
    """Have every connection to the database opened at a level of `synchronous`, with checkpoints often."""
    prepare = sqlite.prepare

    def prepare_so(engine: Any, begin: str, *pragmas: str) -> Any:
        return prepare(engine, begin, *pragmas, f"synchronous={level}", f"wal_autocheckpoint={CHECKPOINT_PAGES}")

    sqlite.prepare = prepare_so


if __name__ == "__main__":
    _, path, level, *arguments = sys.argv
    trace = Pen(Path(path))
    shim = Shim(trace)
    shim.listen_in()
    note_answers(trace)
    set_level(level)
    main(arguments, prog_name="ignite-sync")
