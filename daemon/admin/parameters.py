"""Reads the parameters of the operations, which come by HTTP, the page or a command. Raises Invalid and NotFound."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, get_type_hints

from daemon.engine.context import SYNCED_KINDS
from daemon.errors import Invalid, NoConnection
from daemon.listener.ignite import site_named
from daemon.listener.openapi import RouteDescription
from daemon.model import ExternalId, Kind, Site

Params = dict[str, Any]


def as_described(
    about: RouteDescription, operation: Callable[[Params], Awaitable[Any]]
) -> Callable[[Params], Awaitable[Any]]:
    """Return an operation that refuses a parameter which its description lacks, and a boolean that is none.

    The operation itself judges the other values.
    """
    described = about.body or about.query
    types: Mapping[str, Any] = get_type_hints(described) if described else {}

    async def checked(params: Params) -> Any:
        for name, value in params.items():
            if name not in types:
                raise Invalid(f"{name}: is not a parameter; there are: {', '.join(types) or 'none'}")
            if types[name] is bool and not isinstance(value, bool):
                raise Invalid(f"{name}: must be true or false")
        return await operation(params)

    return checked


def site_text(params: Params) -> str:
    """Return the site as it was given."""
    text = params.get("site")
    if not isinstance(text, str) or not text:
        raise Invalid("site: must be live/SITE_ID or test/SITE_ID")
    return text


def read_site(params: Params) -> Site:
    """Return the site."""
    text = site_text(params)
    site = site_named(*text.partition("/")[::2])
    if site is None:
        raise NoConnection(text)
    return site


def read_kind(params: Params) -> Kind:
    """Return the kind."""
    known = [kind.value for kind in SYNCED_KINDS]
    if params.get("kind") not in known:
        raise Invalid(f"kind: must be one of {', '.join(known)}")
    return Kind(params["kind"])


def read_ids(params: Params) -> Sequence[ExternalId]:
    """Return the ids, at least one."""
    given = params.get("ids")
    if not isinstance(given, list) or not given or not all(isinstance(text, str) for text in given):
        raise Invalid("ids: must be a list of at least one text, the platform's ids of entities")
    return [ExternalId(text) for text in given]
