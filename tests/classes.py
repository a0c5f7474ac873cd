"""The classes of wrong behaviour that tests keep out, and which tests do.

    @pytest.mark.holds("A1")            # on a test, or `pytestmark` of a module
    pytest --collect-only -q --classes  # prints the table: class, words, tests

A class has at least one test, and a test names only classes that are here; `tests/test_classes.py` sees to that.
"""

from collections.abc import Iterable, Mapping, Sequence

import pytest

CLASSES: Mapping[str, str] = {
    "A1": "An answer that is not the API's own is believed",
    "A2": "A refusal without a body is believed at once",
    "A3": "Something irreversible follows from one answer",
    "A4": "One empty list, where there was something, is believed",
    "A5": "One empty answer of a secondary call takes fields away",
    "A6": "A clean-up ends at an answer that proves nothing",
    "B1": "Removals are counted by absence only, or in runs only",
    "B2": "A row that contradicts its filter, or lacks a key, is a removal",
    "B3": "Held removals can be neither seen nor released",
    "C1": "A failing secondary call stops its page, run, sweep or kind",
    "C2": "A refused cursor stops its kind",
    "C3": "One 403 blocks a kind",
    "C4": "A hanging entity delays others",
    "C5": "An odd date, amount or id breaks more than its entity",
    "C6": "A value or an answer of another shape is 'broken', or takes something away",
    "C7": "Many doubtful entities make every answer doubtful",
    "C8": "One entity that always fails opens the breaker",
    "C9": "Nobody can tell what holds up a full sync, or end it",
    "D1": "What SparkLayer never had, an issue or a parked change, outlives its entity",
    "D2": "A full sync ends before an item that was never tried",
    "D4": "A clock that was wrong stops, hurries or forgets something",
    "D5": "A refresh that was asked for is forgotten",
    "D7": "A level of stock that is null takes the stock away",
    "D8": "An issue's text has no bound",
    "E03": "One entity that cannot be read holds up a full sync, and nobody can tell which",
    "E02": "Registrations under an earlier address stay, or one refused registration keeps others away",
    "D3": "An answer asks for an absurd wait, and is obeyed",
    "E01": "One such answer stops a connection for good, and all seems well",
    "E04": "A readable answer is thrown away for its content encoding, or unpacked without a bound",
    "E06": "Variables that a cluster injects stop the start, or a misspelt setting passes for one",
    "E07": "One database reached by two paths is used by two processes",
    "E09": "One entity that SparkLayer always fails at opens the breaker again and again, and no one is told",
    "E10": "A date of an order shifts with the machine's zone, or its form is taken for our bug",
    "E11": "Of two options with one name the second vanishes without an issue",
    "E14": "SQLite's log keeps the size that it had during a long read",
    "E15": "A web page of a firewall, with status 403, is told as a missing right",
    "E16": "What webhooks did not tell while they were missing stays wrong for a day",
    "E20": "Characters that HTTP or a path does not take, pasted into ids and credentials, fail later or elsewhere",
    "E21": "Standard streams that are closed, full or unread end a command otherwise, or end in the database",
    "E22": "A byte order mark makes settings, secret files, answers or request bodies unreadable",
    "D6": "What a lost disk leaves in SparkLayer for ever is neither repaired nor named",
    "F4": "A parent without a place in SparkLayer costs reads, or keeps its sub-accounts out",
    "O5": "`explain` finds nothing by what people call an entity, or does not say why",
    "O6": "Ctrl-C is not answered at once, or a reader that has gone is answered with a traceback",
    "O7": "`check` tells one problem at a time, or not before the daemon has started",
    "O8": "What was refused or given up leaves no trace in the log, or too many",
}
"""By name; the letters are the sections of the list of failures that they come from, O those that operators met."""


def held(items: Iterable[pytest.Item]) -> dict[str, list[str]]:
    """Return the tests of each class, without their parameters, in the order of collection."""
    tests: dict[str, dict[str, None]] = {}
    for item in items:
        for mark in item.iter_markers("holds"):
            for name in mark.args:
                tests.setdefault(name, {})[item.nodeid.partition("[")[0]] = None
    return {name: list(found) for name, found in sorted(tests.items())}


def table(tests: Mapping[str, Sequence[str]]) -> str:
    """Return the classes and their tests as a table in Markdown."""
    rows = [
        f"| {name} | {words} | {'<br>'.join(f'`{test}`' for test in tests.get(name, ()))} |"
        for name, words in CLASSES.items()
    ]
    return "\n".join(["| class | what would be wrong | tests |", "|---|---|---|", *rows])
