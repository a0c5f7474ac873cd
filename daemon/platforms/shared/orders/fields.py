"""The cart and the dates of an order, which are read alike on every platform (pure)."""

import uuid
from datetime import datetime

from daemon.entities import Issue
from daemon.issues import IssueType
from daemon.model import CartId
from daemon.platforms.shared.dates import moment_of


def cart_of(text: str, issues: list[Issue]) -> CartId | None:
    """Return a cart's id in canonical form. If the text is no such id, add an issue and return None."""
    try:
        return CartId(str(uuid.UUID(text.strip())))
    except ValueError:
        issues.append(IssueType.CART_UNKNOWN.issue())
        return None


def order_date(text: str | None, platform: str, name: str, issues: list[Issue]) -> datetime | None:
    """Return a date of an order. If it cannot be read, add an issue that names the field and return None."""
    moment = moment_of(text or "")
    if moment is None:
        issues.append(IssueType.ORDER_DATE_UNUSABLE.issue(platform=platform, field=name))
    return moment
