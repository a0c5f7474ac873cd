"""Reads the parameters of a URL strictly: what is out of range or unknown is refused with 400, naming the parameter."""

from urllib.parse import parse_qsl

from daemon.sandbox.message import Request
from daemon.sandbox.sparklayer.problems import Detail, problem


class Query:
    """The parameters of one request. Ask for each that the endpoint knows, then `finish`."""

    def __init__(self, request: Request) -> None:
        self._left = dict(parse_qsl(request.query, keep_blank_values=True))

    def text(self, name: str) -> str | None:
        """Take a text; None when it is not given."""
        return self._left.pop(name, None)

    def number(self, name: str, default: int, *, least: int, most: int | None = None) -> int:
        """Take a whole number. Raises Refused when it is none, or out of range."""
        text = self._left.pop(name, str(default))
        if not text.isdecimal() or int(text) < least or (most is not None and int(text) > most):
            raise problem(400, f"{name} is out of range", [Detail("invalid", f"{text} is out of range", name)])
        return int(text)

    def finish(self) -> None:
        """Raise Refused when parameters are left that nobody asked for."""
        if self._left:
            unknown = [Detail("unknown", "There is no such parameter", name) for name in self._left]
            raise problem(400, f"unknown parameters: {', '.join(self._left)}", unknown)
