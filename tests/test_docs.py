"""The pages agree with the code: links and paths exist; settings, metrics, commands and routes are complete.

The README's demo is compared where the whole demo runs, in `tests/prove/process/test_demo.py`, by `shape` from here.
"""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import click
import httpx
import yaml
from prometheus_client import CollectorRegistry

from daemon.cli.group import main
from daemon.config import (
    ConnectionSettings,
    DatabaseSettings,
    ListenerSettings,
    LoggingSettings,
    NotificationSettings,
    SecuritySettings,
    SparkLayerSettings,
    SyncSettings,
)
from daemon.model.operators import NamedToken
from daemon.observability.metrics import Metrics
from daemon.observability.series import COUNTERS, GAUGES, HISTOGRAMS
from daemon.platforms import load_platforms
from tests.e2e.process import ROOT, Process, free_port
from tests.each import each

PAGES = [*(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")), *sorted(ROOT.glob("docs/*.md"))]
README_BYTES = 8 * 1024
MATURITY = ("SparkLayer's live API was never reached", "\n10. ")
"""Texts that stand in the README's first third: the maturity, and the last of ten inferences."""

FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]\n]*(?:\n[^\]\n]*)?\]\(([^)\s]+)\)")
PATH = re.compile(r"`((?:daemon|tests|benchmarks|config|docs)/[^`\s]+|(?:README|SECURITY|CHANGELOG)\.md|Makefile)`")
PLACEHOLDER = re.compile(r"<\w+>|\{\w+\}")
"""Placeholders for a platform or a kind in a path."""


def prose(page: Path) -> str:
    """Return a page without its code blocks."""
    return FENCE.sub("", page.read_text("utf-8"))


def links() -> Iterator[tuple[Path, str]]:
    """Yield each relative link as a page and a target."""
    for page in PAGES:
        for target in LINK.findall(prose(page)):
            if not target.startswith(("https://", "http://")):
                yield page, target


def paths() -> set[str]:
    """Return the paths in code style of all pages."""
    return {path for page in PAGES for path in PATH.findall(prose(page))}


def headings(page: Path) -> set[str]:
    """Return the anchors of a page, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def tables(page: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each row of a page's tables, with the heading above it."""
    heading = ""
    for line in prose(ROOT / page).splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ")
        elif line.startswith("| `"):
            yield heading, re.split(r"\s*\|\s*", line.strip("| "))


@each(("page", "target"), links())
def test_a_link_leads_somewhere(page: Path, target: str) -> None:
    place, _, anchor = target.partition("#")
    path = page.parent / place if place else page
    assert path.exists()
    assert not anchor or anchor in headings(path)


@each("path", paths())
def test_a_path_exists(path: str) -> None:
    assert list(ROOT.glob(PLACEHOLDER.sub("*", path).rstrip("/")))


def test_the_design_page_names_files() -> None:
    assert len(re.findall(r"daemon/[\w/]+\.py", (ROOT / "docs/design.md").read_text("utf-8"))) > 20


def test_one_change_can_be_followed_in_an_evening() -> None:
    page = (ROOT / "docs" / "design.md").read_text("utf-8")
    section = page.partition("## An evening's reading\n")[2].partition("\n1. ")[2].partition("\n\n")[0]
    files = re.findall(r"\]\(\.\./(daemon/[^)]+\.py)\)", section)
    assert len(files) == len(set(files)) == 25
    assert 4500 < sum(len((ROOT / name).read_text("utf-8").splitlines()) for name in files) < 5500


def sections() -> Mapping[str, type]:
    """Return the settings classes by their heading."""
    platforms = load_platforms()
    return {
        "`[listener]`": ListenerSettings,
        "`[[listener.tokens]]`": NamedToken,
        "`[database]`": DatabaseSettings,
        "`[sparklayer]`": SparkLayerSettings,
        "`[sync]`": SyncSettings,
        "`[security]`": SecuritySettings,
        "`[logging]`": LoggingSettings,
        "`[notifications]`": NotificationSettings,
        "`[[connections]]`": ConnectionSettings,
        **{f"`[connections.{name}]`": platform.settings for name, platform in platforms.items()},
        **{
            f"`[{name}_app]`": platform.app.settings
            for name, platform in platforms.items()
            if platform.app and platform.app.settings
        },
    }


NOT_IN_THE_FILE = {("`[database]`", "folder"), ("`[[connections]]`", "store")}
"""Fields of settings that the program sets."""


def defaults(cls: type) -> Iterator[tuple[str, Any]]:
    """Yield each setting with its default in TOML's types; NOTHING for a required one."""
    for setting in attrs.fields(cls):
        default = setting.default
        if isinstance(default, attrs.Factory):  # type: ignore[arg-type]  # a class, for type checkers a function
            default = default.factory()
        yield setting.name, list(default) if isinstance(default, tuple) else default


def written(cell: str) -> Any:
    """Read a default as the page writes it."""
    match cell:
        case "**required**":
            return attrs.NOTHING
        case "*none*":
            return None
    return tomllib.loads(f"value = {cell.strip('`')}")["value"]


def test_every_setting_is_described_with_its_default() -> None:
    described = {(heading, row[0].strip("`")): written(row[1]) for heading, row in tables("docs/configuration.md")}
    known = {(heading, name): default for heading, cls in sections().items() for name, default in defaults(cls)}
    assert described == {setting: default for setting, default in known.items() if setting not in NOT_IN_THE_FILE}


def test_every_metric_is_described_with_its_labels() -> None:
    described = {
        (heading, row[0].strip("`"), tuple(filter(None, row[1].split(", "))))
        for heading, row in tables("docs/metrics.md")
        if heading != "Alerts"
    }
    known: dict[str, Mapping[str, Sequence[Any]]] = {"Counters": COUNTERS, "Gauges": GAUGES, "Histograms": HISTOGRAMS}
    assert described == {
        (kind, name, tuple(entry[1])) for kind, group in known.items() for name, entry in group.items()
    }


def test_the_described_metrics_are_those_that_are_served() -> None:
    registry: CollectorRegistry = Metrics().registry
    served = {
        f"{family.name}_total" if family.type == "counter" else family.name: family.type
        for family in registry.collect()
        if not family.name.startswith("process_")
    }
    described = {
        f"ignite_sync_{row[0].strip('`')}": heading.lower().removesuffix("s")
        for heading, row in tables("docs/metrics.md")
        if heading != "Alerts"
    }
    assert described == served


def test_every_metric_of_the_process_is_named() -> None:
    served = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in Metrics().registry.collect()
        if family.name.startswith("process_")
    }
    assert served == set(re.findall(r"`(process_\w+)`", (ROOT / "docs/metrics.md").read_text("utf-8")))


def test_every_alert_is_described_with_its_severity() -> None:
    described = {row[0].strip("`"): row[1] for heading, row in tables("docs/metrics.md") if heading == "Alerts"}
    rules = yaml.safe_load((ROOT / "config/alerts.yml").read_text("utf-8"))["groups"][0]["rules"]
    assert described == {rule["alert"]: rule["labels"]["severity"] for rule in rules}


SHARED = {"--config", "--help"}


def commands(group: click.Group, prefix: str) -> Iterator[tuple[str, click.Command]]:
    """Yield each command that does something, by its full name."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}", command


def usage(name: str, command: click.Command) -> tuple[list[str], set[str]]:
    """Return the arguments of a command in order, and its options."""
    context = click.Context(command, info_name=name)
    arguments = [given.make_metavar(context) for given in command.params if isinstance(given, click.Argument)]
    flags = [flag for given in command.params if isinstance(given, click.Option) for flag in given.opts]
    options = {flag for flag in flags if flag.startswith("--")}
    return arguments, options - SHARED


def test_every_command_is_described_with_its_arguments_and_options() -> None:
    page = (ROOT / "docs/commands.md").read_text("utf-8")
    shown = re.findall(r"^### `([a-z -]+)`\n\n    ([^\n]+)$", page, re.MULTILINE)
    described = {}
    for name, line in shown:
        assert line.startswith(name)
        rest = line.removeprefix(name)
        options = re.findall(r"--[a-z-]+", rest)
        described[name] = (re.sub(r"\[?--[a-z-]+( [A-Z]+)?\]?", "", rest).split(), set(options))
    assert described == {name: usage(name, command) for name, command in commands(main, "ignite-sync")}


WITH_AN_APP = """
[listener]
port = {port}
public_url = "https://sync.example.com"
admin_token = "e2e-admin-token"
[bigcommerce_app]
client_id = "app"
client_secret = "e2e-app-secret"
[database]
url = "sqlite:///{folder}/a.db"
[security]
secret_keys = ["e2e-secret-key-of-32-characters!"]
"""


async def test_every_route_is_described(tmp_path: Path) -> None:
    described = {tuple(request.strip("`").split()) for _, (request, *_) in tables("docs/http.md") if " /" in request}
    port = free_port()
    process = Process(tmp_path, WITH_AN_APP.format(port=port, folder=tmp_path), port)
    url = f"http://127.0.0.1:{port}"
    async with process, httpx.AsyncClient(base_url=url, trust_env=False) as client:
        await process.start()
        series = "\n".join(await process.metrics())
        patterns = set(re.findall(r'http_requests_total\{route="(/[^"]*)"', series))
        served = {
            (method, pattern)
            for pattern in patterns
            # No route has this method, so the answer names those that it has.
            for method in (await client.request("OPTIONS", pattern)).headers["allow"].split(", ")
        }
        paths = (await process.request("GET", "/openapi.json")).json()["paths"]
    served = {(method, pattern) for method, pattern in served if method != "HEAD"}
    assert described == served
    assert served == {(method.upper(), pattern) for pattern, methods in paths.items() for method in methods}


def test_the_readme_is_short_and_says_its_maturity_early() -> None:
    page = (ROOT / "README.md").read_text("utf-8")
    assert len(page.encode()) <= README_BYTES
    third = page[: len(page) // 3]
    assert [text for text in MATURITY if text not in third] == []


def test_make_test_ends_with_the_line_that_the_readme_shows(tmp_path: Path) -> None:
    (tmp_path / "test_one.py").write_text("def test_it(): pass\n", "utf-8")
    command = [sys.executable, "-m", "pytest", "-n", "1", "--dist", "worksteal", "-c", "/dev/null", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
    assert shape(printed("README.md", "make test")).fullmatch(done.stdout.splitlines()[-1])


def printed(page: str, command: str) -> str:
    """Return the code block that follows the mention of a command."""
    rest = (ROOT / page).read_text("utf-8").split(f"`{command}`", 1)[1]
    return re.split(r"^```\n", rest, maxsplit=2, flags=re.MULTILINE)[1]


VARYING = re.compile(
    r"(?P<time>\d+(?:\.\d+)? s\b)|(?P<port>(?<=http://127\.0\.0\.1:)\d+)|(?P<folder>\S+(?=/demo\.db))"
    r"|(?P<tests>=+ \d+ passed in \.\.\. =+)"
)
"""Parts that differ from run to run."""

PATTERNS = {
    "time": r"[\d.]+ s",
    "port": r"\d+",
    "folder": r"\S+",
    "tests": r"=+ \d+ passed in [\d.]+s( \(\d+:\d\d:\d\d\))? =+",
}


def shape(shown: str) -> re.Pattern[str]:
    """Return a pattern of what a page shows. A line `...` stands for any lines; times, ports and folders vary."""
    return re.compile("".join(r"(?:.*\n)*?" if line == "..." else _pattern(line) for line in shown.splitlines()))


def _pattern(line: str) -> str:
    made, end = "", 0
    for varying in VARYING.finditer(line):
        made += re.escape(line[end : varying.start()]) + PATTERNS[varying.lastgroup or ""]
        end = varying.end()
    return made + re.escape(line[end:]) + r"\n?"
