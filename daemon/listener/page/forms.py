"""The fields of a form that a browser has sent."""

from collections.abc import Mapping
from urllib.parse import parse_qs

from daemon.listener.http.messages import Request

Form = Mapping[str, list[str]]

FIELDS = 1000
"""Most fields of a form: a person ticks removals one by one."""


def fields(request: Request) -> Form:
    """Return the fields of a form; none if the body is not one."""
    if request.media_type != b"application/x-www-form-urlencoded":
        return {}
    try:
        return parse_qs(request.body.decode("ascii"), keep_blank_values=True, max_num_fields=FIELDS)
    except ValueError:
        return {}


def value(form: Form, name: str) -> str:
    """Return the value of a field; empty if it is missing or there are several."""
    values = form.get(name, [])
    return values[0] if len(values) == 1 else ""
