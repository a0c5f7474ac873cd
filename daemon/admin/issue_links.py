"""Links that show a merchant the issues of one site, without an operator's token.

A link is signed: it names its site and its end. Anyone who has it may read these issues until then.
"""

from collections.abc import Callable, Sequence

import msgspec

from daemon.listener.signed import Signer
from daemon.model import Secret

DAY = 86_400.0
USUAL_DAYS = 7
MOST_DAYS = 90


class IssueLink(msgspec.Struct, forbid_unknown_fields=True):
    """The content of a link."""

    site: str
    until: float


class IssueLinks:
    """Makes links and recognises them; `now` is the wall clock."""

    def __init__(self, secret_keys: Sequence[Secret], now: Callable[[], float]) -> None:
        self._signer = Signer(secret_keys)
        self._now = now

    def make(self, site: str, days: int) -> tuple[str, float]:
        """Return the last part of a link's path, and the time of its end."""
        until = self._now() + days * DAY
        return self._signer.sign(IssueLink(site, until)), until

    def open(self, link: str) -> tuple[str, float] | None:
        """Return the site of a link and its end; None if it is not ours, or over."""
        content = self._signer.read(link, IssueLink)
        return (content.site, content.until) if content and self._now() < content.until else None
