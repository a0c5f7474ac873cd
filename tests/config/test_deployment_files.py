"""The files of config/ for dynos and containers set nothing that the daemon does not know."""

import json
import re
from pathlib import Path

import pytest

from daemon.config import load
from daemon.config.settings import SECRET_KEY_LENGTH
from tests.config.files import PLATFORMS

CONFIG = Path(__file__).parent.parent.parent / "config"
VARIABLE = re.compile(r"\bIGNITE_SYNC_[A-Z0-9_]+")
VALUES = {
    "IGNITE_SYNC_DATABASE_URL": "postgresql://a@b/c",
    "IGNITE_SYNC_LISTENER_PUBLIC_URL": "https://sync.example.com",
    "IGNITE_SYNC_SECURITY_SECRET_KEYS": "k" * SECRET_KEY_LENGTH,
}


@pytest.mark.parametrize("name", ["Dockerfile", "compose.yaml", "app.json"])
def test_every_variable_is_a_setting(name: str) -> None:
    variables = set(VARIABLE.findall((CONFIG / name).read_text("utf-8")))
    connection = json.loads((CONFIG / "app.json").read_text("utf-8"))["env"]
    given = {variable: connection.get(variable, {}).get("value", "text") for variable in variables}
    assert variables
    assert load(None, given | VALUES, PLATFORMS).foreign == ()
