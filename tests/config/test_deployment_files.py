"""The files of config/ for systemd, dynos, containers and proxies set what is known and needed, and hide the rest."""

import fnmatch
import json
import re
from collections.abc import Callable
from pathlib import Path

import yaml

from daemon.config import load
from daemon.config.settings import SECRET_KEY_LENGTH
from tests.config.files import PLATFORMS
from tests.each import each

CONFIG = Path(__file__).parent.parent.parent / "config"
VARIABLE = re.compile(r"\bIGNITE_SYNC_[A-Z0-9_]+")
VALUES = {
    "IGNITE_SYNC_DATABASE_URL": "postgresql://a@b/c",
    "IGNITE_SYNC_LISTENER_PUBLIC_URL": "https://sync.example.com",
    "IGNITE_SYNC_SECURITY_SECRET_KEYS": "k" * SECRET_KEY_LENGTH,
}


def test_the_unit_leaves_visible_what_the_metrics_of_the_process_are_read_from() -> None:
    # Without /proc/stat, prometheus_client has no process_* metrics at all, so two panels of the dashboard are empty.
    unit = (CONFIG / "ignite-sync.service").read_text("utf-8")
    assert not re.search(r"^ProcSubset=pid", unit, re.MULTILINE)


@each("name", ["Dockerfile", "compose.yaml", "app.json"])
def test_every_variable_is_a_setting(name: str) -> None:
    variables = set(VARIABLE.findall((CONFIG / name).read_text("utf-8")))
    connection = json.loads((CONFIG / "app.json").read_text("utf-8"))["env"]
    given = {variable: connection.get(variable, {}).get("value", "text") for variable in variables}
    assert variables
    settings = load(None, given | VALUES, PLATFORMS)
    assert settings.foreign == ()
    assert len(settings.connections) == (name != "Dockerfile")


def test_an_image_keeps_its_database_on_the_volume_unless_another_is_named() -> None:
    text = (CONFIG / "Dockerfile").read_text("utf-8")
    own = dict(re.findall(r"\b(IGNITE_SYNC_\w+)=(\S+)", text))
    own["IGNITE_SYNC_SECURITY_SECRET_KEYS"] = VALUES["IGNITE_SYNC_SECURITY_SECRET_KEYS"]
    [volume] = re.findall(r"^VOLUME (\S+)$", text, re.MULTILINE)
    assert f"\nWORKDIR {volume}\n" in text
    default = load(None, own, PLATFORMS).database
    assert default.path.relative_to(Path.cwd()) == Path("ignite-sync.db")
    attached = load(None, own | {"DATABASE_URL": "postgres://u:p@h/d"}, PLATFORMS).database
    assert attached.url == "postgres://u:p@h/d"


def test_a_dyno_is_asked_for_all_that_its_connection_needs() -> None:
    asked = json.loads((CONFIG / "app.json").read_text("utf-8"))["env"]
    given = {name: each.get("value", "text") for name, each in asked.items() if each.get("required", True)}
    assert len(load(None, given | VALUES, PLATFORMS).connections) == 1


def test_the_composed_daemon_gets_the_variables_of_its_connection() -> None:
    path = CONFIG / "compose.yaml"
    head = re.findall(r"^#   ([A-Z_]+)=", path.read_text("utf-8"), re.MULTILINE)
    daemon = yaml.safe_load(path.read_text("utf-8"))["services"]["daemon"]
    assert daemon["env_file"] == ".env"
    substituted = re.findall(r"\$\{(\w+)", " ".join(daemon["environment"].values()))
    asked = json.loads((CONFIG / "app.json").read_text("utf-8"))["env"]
    assert set(head) == {*substituted, *(name for name in asked if "_CONNECTION_" in name)}


def _routes() -> list[str]:
    """Return every path of the table of requests in SECURITY.md, which a test compares with the listener."""
    page = (CONFIG.parent / "SECURITY.md").read_text("utf-8")
    return re.findall(r"^\| `(?:GET|POST|DELETE) (/[^`]*)`", page, re.MULTILINE)


def _hidden_by_nginx(path: str) -> bool:
    pattern = re.search(r"location ~ (\S+) \{\s+return 404;", (CONFIG / "nginx.conf").read_text("utf-8"))
    assert pattern is not None
    return re.search(pattern[1], path) is not None


def _hidden_by_caddy(path: str) -> bool:
    hidden = re.search(r"@hidden path (.+)", (CONFIG / "Caddyfile").read_text("utf-8"))
    assert hidden is not None
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in hidden[1].split())


@each("hidden", [_hidden_by_nginx, _hidden_by_caddy])
def test_the_proxies_hide_what_operators_and_probes_ask_for_and_nothing_else(hidden: Callable[[str], bool]) -> None:
    kept = ("/admin", "/metrics", "/healthz", "/readyz", "/openapi.json")
    routes = _routes()
    assert len(routes) > 30
    wrong = [path for path in routes if hidden(path) != (path.startswith(kept))]
    assert wrong == []
