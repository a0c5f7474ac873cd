"""Parts of mapping that are alike for every kind: entities with odd fields, and links to a page of the store. Pure."""

from typing import Any

from daemon.entities import Mapped, StoreFacts
from daemon.issues import IssueType
from daemon.platforms.shared.rows import Odd


def unread(odd: Odd, platform: str, name: str, url: str) -> Mapped[Any]:
    """Map an entity with odd fields to its issues, so SparkLayer keeps what it has."""
    issues = [IssueType.FIELD_UNREADABLE.issue(platform=platform, field=field) for field in odd.fields]
    return Mapped(value=None, issues=tuple(issues), name=name, url=url)


def page_url(facts: StoreFacts, path: str) -> str:
    """Return the address of a page of the store's control panel; empty if the panel's address is unknown."""
    return f"{facts.url}{path}" if facts.url else ""
