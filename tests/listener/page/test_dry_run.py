"""A dry run on the page: it starts, or joins the one that runs, and one answer shows it to its end."""

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from daemon.errors import Conflict, NotFound, StorageTrouble
from daemon.listener.page import dry_run
from daemon.listener.page.dry_run import BEAT, growing
from daemon.listener.page.page import Operation
from daemon.listener.page.views import MOST_SHOWN
from daemon.model.operators import Operator
from tests.listener.page.browser import ANNA, BEN, Browser, Reader, ServedPage, open_page
from tests.listener.page.test_attacks import HOSTILE
from tests.listener.page.test_page import PAGE

PATIENCE = 60.0
VERIFY = f"{PAGE}/verify"
COUNTS = ("create", "change", "unchanged", "remove", "held", "issues", "failing")

ISSUE = {"site": "test/a", "kind": "products", "id": "4", "name": HOSTILE, "url": "javascript:alert(1)", "since": 1.0}
HELD = {"site": "test/a", "kind": "products", "id": "3", "variant": None, "name": "Lamp", "cause": "absent", "since": 1}


def read(seen: int, *, over: bool = False, **lists: Any) -> dict[str, Any]:
    """Return what was found of a kind; `counts` may be more than the lists name."""
    counts = {name: len(lists.get(name, ())) for name in COUNTS}
    empty: dict[str, Any] = {name: [] for name in COUNTS if name != "unchanged"}
    return {"over": over, "seen": seen, "leftovers": None, **empty, **lists, "counts": counts | lists.get("counts", {})}


def verified(products: dict[str, Any], *, running: bool = False, **others: Any) -> dict[str, Any]:
    answer = {"site": "test/a", "running": running, "ended_ago": None if running else 0.0, "trouble": None}
    answer |= {"kinds": {"products": products}, "set_up": [], "writes": {}, "unknown": [], "nothing_to_do": False}
    return answer | others


END = verified(
    read(
        23,
        over=True,
        create=[{"id": "1", "name": HOSTILE}],
        remove=[{"id": "2", "name": ""}],
        held=[HELD],
        issues=[{**ISSUE, "problems": [{"code": "no_sku", "message": "Mug has no SKU."}]}],
        failing=[{"id": "5", "error": "no JSON"}],
        counts={"create": 9, "unchanged": 14},
    ),
    set_up=["make the price list"],
    writes={"createProduct": 9},
    unknown=["SparkLayer lists no products"],
)


def scripted(
    *states: Any, start: Exception | None = None, asked: list[dict[str, Any]] | None = None
) -> dict[tuple[str, str], Operation]:
    """Return operations: each question is answered by the next of `states`, and at last by the last one.

    `asked` gets the parameters of each start, which `start` refuses.
    """
    left = list(states)

    async def verify(params: dict[str, Any], _operator: Operator) -> Any:
        if asked is not None:
            asked.append(params)
        if start is not None:
            raise start
        return left[0]

    async def verify_state(_params: dict[str, Any], _operator: Operator) -> Any:
        state = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(state, Exception):
            raise state
        return state

    return {("POST", "/admin/verify"): verify, ("GET", "/admin/verify"): verify_state}


async def started(page: ServedPage, browser: Browser, **fields: Any) -> Any:
    """Start a dry run and return its page, once that is complete."""
    with trio.fail_after(PATIENCE):
        return await browser.send(await browser.get(VERIFY), VERIFY, **fields)


@pytest.fixture(autouse=True)
def _often(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "autojump_clock" not in request.fixturenames:
        monkeypatch.setattr(dry_run, "POLL", 0.01)
        monkeypatch.setattr(dry_run, "SHARE", 0.0)  # else a line may be left out on a busy machine


async def test_its_page_ends_when_the_tokens_are_read_again_since_one_may_be_gone() -> None:
    operations = scripted(verified(read(7), running=True))
    pages: list[ServedPage] = []
    state = operations["GET", "/admin/verify"]

    async def verify_state(params: dict[str, Any], operator: Operator) -> Any:
        answer = await state(params, operator)
        for page in pages:
            page.reload([ANNA])
        return answer

    async with open_page(instead={**operations, ("GET", "/admin/verify"): verify_state}) as page:
        browser = await page.operator(BEN)
        form = await browser.get(VERIFY)
        pages.append(page)
        with trio.fail_after(PATIENCE):
            answer = await browser.send(form, VERIFY)
        assert "The settings were reloaded. Open this page again within a minute to follow the dry run." in answer.text
        assert "Read 7 products so far" not in answer.text
        assert "To be created" not in answer.text


async def test_a_reader_starts_one_and_its_page_grows_to_the_result_by_counts_and_by_name() -> None:
    asked: list[dict[str, Any]] = []
    states = (verified(read(0), running=True), verified(read(7), running=True), StorageTrouble("x", reason="y"), END)
    operations = scripted(NotFound("none"), *states, asked=asked)
    async with open_page(instead=operations) as page:
        browser = await page.operator(BEN)
        assert VERIFY in Reader((await browser.get(PAGE)).text).links
        answer = await started(page, browser, kind="products")
        assert asked == [{"site": "test/a", "kind": "products", "names": MOST_SHOWN}]
        assert (answer.status_code, answer.headers["x-accel-buffering"]) == (200, "no")
        assert "content-security-policy" in answer.headers
        reader = Reader(answer.text)
        for text in (
            "Preparing Read 7 products so far Read 23 products Result",
            "products 9 0 14 1 1 1 1",
            "Before that: make the price list.",
            "To be created: 9 products <script>",
            "and 8 more",
            "To be removed: 1 products 2 2",
            "To be held until a person allows it: 1 products Lamp 3: absent",
            "For the merchant to fix: 1 products",
            "Mug has no SKU.",
            "Could not be read: 1 products 5: no JSON",
            "9 createProduct",
            "SparkLayer lists no products",
        ):
            assert text in reader.shown(), text
        assert answer.text.rstrip().endswith("</html>")
        assert reader.scripts == ["/static/live.js"]
        assert not [link for link in reader.links if not link.startswith(("#", "/"))]
        assert "Nothing was written" in reader.shown()
        again = Reader((await browser.get(VERIFY)).text).shown()
        assert ("To be created: 9 products" in again, "Keep this page open" in again) == (True, False)


@pytest.mark.parametrize(
    ("last", "words"),
    [
        (verified(read(3, over=True), nothing_to_do=True), "A full sync would write nothing."),
        (verified(read(3), trouble="Fake: 401"), "This is incomplete: Fake: 401."),
        (NotFound("there is no dry run of test/a"), "The dry run was ended: there is no dry run of test/a."),
    ],
)
async def test_every_end_is_shown_also_of_one_that_was_running(last: Any, words: str) -> None:
    underway = verified(read(1), running=True)
    operations = scripted(underway, underway, underway, last, start=Conflict("a dry run is already running"))
    async with open_page(instead=operations) as page:
        browser = await page.operator()
        form = await browser.get(VERIFY)
        assert "<button>Show the dry run that is running</button>" in form.text
        with trio.fail_after(PATIENCE):
            answer = await browser.send(form, VERIFY)
        shown = Reader(answer.text).shown()
        assert "A dry run of this site was running already." in shown
        assert words in shown
        assert answer.text.rstrip().endswith("</html>")


async def test_one_that_cannot_start_is_refused_and_so_is_one_page_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    operations = scripted(NotFound("there is no dry run of test/a"), start=Conflict("the daemon is starting"))
    async with open_page(instead=operations) as page:
        browser = await page.operator()
        answer = await started(page, browser)
        assert (answer.status_code, "The daemon is starting" in answer.text) == (409, True)
        monkeypatch.setattr("daemon.listener.page.page.MOST_STREAMS", 0)
        assert (await started(page, browser)).status_code == 503


@pytest.mark.parametrize("works_here", [True, False])
async def test_it_runs_here_or_as_a_guest_ends_when_an_operator_pauses_and_is_refused_while_paused(
    monkeypatch: pytest.MonkeyPatch, *, works_here: bool
) -> None:
    monkeypatch.setattr("daemon.admin.verify.LOOK_SECONDS", 0.01)
    reading = trio.Event()

    async def hang(_method: str) -> None:
        reading.set()
        await trio.sleep_forever()

    async with open_page() as page, trio.open_nursery() as nursery:
        nursery.start_soon(page.harness.admin.verifications.run)
        await trio.testing.wait_all_tasks_blocked()
        page.harness.shop.before = hang
        connection = page.harness.runner("a").context.connection
        if not works_here:
            await page.harness.supervisor.stop(connection.id)
        browser = await page.operator(BEN)
        answers: list[Any] = []

        async def follow() -> None:
            answers.append(await started(page, browser))

        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as following:
                following.start_soon(follow)
                await reading.wait()
                await page.harness.admin.pause({"site": "test/a"})
        assert "was restarted, paused or stopped meanwhile" in Reader(answers[0].text).shown()
        refused = await started(page, browser)
        assert (refused.status_code, "The connection test/a is paused" in refused.text) == (400, True)
        nursery.cancel_scope.cancel()


async def test_a_long_one_says_seldom_how_far_it_is_and_never_falls_silent(autojump_clock: MockClock) -> None:
    seen = 0

    async def ask() -> Any:
        nonlocal seen
        seen += trio.current_time() - began < 3600
        return verified(read(seen), running=trio.current_time() - began < 4000)

    began, last, gaps, lines = trio.current_time(), trio.current_time(), list[float](), 0
    values = {"session": None, "site": "test/a", "joined": False}
    async for piece in growing(values, ask):
        gaps.append(trio.current_time() - last)
        last = trio.current_time()
        lines += piece.startswith(b"<p>Read")
    assert max(gaps) <= BEAT + 1
    assert 50 < lines < 200
