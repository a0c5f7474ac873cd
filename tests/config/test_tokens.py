"""Named tokens: from the file, from files of secrets, from the environment; wrong ones are explained."""

import itertools
from pathlib import Path

import pytest

from daemon.config import Settings, load
from daemon.errors import ConfigError
from daemon.model.operators import Operator, Role
from tests.config.files import PLATFORMS, SECURITY
from tests.each import each

TWO = """
[[listener.tokens]]
name = "grafana"
token = "g-hidden"
[[listener.tokens]]
name = "anna"
token_file = "anna.txt"
role = "act"
"""


def settings(listener: str, **environ: str) -> Settings:
    Path("anna.txt").write_text("a-hidden\n", "utf-8")
    Path("s.toml").write_text(listener + SECURITY, "utf-8")
    return load(Path("s.toml"), environ, PLATFORMS)


def holders(settings: Settings) -> dict[str, Operator]:
    return {token.token.reveal(): token.operator for token in settings.listener.operators}


def test_tokens_come_from_the_file_and_the_environment_beside_the_first() -> None:
    variables = {
        "IGNITE_SYNC_LISTENER_TOKENS_2_NAME": "ben",
        "IGNITE_SYNC_LISTENER_TOKENS_2_TOKEN_FILE": "anna.txt",
        "IGNITE_SYNC_LISTENER_TOKENS_10_NAME": "cleo",
        "IGNITE_SYNC_LISTENER_TOKENS_10_TOKEN": "c-hidden",
        "IGNITE_SYNC_LISTENER_TOKENS_10_ROLE": "act",
    }
    alone = settings('[listener]\nadmin_token = "first-hidden"\n')
    assert holders(alone) == {"first-hidden": Operator("admin", Role.ACT)}
    file = settings('[listener]\nadmin_token = "first-hidden"\n' + TWO)
    both = {"g-hidden": Operator("grafana", Role.READ), "a-hidden": Operator("anna", Role.ACT)}
    assert holders(file) == holders(alone) | both
    environment = settings("", **variables)
    assert list(holders(environment).values()) == [Operator("ben", Role.READ), Operator("cleo", Role.ACT)]
    assert "hidden" not in repr([alone, file, environment])


def test_commands_send_a_token_that_may_act() -> None:
    assert settings("").listener.command_token is None
    for text, sent in (("", "a-hidden"), ('[listener]\nadmin_token = "first-hidden"\n', "first-hidden")):
        token = settings(text + TWO).listener.command_token
        assert token is not None
        assert token.reveal() == sent


NAMED = '[[listener.tokens]]\nname = "x"\n'


@each(
    ("text", "variables", "line"),
    [
        (NAMED, {}, "s.toml: listener.tokens[0].token: is missing; add it"),
        (NAMED + 'token = "change-me"\n', {}, "s.toml: listener.tokens[0].token: still has the example's value"),
        (NAMED + 'token = "t"\nrole = "root"\n', {}, "s.toml: listener.tokens[0].role: must be one of read, act"),
        (NAMED + 'token = "t"\nrole = 1\n', {}, "s.toml: listener.tokens[0].role: must be a text, not a whole number"),
        (NAMED + 'token = "t"\nrights = "act"\n', {}, 's.toml: listener.tokens[0].rights: unknown setting "rights"'),
        ('[listener]\ntokens = "t"\n', {}, "s.toml: listener.tokens: must be a list of tables, not a text"),
        ('[listener]\ntokens = ["t"]\n', {}, "s.toml: listener.tokens[0]: must be a table, not a text"),
        (TWO.replace("grafana", "anna"), {}, "s.toml: listener.tokens: two have the same name"),
        (TWO.replace("g-hidden", "a-hidden"), {}, "s.toml: listener.tokens: two have the same token"),
        (f"[listener]\nadmin_token = 'g-hidden'\n{TWO}", {}, "s.toml: listener.tokens: one has the name 'admin' or"),
        (f"[listener]\nadmin_token = 'z'\n{TWO.replace('anna', 'admin', 1)}", {}, "s.toml: listener.tokens: one has"),
        ("", {"1_NAME": "a b", "1_TOKEN": "t"}, "environment: IGNITE_SYNC_LISTENER_TOKENS_1_NAME: must be the id"),
        ("", {"1_NAME": "a"}, "environment: IGNITE_SYNC_LISTENER_TOKENS_1_TOKEN: is missing; set it"),
        ("", {"1_RULE": "act"}, "environment: IGNITE_SYNC_LISTENER_TOKENS_1_RULE: unknown setting"),
        ("", {"x": "1"}, "environment: IGNITE_SYNC_LISTENER_TOKENS_X"),
    ],
)
def test_a_wrong_token_is_one_line(text: str, variables: dict[str, str], line: str) -> None:
    environ = {f"IGNITE_SYNC_LISTENER_TOKENS_{name.upper()}": value for name, value in variables.items()}
    with pytest.raises(ConfigError) as caught:
        settings(text, **environ)
    lines = [str(error) for error in itertools.chain([caught.value], caught.value.also)]
    assert any(each.startswith(line) for each in lines), lines
    assert "hidden" not in str(lines)


def test_tokens_in_one_variable_are_an_error_of_that_variable() -> None:
    with pytest.raises(ConfigError, match=r"^environment: IGNITE_SYNC_LISTENER_TOKENS: must be tables in a file"):
        settings("", IGNITE_SYNC_LISTENER_TOKENS="x")
