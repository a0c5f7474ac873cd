"""Each misspelt property of a request is refused, by the contract and by the stand-in."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import msgspec
import pytest
from attrs import evolve

from daemon.sandbox.message import Request
from daemon.sandbox.sparklayer import SparkLayer, SparkLayerOptions
from daemon.sandbox.sparklayer.contract import contract, convert, merged
from tests.contract import BODY, CONTRACT, bodies, validator_at
from tests.each import each

TEXTS = {"date": "2027-01-01", "date-time": "2027-01-01T00:00:00Z"}
KNOWN: dict[str, Any] = {
    "currency_code": "GBP",
    "currency": "GBP",
    "country_code": "GB",
    "email": "buyer@example.com",
    "number": "15.99",
}
NAMES = {"id": "1", "slug": "a", "sku": "S", "lookupBy": "platform", "identifier": "1", "integration": "shop"}


PRESENT = [
    ("POST", "/api/v1/price-lists", {"slug": "a", "name": "A", "currency_code": "GBP"}),
    ("PUT", "/api/v1/sync-log/shop/products", {"errors": []}),
]
"""Entities that must exist before they can be changed: method, path and body."""


def schema_of(method: str, path: str) -> dict[str, Any]:
    place: Any = contract()["paths"][path][method.lower()]
    for name in BODY:
        place = place[name]
    found: dict[str, Any] = place
    return found


def examples(schema: dict[str, Any], name: str = "") -> list[Any]:
    """Return contents that have every property which the schema knows; more than one where it has alternatives."""
    schema = merged(schema)
    if schema.get("properties"):
        choices = [set(choice["required"]) for choice in schema.get("oneOf", [])] or [set()]
        rivals = set().union(*choices)
        values = {key: examples(part, key)[0] for key, part in schema["properties"].items() if not part.get("readOnly")}
        return [{key: one for key, one in values.items() if key not in rivals - choice} for choice in choices]
    kind = schema.get("type")
    if kind == "array":
        return [[one] for one in examples(schema["items"], name)]
    if "const" in schema or "enum" in schema:
        return [schema.get("const") or schema["enum"][0]]
    if kind == "string" or (isinstance(kind, list) and "string" in kind):
        prefix = str(schema.get("pattern", "")).removeprefix("^")
        return [KNOWN.get(name) or TEXTS.get(schema.get("format", "")) or f"{prefix}buyer@example.com"]
    return [True if kind == "boolean" or (isinstance(kind, list) and "boolean" in kind) else 1]


def _positions(content: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(content, dict):
        for key, value in content.items():
            yield (*place, key)
            yield from _positions(value, (*place, key))
    elif isinstance(content, list):
        for number, value in enumerate(content):
            yield from _positions(value, (*place, number))


def _misspelt(content: Any, place: tuple[Any, ...]) -> Any:
    whole = deepcopy(content)
    parent = whole
    for key in place[:-1]:
        parent = parent[key]
    parent[f"{place[-1]}_"] = parent.pop(place[-1])
    return whole


@each(("method", "path"), list(bodies()))
def test_a_body_with_every_property_fits_the_contract(method: str, path: str) -> None:
    operation = contract()["paths"][path][method.lower()]["operationId"]
    for example in examples(schema_of(method, path)):
        convert(example, operation)
        validator_at("paths", path, method.lower(), *BODY).validate(example)


@pytest.mark.holds("A1")
@each(("method", "path"), list(bodies()))
async def test_a_misspelt_property_is_refused(method: str, path: str) -> None:
    site = SparkLayer(SparkLayerOptions(), "http://site.test")
    for present in PRESENT:
        assert _status(site, _request(*present)) < 300
    before = site.state.comparable()
    misspelt = [
        (place, _misspelt(body, place)) for body in examples(schema_of(method, path)) for place in _positions(body)
    ]
    assert misspelt
    for place, body in misspelt:
        request = _request(method, path.format(**NAMES, data_type="products"), body)
        assert CONTRACT.refusal(request) is not None, place
        if path != "/api/v1/pricing/{sku}":  # the daemon does not use it, so the stand-in does not have it
            assert _status(site, request) == 400, place
    assert site.state.comparable() == before


def _request(method: str, path: str, body: Any) -> Request:
    return Request(
        method=method, path=path, headers={"content-type": "application/json"}, body=msgspec.json.encode(body)
    )


def _status(site: SparkLayer, request: Request) -> int:
    key = {"grant_type": "client_credentials", "client_id": site.client_id, "client_secret": site.client_secret}
    log_in = _request("POST", "/api/auth/token", key)
    site_id = {"site-id": site.site_id}
    token = msgspec.json.decode(site.answer(_with(log_in, site_id), site.find(log_in)).body)["access_token"]
    return site.answer(_with(request, {**site_id, "authorization": f"Bearer {token}"}), site.find(request)).status


def _with(request: Request, headers: dict[str, str]) -> Request:
    return evolve(request, headers={**request.headers, **headers})
