"""SparkLayer's API as `openapi.json` describes it: the bodies of requests are held to its schemas.

Each schema becomes a msgspec type once, so a body is judged as fast as it is decoded, value by value: unknown fields,
wrong types, nulls, patterns, bounds and missing fields are refused with 400. What the file calls readOnly is the API's
own and unknown in a request. `oneOf` is left to the handlers, which know better words for it.
"""

import re
import types
from collections.abc import Callable
from datetime import date, datetime
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Literal, Union

import msgspec
from msgspec import UNSET, Meta, UnsetType

from daemon.sandbox.message import Refused, Request
from daemon.sandbox.sparklayer.record import Detail, Record, problem

_TYPES: dict[str, Any] = {"string": str, "integer": int, "number": float, "boolean": bool, "null": None}
_FORMATS: dict[str, Any] = {"date": date, "date-time": Annotated[datetime, Meta(tz=True)]}
_BOUNDS = {
    "minLength": "min_length",
    "maxLength": "max_length",
    "pattern": "pattern",
    "minimum": "ge",
    "maximum": "le",
    "minItems": "min_length",
    "maxItems": "max_length",
}
_INT32 = {"minimum": -(2**31), "maximum": 2**31 - 1}


@cache
def contract() -> dict[str, Any]:
    """Return the API's description (OpenAPI 3.1)."""
    return dict(msgspec.json.decode(files(__package__).joinpath("openapi.json").read_bytes()))


def _problem(words: str, place: str) -> Refused:
    return problem(400, words, [Detail("invalid", words, place)])


def decode(request: Request, operation: str, refusal: Callable[[str, str], Refused] = _problem) -> Any:
    """Return the body of an operation, named as in the contract.

    Raises Refused: 415 for another media type, else what `refusal` makes of the words and the place of the misfit.
    """
    if request.headers.get("content-type", "").split(";")[0].strip() != "application/json":
        raise problem(415, "The body must be application/json")
    try:
        body_type(operation).decode(request.body)
    except msgspec.DecodeError as error:
        raise refusal(*_explained(error)) from None
    content = msgspec.json.decode(request.body)
    return Record(content) if isinstance(content, dict) else content


def convert(content: Any, operation: str) -> None:
    """Hold the content of a body, given as plain data, against the contract. Raises msgspec.ValidationError."""
    msgspec.convert(content, body_type(operation).type)


def _explained(error: msgspec.DecodeError) -> tuple[str, str]:
    """Return the message of a decoding error, and the path to the place such as `[3].sku`, also of a missing one."""
    words, _, path = str(error).partition(" - at `$")
    named = re.search(r"(?:unknown|missing required) field `(.*)`", words)
    place = path.rstrip("`") + (f".{named[1]}" if named else "")
    return words, place.removeprefix(".")


@cache
def body_type(operation: str) -> msgspec.json.Decoder[Any]:
    """Return what decodes an operation's body. Raises LookupError."""
    for path in contract()["paths"].values():
        for described in path.values():
            if isinstance(described, dict) and described.get("operationId") == operation:
                return msgspec.json.Decoder(_type(described["requestBody"]["content"]["application/json"]["schema"]))
    raise LookupError(operation)


def merged(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema with what it refers to."""
    parts = [*schema.get("allOf", [])]
    if "$ref" in schema:
        parts.append(contract()["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    result = {key: value for key, value in schema.items() if key not in {"$ref", "allOf"}}
    for part in map(merged, parts):
        properties = part.get("properties", {}) | result.get("properties", {})
        required = [*part.get("required", ()), *result.get("required", ())]
        result = part | result | {"properties": properties, "required": required}
    return result


def _type(schema: dict[str, Any]) -> Any:
    schema = merged(schema)
    if schema.get("properties"):
        return _struct(schema)
    if "const" in schema or "enum" in schema:
        return Literal[tuple(schema.get("enum", [schema.get("const")]))]
    if schema.get("format") == "int32":
        schema = _INT32 | schema
    bounds = {ours: schema[name] for name, ours in _BOUNDS.items() if name in schema}
    kinds = schema.get("type", ())
    if kinds == "array":
        known: Any = types.GenericAlias(list, _type(schema["items"]))
    else:
        plain = tuple(_TYPES[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds))
        known = _FORMATS.get(schema.get("format", "")) or (Union[plain] if plain else Any)  # noqa: UP007  of data
    return Annotated[known, Meta(**bounds)] if bounds else known


def _struct(schema: dict[str, Any]) -> Any:
    fields: list[Any] = []
    for name, part in schema["properties"].items():
        if not part.get("readOnly"):
            known = _type(part)
            optional = name not in schema.get("required", ())
            fields.append((name, known | UnsetType, UNSET) if optional else (name, known))
    return msgspec.defstruct("Object", fields, forbid_unknown_fields=True, kw_only=True)
