"""Tracebacks for the log: the place and the type of an error, without personal data.

Local variables are never shown. The text of an error may quote data as well (`invalid literal: 'Bob'`, a platform's
answer). So our own failures show only their `reason`; other texts lose quoted parts and everything that looks like an
e-mail address. Notes are left out.
"""

import re
import traceback
from collections.abc import Iterator

from daemon.errors import Failure

_QUOTED = re.compile(r"""(["'`]).*?(?:\1|$)""", re.DOTALL)
_WORD = re.compile(r"\S+")
_LONGEST = 300


def summary(error: BaseException) -> str:
    """Return one line: the type of an error and the safe part of its text."""
    name = type(error).__name__
    if isinstance(error, Failure):
        return f"{name}: {error.reason}"
    text = _WORD.sub(_shown, _QUOTED.sub("'…'", str(error))).replace("\n", " ")[:_LONGEST]
    return f"{name}: {text}" if text else name


def _shown(word: re.Match[str]) -> str:
    """Return a word, or dots for one with an @. Tested by word: one pattern for all is slow on long words."""
    return "'…'" if "@" in word[0] else word[0]


def render(error: BaseException) -> str:
    """Return an error with its causes, and the errors of a group, as Python would print them."""
    return "".join(_lines(error, set()))


def _lines(error: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    cause = error.__cause__
    context = None if error.__suppress_context__ else error.__context__
    if cause is not None and id(cause) not in seen:
        yield from _lines(cause, seen)
        yield "\nThe above exception was the direct cause of the following exception:\n\n"
    elif context is not None and id(context) not in seen:
        yield from _lines(context, seen)
        yield "\nDuring handling of the above exception, another exception occurred:\n\n"
    yield "Traceback (most recent call last):\n"
    yield from traceback.format_tb(error.__traceback__)
    yield f"{summary(error)}\n"
    if isinstance(error, BaseExceptionGroup):
        for number, inner in enumerate(error.exceptions, 1):
            yield f"---- {number} of {len(error.exceptions)} in this group ----\n"
            yield from _lines(inner, seen)
