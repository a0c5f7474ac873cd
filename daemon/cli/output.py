"""The lines that commands print for people, on standard output or standard error.

Names of products, customers and files may hold any character, also those that a terminal obeys. They are replaced, and
so is a line break within a line. JSON needs none of this: it escapes them.
"""

import unicodedata

import click

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def say(line: str, *, err: bool = False) -> None:
    """Print one line."""
    click.echo(printable(line), err=err)


def printable(line: str) -> str:
    """Return a line with every character that cannot be printed replaced."""
    return "".join(character if _is_printable(character) else REPLACEMENT for character in line)


def _is_printable(character: str) -> bool:
    # Python counts no space but the ordinary one; prices and names often have others.
    return character.isprintable() or unicodedata.category(character) == "Zs"
