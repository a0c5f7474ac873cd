"""The benchmarks run, and count right: tiny sizes, and not a word about time, which belongs into no test."""

import pytest
from attrs import evolve

from benchmarks import __main__ as command
from benchmarks import engines, isolation, limits, listener, pages, soak, sync, webhooks
from benchmarks.neighbours import open_neighbours
from benchmarks.platforms import BIGCOMMERCE, PLATFORMS, WOOCOMMERCE, BenchPlatform, Size
from benchmarks.table import Figure, misses, render
from daemon.sandbox import synthetic

PRODUCTS = 12

each_platform = pytest.mark.parametrize("platform", PLATFORMS.values(), ids=PLATFORMS)


@each_platform
async def test_every_acknowledged_webhook_is_found_in_the_database_and_a_lost_one_is_no_result(
    platform: BenchPlatform,
) -> None:
    found = await webhooks.durable(seconds=0.3, platform=platform)
    assert found.acknowledged == sum(found.result.statuses.values()) > 0
    assert found.missing == 0
    assert found.group >= 1
    figures = {figure.what.strip(): figure.measured for figure in webhooks.figures(found, found.result)}
    assert figures["acknowledged, all found in the database"] == f"{found.acknowledged:,}"
    assert figures["share of that ceiling"] == "100%"
    with pytest.raises(RuntimeError, match="1 acknowledged"):
        webhooks.figures(evolve(found, missing=1), found.result)


async def test_an_empty_answer_is_compared_with_that_of_another_server() -> None:
    figures = await listener.measure(seconds=0.2, rounds=1)
    assert [float(figure.measured) > 0 for figure in figures[:2]] == [True, True]


async def test_webhooks_are_measured_with_open_pages_and_without() -> None:
    figures = {figure.what.strip(): figure.measured for figure in await pages.measure(seconds=0.2, rounds=1, pages=2)}
    assert float(figures["durable webhooks/s with 2 open pages, of those without"]) > 0


@each_platform
async def test_full_syncs_cost_the_least_possible_calls_and_the_second_writes_nothing(
    platform: BenchPlatform,
) -> None:
    life = await sync.live(PRODUCTS, platform=platform)
    assert life.products == PRODUCTS
    assert life.variants == sum(1 + number % 5 for number in range(1, PRODUCTS + 1))
    shop, site = sync.least_shop_calls(PRODUCTS, platform), sync.least_site_calls(PRODUCTS, life.variants)
    assert life.first.writes == PRODUCTS + 3  # stock, prices, and the price list that was made
    assert life.second.writes == 0
    assert shop <= life.first.shop_calls <= shop + 1
    assert site <= life.first.site_calls <= site + 1
    assert life.second.shop_calls == shop
    assert life.peak_bytes > 10 * 2**20


async def test_a_full_sync_within_limits_is_compared_with_what_they_allow() -> None:
    run = await limits.race(PRODUCTS)
    assert (run.products, run.asked.refused) == (PRODUCTS, 0)  # they fit into the burst
    assert run.seconds > 0


@each_platform
async def test_every_kind_costs_the_least_possible_calls_and_the_second_time_writes_nothing(
    platform: BenchPlatform,
) -> None:
    size = Size(products=3, customers=4, orders=8)
    least = platform.least(size)
    for kind, (first, second) in (await sync.twice(size, platform)).items():
        assert (first.shop_calls, second.shop_calls, second.writes) == (least[kind], least[kind], 0), kind


@each_platform
async def test_edits_are_timed_beside_one_that_floods_and_one_that_hangs(platform: BenchPlatform) -> None:
    found = await isolation.isolation(platform, connections=4, per_second=100, seconds=1.0, rounds=1, after_reads=False)
    assert found.alone.seconds
    assert found.beside.seconds
    assert found.beside.taken > 0
    assert found.beside.refused == 0


async def test_what_goes_wrong_in_a_street_is_not_lost_when_it_closes() -> None:
    with pytest.RaisesGroup(ZeroDivisionError):
        async with open_neighbours([synthetic(1)]):
            raise ZeroDivisionError


def test_lateness_is_told_by_share() -> None:
    late = isolation.Lateness(seconds=[3.0, 1.0, 2.0, 4.0])
    assert (late.at(0.5), late.at(0.99)) == (3.0, 4.0)


@pytest.mark.parametrize(("beside", "missed"), [(0.0749, 0), (0.075, 0), (0.076, 1)])
def test_others_that_are_delayed_by_more_than_half_miss_the_floor(beside: float, missed: int) -> None:
    """Of a hundred edits all but two are as quick as ever: it is the slowest of a hundred that counts."""
    alone = isolation.Lateness(seconds=[0.02] * 98 + [0.05] * 2)
    late = isolation.Lateness(seconds=[0.02] * 98 + [beside] * 2, taken=1)
    rows = isolation.figures(isolation.Measured(alone=alone, beside=late, seed=0), 1.0)
    assert len(misses(rows)) == missed


def test_a_flood_that_was_refused_is_no_result() -> None:
    quick = isolation.Lateness(seconds=[0.02], taken=1)
    with pytest.raises(RuntimeError, match="3 webhooks"):
        isolation.figures(isolation.Measured(alone=quick, beside=evolve(quick, refused=3), seed=0), 1.0)


async def test_a_soak_looks_at_the_process_while_edits_arrive() -> None:
    found = await soak.soak(0.1, WOOCOMMERCE, connections=2)
    assert found.edits
    assert all(look.memory > 2**20 and look.files > 5 and look.threads and look.database for look in found.looks)


def test_a_soak_tells_of_tenths() -> None:
    looks = [soak.Look(memory=number, files=1, threads=1, database=1) for number in range(40)]
    found = soak.Soak(looks=looks, edits=7)
    assert found.medians("memory") == [1.5, 5.5, 9.5, 13.5, 17.5, 21.5, 25.5, 29.5, 33.5, 37.5]
    assert soak.report(found, 30.0).splitlines()[0].startswith("30 minutes, 7 edits")


def _soaked(name: str, early: int, late: int) -> soak.Soak:
    """Return a soak in which one thing alone has changed: at once, after the second tenth."""
    usual = soak.Look(memory=100 * 2**20, files=64, threads=5, database=4 * 2**20)
    return soak.Soak(looks=[evolve(usual, **{name: early if place < 8 else late}) for place in range(40)])


@pytest.mark.parametrize(
    ("name", "early", "allowed"),
    [
        ("memory", 100 * 2**20, 107 * 2**20),
        ("files", 64, 66),
        ("threads", 5, 7),
        ("database", 4 * 2**20, int(4 * 2**20 * 1.05) + 2**18),
    ],
)
def test_a_soak_in_which_something_grows_fails_and_names_it(name: str, early: int, allowed: int) -> None:
    assert soak.grown(_soaked(name, early, allowed)) == []
    [line] = soak.grown(_soaked(name, early, allowed + 1))
    assert line.startswith(soak.ALLOWED[name].what)


def test_a_soak_that_shrinks_or_settles_in_its_first_tenth_is_good() -> None:
    assert soak.grown(_soaked("memory", 100 * 2**20, 50 * 2**20)) == []
    settles = _soaked("memory", 100 * 2**20, 100 * 2**20)
    settles.looks[:4] = [evolve(look, memory=2**20) for look in settles.looks[:4]]
    assert soak.grown(settles) == []


def test_a_soak_of_the_length_of_a_real_one_sees_a_slow_leak() -> None:
    """Half an hour and fifteen thousand edits, of which each leaves a kilobyte."""
    usual = soak.Look(memory=91 * 2**20, files=64, threads=5, database=4 * 2**20)
    looks = [evolve(usual, memory=usual.memory + place * 15 * 2**20 // 900) for place in range(900)]
    assert len(soak.grown(soak.Soak(looks=looks))) == 1


def test_the_bound_is_that_of_the_tighter_limit() -> None:
    assert limits.bound(2_000, 6_000) == (6 + 2_000 + 2 * 24 - 20) / 20
    assert limits.bound(250 * 149, 0) > limits.WINDOW


def test_refusals_are_compared_with_the_sync_of_their_own_round() -> None:
    """The machine was busy in the second round: each of its syncs took twice as long."""
    assert limits.slowdowns([[10.0, 15.0, 20.0], [20.0, 30.0, 44.0]]) == [[1.5, 1.5], [2.0, 2.2]]


@pytest.mark.parametrize(
    ("measured", "goal", "floor", "missed"),
    [
        ("9,999", "15,000", "10,000", True),
        ("10,000", "15,000", "10,000", False),
        ("16,487", "15,000", "10,000", False),
        ("1.51", "0.9", "1.5", True),
        ("1.50", "0.9", "1.5", False),
        ("1", "0", "0", True),
        ("0", "0", "0", False),
        ("20.1", "", "20", True),
        ("3.2", "", "20", False),
        ("20,166", "20,126", "", False),
        ("2, 2", "2", "", False),
        ("0.8, 2", "", "", False),
    ],
)
def test_a_figure_worse_than_its_floor_is_named(measured: str, goal: str, floor: str, *, missed: bool) -> None:
    named = misses([Figure("  a thing", measured, goal, floor), Figure("")])
    assert named == ([f"a thing: {measured}, the floor is {floor}"] if missed else [])


@pytest.mark.parametrize(("measured", "exits"), [("1.50", 0), ("1.51", 1)])
async def test_the_command_ends_with_1_when_a_floor_is_missed(
    measured: str, exits: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def measure(_platform: BenchPlatform) -> list[Figure]:
        return [Figure("a thing", measured, "", "1.5")]

    monkeypatch.setattr(command, "PARTS", {"isolation": measure})
    assert await command.main(["isolation"]) == exits
    assert ("missed: a thing: 1.51" in capsys.readouterr().err) is bool(exits)


async def test_the_command_measures_the_platform_that_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def measure(platform: BenchPlatform) -> list[Figure]:
        return [Figure(platform.name)]

    monkeypatch.setattr(command, "PARTS", dict.fromkeys(command.PARTS, measure))
    for platform in (BIGCOMMERCE, WOOCOMMERCE):
        await command.main([*command.PARTS], platform)
        lines = capsys.readouterr().out.splitlines()
        lacking = 0 if platform is BIGCOMMERCE else len(command.OF_BIGCOMMERCE)
        assert [line.strip() for line in lines].count(platform.name) == len(command.PARTS) - lacking


def test_the_table_lines_up() -> None:
    table = render([Figure("a long name", "1", "2"), Figure("b", "10,000", "", "3")]).splitlines()
    assert len({len(line) for line in table}) == 1
    assert table[2].split() == ["a", "long", "name", "1", "2"]


@pytest.mark.postgres
@pytest.mark.timeout(300)
async def test_both_engines_are_measured_in_one_run() -> None:
    found = await engines.both(seconds=0.3, rounds=1, products=PRODUCTS, edits=1.5, connections=2)
    assert list(found) == [engines.SQLITE, engines.POSTGRES]
    for measured in found.values():
        assert measured.rounds[0].missing == 0 < measured.rounds[0].acknowledged
        assert (measured.life.first.writes, measured.life.second.writes) == (PRODUCTS + 3, 0)
        assert all(late.seconds for late in measured.delays.values())
    assert [list(measured.delays) for measured in found.values()] == [[1], [1, 2]]
    shown = engines.rendered(found)
    assert [figure.floor for figure in shown if figure.floor] == ["3,500"]
