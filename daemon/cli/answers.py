"""Questions to the person who runs a command."""

import sys

import click

from daemon.cli.group import Misuse


def answer_to(question: str, *, hidden: bool = False) -> str:
    """Return the answer on a terminal, else the next line of the input; an empty text at its end.

    Raises Misuse for an answer that is not UTF-8.
    """
    try:
        if sys.stdin.isatty():
            answer: str = click.prompt(question, default="", show_default=False, hide_input=hidden, err=True)
        else:
            answer = sys.stdin.readline()
    except UnicodeDecodeError:
        raise Misuse(f"the answer to {question!r} is not UTF-8; nothing was done") from None
    return answer.strip()
