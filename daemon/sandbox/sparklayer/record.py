"""A record of the site as the API writes it: a JSON object whose fields can also be reached as attributes."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from daemon.sandbox.sparklayer.problems import Detail, problem


class Record(dict[str, Any]):
    """One record. A field that it does not have reads as None; how it may look is told by the contract."""

    __slots__ = ()

    if TYPE_CHECKING:

        def __getattr__(self, _name: str) -> Any: ...
        def __setattr__(self, _name: str, _value: Any) -> None: ...
    else:
        __getattr__, __setattr__ = dict.get, dict.__setitem__

    def without(self, *names: str) -> dict[str, Any]:
        """Return the fields but for some."""
        return {name: value for name, value in self.items() if name not in names}


def now() -> str:
    """Return the present moment as the API writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def refuse_prefix(external_id: str | None, prefix: str, place: str) -> None:
    """Raise Refused where an external id, written at `place`, looks like one of the API's own."""
    if external_id is not None and external_id.startswith(prefix):
        words = f"must not begin with {prefix}"
        raise problem(400, f"external_id {words}", [Detail("invalid", words, place)])
