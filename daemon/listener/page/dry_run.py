"""A dry run as one page that grows: lines of progress, then what a full sync would write, remove and hold.

The answer lasts as long as the dry run, or until settings are reloaded. So the page needs no script, and with several
nodes all of it comes from the node that does the work. A reader who leaves ends nothing at once: the dry run ends a
minute later, and until then another page on that node joins it.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any

import trio

from daemon.errors import Conflict, NotFound, StorageTrouble
from daemon.listener.page import rendering

POLL = 0.5
"""Seconds between two looks at a dry run."""

SHARE = 0.1
"""A line of progress waits for this part of the time since the beginning, so that a long dry run has few."""

BEAT = 15.0
"""Seconds of silence after which a comment is sent: proxies give up silent answers, and it finds readers that left."""

Verified = Mapping[str, Any]
"""The answer of the operation `verify_state`."""


def page(values: Mapping[str, Any], verified: Verified | None) -> str:
    """Return the page with the latest dry run, if there is one and it is over."""
    head, log_ends, tail = _parts(values, following=False)
    return head + log_ends + (_result(verified) if verified is not None and not verified["running"] else "") + tail


async def growing(values: Mapping[str, Any], ask: Callable[[], Awaitable[Verified]]) -> AsyncGenerator[bytes, None]:
    """Yield the page of a dry run piece by piece.

    `ask` returns its state. It raises NotFound for one that was ended, and Conflict if this page must end.
    """
    head, log_ends, tail = _parts(values, following=True)
    yield head.encode()
    verified: Verified = {"running": True, "kinds": {}}
    began = line_at = sent_at = trio.current_time()
    line = ""
    while True:
        try:
            verified = await ask()
        except (NotFound, Conflict) as error:  # a command ended it, or the connection left; or settings were reloaded
            gone = f"The dry run was ended: {error}." if isinstance(error, NotFound) else str(error)
            yield (log_ends + _result({"site": values["site"], "gone": gone}) + tail).encode()
            return
        except StorageTrouble:
            pass  # the next look may succeed
        words, now = _words(verified), trio.current_time()
        due = not verified["running"] or now - line_at >= SHARE * (now - began)
        if words != line and due:
            line, line_at, sent_at = words, now, now
            yield (rendering.rendered("_dry_run_line.html", {"line": line}) + "\n").encode()
        elif now - sent_at >= BEAT:
            sent_at = now
            yield b"<!-- -->\n"
        if not verified["running"]:
            break
        await trio.sleep(POLL)
    yield (log_ends + _result({**verified, "ended_ago": None}) + tail).encode()


def _words(verified: Verified) -> str:
    """Return what was read so far in words."""
    read = [
        f"{found['seen']} {name}{'' if found['over'] else ' so far'}"
        for name, found in verified["kinds"].items()
        if found["over"] or found["seen"]
    ]
    return f"Read {', '.join(read)}" if read else "Preparing"


def _parts(values: Mapping[str, Any], *, following: bool) -> tuple[str, str, str]:
    """Return the page in three: up to the end of the progress, up to the result, and the rest."""
    text = rendering.rendered("dry_run.html", {**values, "following": following})
    head, log_ends, tail = text.split(rendering.MARK)
    return head, log_ends, tail


def _result(verified: Verified) -> str:
    return rendering.rendered("_dry_run_result.html", {"gone": None, "ended_ago": None, **verified})
