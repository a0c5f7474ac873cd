"""Descriptions of the admin operations, for /openapi.json. The types of the bodies are in `shapes`."""

from collections.abc import Mapping
from typing import Any

from daemon.admin import shapes
from daemon.admin.status_shapes import StatusAnswer
from daemon.listener.openapi import NO_OPERATOR, AnswerDescription, RouteDescription, problems

NO_SITE = problems(s404="No such connection.")
INVALID = problems(s400="A parameter is wrong.", s415="The body is not JSON.")
ACTION = NO_OPERATOR | INVALID | NO_SITE | problems(s403="The token may read but not act.")


def _read(summary: str, schema: Any, query: type | None = None) -> RouteDescription:
    refusals = NO_OPERATOR | INVALID | (NO_SITE if query else {})
    return RouteDescription(
        summary=summary, access="admin", query=query, answers={200: AnswerDescription("Read.", schema), **refusals}
    )


def _action(summary: str, body: Any, answer: Any, **others: str) -> RouteDescription:
    answers = {200: AnswerDescription("Done.", answer), **ACTION, **problems(**others)}
    return RouteDescription(summary=summary, access="admin", body=body, answers=answers)


DESCRIBED: Mapping[tuple[str, str], RouteDescription] = {
    ("GET", "/admin/status"): _read("The state of every connection", StatusAnswer),
    ("GET", "/admin/issues"): _read("What merchants must fix", shapes.IssuesAnswer, shapes.OfSite),
    ("GET", "/admin/parked"): _read("Changes that used up their retries", shapes.ParkedAnswer, shapes.OfSite),
    ("GET", "/admin/removals"): _read("Removals that wait for a person", shapes.RemovalsAnswer, shapes.OfKind),
    ("GET", "/admin/audit"): _read("Actions of operators", shapes.AuditAnswer, shapes.AuditOrder),
    ("GET", "/admin/history"): _read("Recent full syncs and settlements", shapes.HistoryAnswer, shapes.HistoryOrder),
    ("POST", "/admin/issues/link"): _action("Create a link for a merchant", shapes.LinkOrder, shapes.LinkAnswer),
    ("POST", "/admin/pause"): _action("Stop all calls for a connection", shapes.OneSite, shapes.PauseAnswer),
    ("POST", "/admin/resume"): _action("Resume the calls for a connection", shapes.OneSite, shapes.PauseAnswer),
    ("POST", "/admin/explain"): RouteDescription(
        summary="Explain an entity; nothing is changed",
        access="admin",
        body=shapes.ExplainOrder,
        answers={200: AnswerDescription("The explanation.", shapes.ExplainAnswer), **NO_OPERATOR, **INVALID, **NO_SITE},
    ),
    ("POST", "/admin/verify"): RouteDescription(
        summary="Start a dry run; nothing is written",
        access="admin",
        body=shapes.VerifyOrder,
        answers={
            200: AnswerDescription("Started.", shapes.VerifyAnswer),
            **NO_OPERATOR,
            **INVALID,
            **NO_SITE,
            **problems(s409="A dry run of the site is already running."),
        },
    ),
    ("GET", "/admin/verify"): _read("The findings of the latest dry run", shapes.VerifyAnswer, shapes.OfSite),
    ("POST", "/admin/verify/cancel"): RouteDescription(
        summary="End a dry run, and forget it",
        access="admin",
        body=shapes.OneSite,
        answers={200: AnswerDescription("Ended.", shapes.VerifyCancelled), **NO_OPERATOR, **INVALID, **NO_SITE},
    ),
    ("POST", "/admin/sync"): _action(
        "Start a full sync", shapes.SyncOrder, shapes.RunAnswer, s409="A full sync of that kind is already running."
    ),
    ("POST", "/admin/sync/cancel"): _action(
        "End a full sync as failed",
        shapes.OneKind,
        shapes.RunAnswer,
        s409="No full sync of that kind is running.",
    ),
    ("POST", "/admin/parked"): _action("Retry or drop parked changes", shapes.ParkedOrder, shapes.ChangedAnswer),
    ("POST", "/admin/removals"): _action("Allow held removals", shapes.AllowOrder, shapes.AllowedAnswer),
    ("POST", "/admin/connect"): _action(
        "Connect a site", shapes.ConnectOrder, shapes.ConnectAnswer, s409="The settings name this site."
    ),
    ("POST", "/admin/disconnect"): _action(
        "Disconnect a site",
        shapes.OneSite,
        shapes.DisconnectAnswer,
        s409="The settings name this site.",
    ),
    ("POST", "/admin/backup"): RouteDescription(
        summary="A checked copy of the database",
        access="admin",
        answers={
            200: AnswerDescription("The file.", None, "application/vnd.sqlite3"),
            **NO_OPERATOR,
            **problems(s403="The token may read but not act.", s409="The database is on PostgreSQL."),
        },
    ),
}
