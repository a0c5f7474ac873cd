"""SparkLayer's API as the contract has it (`contracts/sparklayer.openapi.yaml`): requests and answers are held to it.

    check = Contract()
    check.request("PATCH", "/api/v1/products/7", body)      # the words of what is wrong, None when it fits
    SparkLayer(SparkLayerOptions(contract=check), url)      # the stand-in then refuses what does not fit, and
                                                            # an answer of its own that does not fails the test

Every request schema is closed, so a property that the contract does not know is refused. Bodies of one shape (names and
types) are judged once: a bulk call of a thousand rows costs little more than one of a few.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import jsonschema
import msgspec
from attrs import define, field
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from daemon.sandbox.message import Request, Response
from daemon.sandbox.sparklayer.contract import contract

BODY = ("requestBody", "content", "application/json", "schema")
MOST_SHAPES = 5_000


@cache
def _registry() -> Registry[Any]:
    empty: Registry[Any] = Registry()
    registry: Registry[Any] = empty.with_resource("urn:contract", DRAFT202012.create_resource(contract()))
    return registry


@cache
def template_of(path: str) -> str | None:
    """Return the contract's path that a request's path is one of; the most literal one wins."""
    fitting = [template for template, pattern in _patterns().items() if pattern.fullmatch(path)]
    return min(fitting, key=lambda template: template.count("{"), default=None)


@cache
def _patterns() -> Mapping[str, re.Pattern[str]]:
    return {path: re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))) for path in contract()["paths"]}


@cache
def validator_at(*place: str) -> jsonschema.Draft202012Validator:
    """Return what validates against the schema at a place of the contract."""
    pointer = "/".join(part.replace("/", "~1") for part in place)
    return jsonschema.Draft202012Validator({"$ref": f"urn:contract#/{pointer}"}, registry=_registry())


def bodies() -> Iterator[tuple[str, str]]:
    """Yield method and path of every operation that takes a body."""
    for path, operations in contract()["paths"].items():
        for method, operation in operations.items():
            if isinstance(operation, dict) and "requestBody" in operation:
                yield method.upper(), path


@define
class Contract:
    """Fulfils `daemon.sandbox.sparklayer.api.Contract`."""

    _seen: set[tuple[Any, ...]] = field(init=False, factory=set)

    def refusal(self, request: Request) -> str | None:
        """Return what is wrong with a request's body, None when it fits or the contract has no such body."""
        template = template_of(request.path)
        operation = contract()["paths"].get(template, {}).get(request.method.lower(), {})
        if not request.body or "requestBody" not in operation or template is None:
            return None
        try:
            content = msgspec.json.decode(request.body)
        except msgspec.DecodeError:
            return None  # the stand-in has words for that itself
        return self._judge(("paths", template, request.method.lower(), *BODY), content)

    def check_answer(self, request: Request, response: Response) -> None:
        """Hold an answer against the contract. Raises AssertionError."""
        template = template_of(request.path)
        responses = contract()["paths"].get(template, {}).get(request.method.lower(), {}).get("responses")
        if responses is None or template is None:
            assert response.status in {401, 404, 405, 429}, f"{request.method} {request.path} is not in the contract"
            return
        name = f"{request.method} {template} {response.status}"
        media_type = response.headers.get("content-type", "")
        place = ("paths", template, request.method.lower(), "responses")
        for key in (str(response.status), "default"):
            if key not in responses:
                continue
            content, where = _content(responses[key], (*place, key))
            if content is None:
                assert response.body == b"", name
                return
            if media_type in content:  # prices are refused by lines or, as all else, with a problem
                wrong = self._judge((*where, media_type, "schema"), msgspec.json.decode(response.body))
                assert wrong is None, f"{name}: {wrong}"
                return
        raise AssertionError(f"{name}: {media_type}")

    def _judge(self, place: tuple[str, ...], content: Any) -> str | None:
        seen = (place, _shape(content))
        if seen in self._seen:
            return None
        error = next(validator_at(*place).iter_errors(content), None)
        if error is not None:
            return f"{error.json_path}: {error.message}"
        if len(self._seen) < MOST_SHAPES:
            self._seen.add(seen)
        return None


def _content(described: dict[str, Any], place: tuple[str, ...]) -> tuple[dict[str, Any] | None, tuple[str, ...]]:
    """Return what a response may contain, by media type (None: nothing), and where the contract says so."""
    if "$ref" in described:
        place = ("components", "responses", described["$ref"].rpartition("/")[2])
        described = contract()["components"]["responses"][place[-1]]
    return described.get("content"), (*place, "content")


def _shape(content: Any) -> Any:
    """Return names and types of a content; of the rows of a list those that differ."""
    if isinstance(content, dict):
        return tuple((name, _shape(value)) for name, value in content.items())
    if isinstance(content, list):
        return frozenset(map(_shape, content))
    return type(content)


CONTRACT = Contract()
"""For all stand-ins of a test run: each shape is judged once."""
