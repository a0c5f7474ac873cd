"""The page of a daemon, over real HTTP: what it shows, and what an operator does with it."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection

from daemon.admin import audit
from daemon.errors import StorageTrouble
from daemon.listener.page import rendering
from daemon.listener.page.login import NO_DATABASE
from daemon.listener.page.page import ACTIONS
from daemon.model import ConnectionId, ExternalId, Kind, RunId, Secret
from daemon.model.operators import NamedToken, Operator, Role
from daemon.model.outcome import Result
from daemon.storage import connections
from daemon.storage import settle as settling
from daemon.storage.history import HistoryEntry
from daemon.storage.settle import Settlement
from daemon.storage.states import RemovalCause, RemovalState, RowState
from daemon.storage.tables import issues, outbox, removals
from tests.connections.harness import LifecycleHarness, site
from tests.listener.page.browser import ANNA, BEN, Reader, ServedPage, following, open_page

PAGE = "/sites/test/a"


async def fill(harness: LifecycleHarness, text: str = "Mug", url: str = "https://shop.test/7") -> ConnectionId:
    """Give test/a an open issue, two parked changes and two held removals, whose texts are a merchant's."""
    vault = harness.lifecycle.registry.vault
    [stored] = await harness.database.read(connections.of_site, site("a"))
    of_kind = {"connection_id": stored.id, "kind": Kind.PRODUCTS.value}
    problem = vault.encrypt({"name": text, "url": url, "problems": [["variant_without_sku", f"{text} has no SKU."]]})

    def write(conn: Connection, _calls: Any) -> list[None]:
        issue = {"fingerprint": b"f", "untold": True, "maybe_told": False, "opened_at": 1.0}
        conn.execute(issues.insert().values(**of_kind, external_id="7", encrypted=problem, **issue))
        for id_ in ("8", "9"):
            row: dict[str, Any] = {"revision": 1, "lane": 0, "due_at": 1.0, "attempts": 400, "first_queued_at": 1.0}
            row |= {"state": RowState.PARKED, "encrypted": vault.encrypt(f"{text} was refused")}
            conn.execute(outbox.insert().values(**of_kind, external_id=id_, **row))
        for id_ in ("10", "11"):
            held = {"variant": "", "cause": RemovalCause.ABSENT, "state": RemovalState.HELD, "decided_at": 1.0}
            conn.execute(removals.insert().values(**of_kind, external_id=id_, encrypted=vault.encrypt(text), **held))
        return [None]

    await harness.database.write(write, None)
    return stored.id


async def counts(page: ServedPage) -> tuple[int, int]:
    """Return the number of parked changes and of held removals."""
    asked = page.harness.admin
    return len((await asked.parked({}))["parked"]), len((await asked.removals({}))["removals"])


async def test_an_operator_sees_every_connection_and_looks_into_one() -> None:
    async with open_page() as page:
        await fill(page.harness)
        page.harness.intake.taken(page.harness.lifecycle.endpoints[site("a")])
        browser = await page.operator()
        overview = Reader((await browser.get("/")).text)
        assert "test/a fake needs attention" in overview.shown()
        counted = "1 issues of test/a 2 parked changes of test/a 2 held removals of test/a"
        assert re.search(rf"none (under a minute|\d+ min) ago not registered {counted}", overview.shown())
        assert PAGE in overview.links
        connection = Reader((await browser.get(PAGE)).text)
    attempts = "400 attempts since 1970-01-01 00:00:01 UTC"
    for text in ("Mug has no SKU.", "Parked changes (2)", attempts, "Mug was refused"):
        assert text in connection.shown()
    assert "Held removals (2)" in connection.shown()
    assert "https://shop.test/7" in connection.links


@pytest.mark.parametrize(
    ("action", "fields", "left", "operation"),
    [
        ("retry", {"id": "8", "kind": "products"}, (1, 2), "parked"),
        ("retry", {}, (0, 2), "parked"),
        ("drop", {"id": "9", "kind": "products"}, (1, 2), "parked"),
        ("allow", {"id": ["10", "11", "10"], "kind": "products"}, (2, 0), "allow"),
        ("allow", {"id": "10", "kind": "products"}, (2, 1), "allow"),
        ("allow", {"all": "yes", "kind": "products"}, (2, 0), "allow"),
        ("sync", {"kind": "products"}, (2, 2), "sync"),
        ("pause", {}, (2, 2), "pause"),
        ("refresh", {"kind": "products"}, (2, 2), "sync"),
    ],
)
async def test_an_operator_acts_and_the_audit_log_has_it(
    action: str, fields: dict[str, Any], left: tuple[int, int], operation: str
) -> None:
    async with open_page() as page:
        await fill(page.harness)
        browser = await page.operator()
        shown = await browser.get(PAGE)
        answer = await browser.send(shown, f"{PAGE}/{action}", **fields)
        assert (answer.status_code, answer.headers["location"]) == (303, f"{PAGE}?done={action}")
        assert 'role="status"' in (await browser.get(answer.headers["location"])).text
        assert await counts(page) == left
        log = Reader((await browser.get("/audit")).text).shown()
        [entry, login] = (await page.harness.admin.audit.listed({}))["audit"]
        assert (entry["operator"], entry["action"], entry["outcome"]) == ("anna", operation, "done")
        assert (login["action"], login["operator"]) == ("login", "anna")
        assert entry["request_id"]
        assert f"anna {operation}" in log


@pytest.mark.parametrize(
    ("action", "words"), [("allow", "no longer held"), ("retry", "no longer parked"), ("drop", "no longer parked")]
)
async def test_what_another_operator_did_before_is_not_told_as_done(action: str, words: str) -> None:
    async with open_page() as page:
        await fill(page.harness)
        browser = await page.operator()
        shown = await browser.get(PAGE)
        answer = await browser.send(shown, f"{PAGE}/{action}", kind="products", id="none")
        assert (answer.status_code, words in answer.text) == (409, True)
        assert await counts(page) == (2, 2)


async def test_the_audit_log_is_filtered_and_goes_on_with_older_actions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "MOST_ROWS", 2)
    async with open_page() as page:
        anna, ben = await page.operator(), await page.operator(BEN)
        await anna.send(await anna.get(PAGE), f"{PAGE}/pause")
        await anna.send(await anna.get(PAGE), f"{PAGE}/resume")
        await ben.send(await ben.get("/"), "/logout")

        async def listed(path: str) -> tuple[list[str], str | None]:
            shown = Reader((await anna.get(path)).text)
            older = [link for link in shown.links if "before=" in link]
            return re.findall(r"(?:anna|ben) (\w+)", shown.shown()), older[0] if older else None

        latest, older = await listed("/audit")
        assert (latest, (await listed(str(older)))[0]) == (["logout", "resume"], ["pause", "login"])
        of_site, no_older = await listed("/audit?site=test/a&operator=")
        assert (of_site, no_older) == (["resume", "pause"], None)
        of_anna, older = await listed("/audit?operator=anna")
        assert (of_anna, await listed(str(older))) == (["resume", "pause"], (["login"], None))
        assert "No action of the last 90 days matches." in (await anna.get("/audit?site=live/%22x")).text
        assert (await anna.get("/audit?before=x")).status_code == 400


async def test_all_removals_that_were_shown_are_allowed_and_no_later_ones() -> None:
    async with open_page() as page:
        connection_id = await fill(page.harness)
        browser = await page.operator()
        shown = await browser.get(PAGE)
        nothing = await browser.ask("POST", f"{PAGE}/allow", {"csrf": csrf_of(shown), "kind": "products"})
        assert (nothing.status_code, "Select the removals to allow." in nothing.text) == (400, True)
        [entry, _login] = (await page.harness.admin.audit.listed({}))["audit"]
        assert (entry["action"], entry["outcome"]) == ("allow", "refused")
        later: dict[str, Any] = {
            "kind": Kind.PRODUCTS.value,
            "external_id": "12",
            "variant": "",
            "cause": RemovalCause.ABSENT,
        }
        later |= {"connection_id": connection_id, "state": RemovalState.HELD, "decided_at": 2.0}

        def hold(conn: Connection, _calls: Any) -> list[None]:
            conn.execute(
                removals.insert().values(**later, encrypted=page.harness.lifecycle.registry.vault.encrypt("x"))
            )
            return [None]

        await page.harness.database.write(hold, None)
        await browser.send(shown, f"{PAGE}/allow", all="yes")
        assert [held["id"] for held in (await page.harness.admin.removals({}))["removals"]] == ["12"]


def csrf_of(answer: Any) -> str:
    """Return the text that the forms of a page carry."""
    return Reader(answer.text).forms[0][1]["csrf"][0]


async def settle(harness: LifecycleHarness, *entries: HistoryEntry) -> None:
    [stored] = await harness.rows("a")
    call = Settlement(connection_id=stored.id, kind=Kind.PRODUCTS, now=harness.lifecycle.now(), history=entries)
    await harness.database.write(settling.settle, call)


async def test_the_history_has_full_syncs_and_settlements_of_all_entities_or_of_one() -> None:
    async with open_page() as page:
        await settle(
            page.harness,
            HistoryEntry(ExternalId("7"), Result.REJECTED, "no_sku", RunId(3)),
            HistoryEntry(ExternalId("8"), Result.WRITTEN),
        )
        browser = await page.operator()
        await browser.send(await browser.get(PAGE), f"{PAGE}/sync", kind="products")
        assert f"{PAGE}/history" in Reader((await browser.get(PAGE)).text).links
        shown = Reader((await browser.get(f"{PAGE}/history")).text).shown()
        assert "1 products normal" in shown
        assert "products 7 rejected no_sku 3" in shown
        assert "products 8 written" in shown
        entity = Reader((await browser.get(f"{PAGE}/history?kind=products&id=7")).text).shown()
        assert ("products 7 rejected" in entity, "products 8" in entity, "normal" in entity) == (True, False, False)
        nothing = await browser.get(f"{PAGE}/history?kind=products&id=x")
        assert "Nothing was written, refused, held, removed or parked" in nothing.text
        for path, status in ((f"{PAGE}/history?kind=cars&id=7", 400), ("/sites/test/b/history", 404)):
            assert (await browser.get(path)).status_code == status


async def test_a_full_sync_is_cancelled_and_a_refusal_is_shown_where_it_was_asked_for() -> None:
    async with open_page() as page:
        browser = await page.operator()
        shown = await browser.get(PAGE)
        await browser.send(shown, f"{PAGE}/sync", kind="products")
        again = await browser.send(shown, f"{PAGE}/sync", kind="products")
        assert (again.status_code, 'role="alert"' in again.text) == (409, True)
        assert "A full sync of products is already running" in again.text
        running = await browser.get(PAGE)
        assert "enumerating" in running.text
        await browser.send(running, f"{PAGE}/cancel", kind="products")
        assert "did not succeed" in (await browser.get(PAGE)).text


async def test_a_paused_connection_says_so_keeps_its_lists_and_is_resumed() -> None:
    async with open_page() as page:
        await fill(page.harness)
        browser = await page.operator()
        await browser.send(await browser.get(PAGE), f"{PAGE}/pause")
        assert re.search(r"test/a fake paused since \d", Reader((await browser.get("/")).text).shown())
        paused = await browser.get(PAGE)
        actions = {action for action, _ in Reader(paused.text).forms}
        assert (f"{PAGE}/sync" in actions, f"{PAGE}/pause" in actions) == (False, False)
        assert "Parked changes (2)" in Reader(paused.text).shown()
        csrf = Reader(paused.text).forms[0][1]["csrf"]
        refused = await browser.ask("POST", f"{PAGE}/sync", {"csrf": csrf, "kind": "products"})
        assert (refused.status_code, "The connection test/a is paused" in refused.text) == (400, True)
        search = await browser.send(await browser.get("/search"), "/search", site="test/a", kind="products", text="x")
        assert (search.status_code, "is paused" in search.text) == (400, True)
        await browser.send(paused, f"{PAGE}/resume")
        assert f"{PAGE}/pause" in {action for action, _ in Reader((await browser.get(PAGE)).text).forms}


async def test_a_site_is_shown_once_while_an_earlier_connection_of_it_is_leaving() -> None:
    async with open_page() as page:
        await page.harness.connect("a", "store-2", token="token-2")
        assert await page.harness.states("a") == ["active", "leaving"]
        browser = await page.operator(BEN)
        overview = (await browser.get("/")).text
        assert overview.count('data-of="test/a"') == 1
        assert "test/a fake full sync" in Reader(overview).shown()
        async with following(browser, "/events") as events:
            spots = (await events.event())["spots"]
        assert {name: texts["word"] for name, texts in spots.items()} == {"test/a": "full sync"}


async def test_a_connection_that_is_leaving_offers_no_action_that_would_be_404() -> None:
    async with open_page() as page:
        browser = await page.operator()
        before = await browser.get(PAGE)
        await page.harness.admin.disconnect({"site": "test/a"})
        leaving = await browser.get(PAGE)
        assert "test/a fake leaving" in Reader((await browser.get("/")).text).shown()
        assert {f"{PAGE}/sync", f"{PAGE}/link"} <= {action for action, _ in Reader(before.text).forms}
        assert {action for action, _ in Reader(leaving.text).forms} == {"/logout"}
        assert "History" not in leaving.text
        for path in ("history", "issues.csv", "verify"):
            gone = await browser.get(f"{PAGE}/{path}")
            assert (gone.status_code, "The site test/a is not connected." in gone.text) == (404, True), path


async def test_the_address_of_an_action_leads_to_the_page_of_its_connection() -> None:
    async with open_page() as page:
        browser = await page.operator()
        made = await browser.send(await browser.get(PAGE), f"{PAGE}/link")
        assert "Link to the issues of test/a" in made.text
        for action in (*ACTIONS, "link"):
            answer = await browser.get(f"{PAGE}/{action}")
            assert (answer.status_code, answer.headers["location"]) == (303, PAGE), action
        for path in ("history", "verify", "issues.csv"):
            assert (await browser.get(f"{PAGE}/{path}")).status_code == 200, path
        left = await browser.get("/logout")
        assert (left.status_code, left.headers["location"]) == (303, "/")
        assert (await browser.get("/")).status_code == 200, "still logged in"
        unknown = await browser.get(f"{PAGE}/destroy")
        assert (unknown.status_code, "<h1>" in unknown.text) == (404, True)


async def test_what_does_not_exist_is_404_on_a_page() -> None:
    async with open_page() as page:
        browser = await page.operator()
        shown = await browser.get(PAGE)
        csrf = Reader(shown.text).forms[0][1]["csrf"]
        for path in ("/sites/live/x", "/sites/test/a%2Fb"):
            answer = await browser.get(path)
            assert answer.status_code == 404, path
        for path in ("/sites/live/x/sync", f"{PAGE}/destroy"):
            answer = await browser.ask("POST", path, {"csrf": csrf, "kind": "products"})
            assert answer.status_code == 404, path
            assert "<h1>" in answer.text
        wrong = await browser.ask("POST", f"{PAGE}/sync", {"csrf": csrf, "kind": "cars"})
        assert wrong.status_code == 400


LATELY = [{"kind": "products", "id": "7", "at": 1.0, "result": "rejected", "reason": "no_sku", "run": None}]


def explained(text: str) -> Callable[[dict[str, Any], Operator], Any]:
    """Return an `explain` that knows a product of that name by its SKU, and two by `several`."""

    async def explain(params: dict[str, Any], _operator: Operator) -> Any:
        about = {"site": params["site"], "kind": params["kind"], "trouble": None}
        if params.get("text") == "several":
            matches = [{"id": id_, "by": "name", "name": text} for id_ in ("7", "8")]
            return {**about, "text": "several", "matches": matches}
        if params.get("text", "SKU-7") != "SKU-7":
            return {**about, "text": params["text"], "matches": [], "why": [{"code": "unknown", "text": "Neither."}]}
        store = {"name": text, "url": "javascript:alert(1)", "value": {"title": text}, "problems": []}
        step = {"what": f"PATCH {text}", "why": "title"}
        answer = {"id": params.get("id", "7"), "why": [{"code": "must_fix", "text": f"{text} has no SKU."}]}
        return {
            **about,
            **answer,
            "store": store,
            "ledger": {"title": text},
            "would_send": [step],
            "settlements": LATELY,
        }

    return explain


async def test_a_search_explains_one_entity_or_lists_several_and_puts_no_text_into_an_address() -> None:
    async with open_page(instead={("POST", "/admin/explain"): explained("Mug")}) as page:
        browser = await page.operator()
        search = await browser.get("/search?site=test/a")
        answer = await browser.send(search, "/search", site="test/a", kind="", text=" SKU-7 ")
        assert answer.status_code == 200
        assert "products 7: Mug Mug has no SKU." in Reader(answer.text).shown()
        assert "PATCH Mug: title" in Reader(answer.text).shown()
        assert "1970-01-01 00:00:01 UTC products 7 rejected no_sku" in Reader(answer.text).shown()
        several = await browser.send(search, "/search", site="test/a", kind="products", text="several")
        chosen = [hidden for action, hidden in Reader(several.text).forms if hidden.get("by") == ["id"]]
        assert [hidden["text"] for hidden in chosen] == [["7"], ["8"]]
        one = await browser.ask("POST", "/search", {name: values[0] for name, values in chosen[1].items()})
        assert "products 8: Mug" in Reader(one.text).shown()
        everywhere = await browser.send(search, "/search", site="", kind="products", text="SKU-7")
        assert "test/a: products 7: Mug" in Reader(everywhere.text).shown()
        nothing = await browser.send(search, "/search", site="test/a", kind="", text="x")
        assert "Nothing was found for x in the store or in SparkLayer." in nothing.text
        empty = await browser.send(search, "/search", site="test/a", kind="", text=" ")
        assert empty.status_code == 400


async def test_without_a_token_there_is_no_page() -> None:
    async with open_page(tokens=()) as page:
        for path in ("/", "/login", "/audit", "/search", PAGE, "/static/style.css"):
            assert (await page.browser().get(path)).status_code == 404


async def test_its_files_are_served_and_no_others() -> None:
    async with open_page() as page:
        browser = page.browser()
        for name, content_type in rendering.STATIC.items():
            answer = await browser.get(f"/static/{name}")
            assert (answer.status_code, answer.headers["content-type"]) == (200, content_type.decode())
            assert "content-security-policy" in answer.headers
        for path in ("/static/page.py", "/static/..%2Fpage.py", "/static/%2e%2e"):
            assert (await browser.get(path)).status_code == 404


async def test_a_reader_sees_the_same_but_no_action() -> None:
    async with open_page() as page:
        await fill(page.harness)
        reader = await page.operator(BEN)
        shown = await reader.get(PAGE)
        assert "Mug has no SKU." in shown.text
        actions = [action for action, _ in Reader(shown.text).forms if action.startswith(f"{PAGE}/")]
        assert actions == [f"{PAGE}/allow"]  # the list of removals is a form, without a button
        assert "<button>Allow" not in shown.text


async def test_a_token_with_any_text_that_settings_allow_logs_in() -> None:
    odd = NamedToken(name="odd", token=Secret("a+b%20&c=<\"'> ;"), role=Role.ACT)
    async with open_page(tokens=[odd]) as page:
        await page.operator(odd)


async def test_while_the_database_cannot_be_used_a_page_says_so() -> None:
    async def trouble(*_: object) -> None:
        raise StorageTrouble("disk full", reason="disk_full")

    async with open_page(entered=trouble) as page:
        answer = await page.browser().log_in(ANNA.token.reveal())
        assert (answer.status_code, NO_DATABASE in answer.text) == (503, True)
        assert not [header for header in answer.headers.get_list("set-cookie") if header.startswith("ignite-sync=")]
    async with open_page(instead={("GET", "/admin/status"): trouble}) as page:
        browser = await page.operator()
        for path in ("/", PAGE, "/search"):
            answer = await browser.get(path)
            assert (answer.status_code, NO_DATABASE in answer.text) == (503, True)
