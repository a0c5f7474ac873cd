"""The issues of a site as a list that can be filtered, and as a CSV file. Pure."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from daemon.listener.page.rendering import web_link

COLUMNS = ("site", "kind", "id", "name", "since", "code", "problem", "link")

# Some spreadsheets read the full-width signs, written by their code points, as = + - @.
FORMULA = re.compile(r"^\s*[=+\-@\uff1d\uff0b\uff0d\uff20|%\t\r\n]")
"""The beginning of a cell that a spreadsheet may take for a formula; a merchant's data decides the text."""

Issues = Sequence[Mapping[str, Any]]


def narrowed(issues: Issues, kind: str, code: str) -> list[Mapping[str, Any]]:
    """Return the issues of a kind that have a problem with that code; an empty text stands for all."""
    return [
        issue
        for issue in issues
        if kind in {"", issue["kind"]} and (not code or any(problem["code"] == code for problem in issue["problems"]))
    ]


def choices(issues: Issues) -> tuple[list[str], list[str]]:
    """Return the kinds and the codes that issues have."""
    kinds = dict.fromkeys(issue["kind"] for issue in issues)
    return list(kinds), sorted({problem["code"] for issue in issues for problem in issue["problems"]})


def as_csv(issues: Issues) -> bytes:
    """Return issues as CSV, a row for each problem."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(COLUMNS)
    for issue in issues:
        since = datetime.fromtimestamp(issue["since"], UTC).isoformat(timespec="seconds")
        entity = (issue["site"], issue["kind"], issue["id"], issue["name"] or "", since)
        for problem in issue["problems"]:
            row = (*entity, problem["code"], problem["message"], web_link(issue["url"]))
            writer.writerow([f"'{value}" if FORMULA.match(value) else value for value in row])  # shown as a text
    # Without the mark, Excel takes UTF-8 for a local encoding.
    return text.getvalue().encode("utf-8-sig")


def file_name(site: str) -> str:
    """Return the name of a site's file, in characters that every system takes."""
    return f"issues-{re.sub(r'[^A-Za-z0-9.-]', '-', site)}.csv"
