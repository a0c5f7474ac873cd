"""The pages that a browser shows, one of each sort, on the site with every state."""

import re
from collections.abc import Callable, Mapping

from attrs import frozen

from tests.prove.browser.visitor import Visitor


@frozen(kw_only=True)
class ShownPage:
    """A page: the route that it belongs to, and the way to it. `status` is that of its answer."""

    route: str
    show: Callable[[Visitor], None]
    heading: str
    with_session: bool = True
    status: int = 200


def _at(path: str) -> Callable[[Visitor], None]:
    return lambda visitor: _go(visitor, path)


def _go(visitor: Visitor, path: str) -> None:
    visitor.go(path)


def search(visitor: Visitor, site: str, text: str, kind: str = "all kinds") -> None:
    """Search for a text at a site."""
    visitor.go("/search")
    visitor.page.get_by_label("Site").select_option(site)
    visitor.page.get_by_label("Kind").select_option(label=kind)
    visitor.page.get_by_label("SKU, name").fill(text)
    visitor.press("Explain")


def _follow_link(visitor: Visitor) -> None:
    """Make a link for the merchant, and open it without a session."""
    visitor.go("/sites/test/bikes")
    visitor.press("Create a link for the merchant")
    address = visitor.page.get_by_label("Link to the issues").input_value()
    visitor.context.clear_cookies()
    visitor.go(address)


def dry_run(visitor: Visitor, name: str, kind: str = "all kinds") -> None:
    """Start a dry run of a connection, or join the one that is running."""
    visitor.go(f"/sites/test/{name}/verify")
    visitor.page.get_by_label("Kind").select_option(label=kind)
    visitor.page.get_by_role("button", name=re.compile("dry run")).click()


def _finish_dry_run(visitor: Visitor) -> None:
    dry_run(visitor, "kitchen")
    visitor.page.get_by_role("heading", name="Result").wait_for()
    visitor.page.get_by_role("link", name="Start another dry run").wait_for()


PAGES: Mapping[str, ShownPage] = {
    "login": ShownPage(route="/login", show=_at("/login"), heading="Log in", with_session=False),
    "connections": ShownPage(route="/", show=_at("/"), heading="Connections"),
    "connection": ShownPage(route="/sites/{env}/{site_id}", show=_at("/sites/test/bikes"), heading="test/bikes"),
    "history": ShownPage(
        route="/sites/{env}/{site_id}/history", show=_at("/sites/test/bikes/history"), heading="History of test/bikes"
    ),
    "dry-run": ShownPage(
        route="/sites/{env}/{site_id}/verify", show=_finish_dry_run, heading="Dry run of test/kitchen"
    ),
    "merchant": ShownPage(route="/shared/issues/{link}", show=_follow_link, heading="What to fix in your store"),
    "search": ShownPage(
        route="/search", show=lambda visitor: search(visitor, "test/bikes", "SO-B909-L", "products"), heading="Search"
    ),
    "audit": ShownPage(route="/audit", show=_at("/audit"), heading="Audit log"),
    "refusal": ShownPage(route="", show=_at("/sites/test/nowhere"), heading="This did not work", status=404),
}
"""By the name of the screenshot. `refusal` is the answer to what does not exist, at any route."""
