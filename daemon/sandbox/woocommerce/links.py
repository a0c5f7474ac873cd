"""The `_links` of an object, as the REST API adds them in answers and webhooks (recorded in both)."""

from typing import Any

NAMESPACE = "/wp-json/wc/v3"
ITEM = ("GET", "POST", "PUT", "PATCH", "DELETE")


def item_links(home: str, path: str, *, up: str | bool = "", allow: tuple[str, ...] = ITEM) -> dict[str, Any]:
    """Return `_links` of the object at `path`: itself, its collection and, with `up`, its parent."""
    collection, _, _ = path.rpartition("/")
    base = f"{home}{NAMESPACE}/"
    links: dict[str, Any] = {
        "self": [{"href": base + path, "targetHints": {"allow": list(allow)}}],
        "collection": [{"href": base + collection}],
    }
    return {"_links": links | ({"up": [{"href": f"{base}{up}"}]} if up else {})}
