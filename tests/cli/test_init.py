"""`init` makes a configuration from answers, and lists what is still to be filled in."""

import io
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from daemon.cli.group import main
from daemon.config import load
from daemon.platforms import load_platforms

ADDRESS = "https://sync.example.com"
ANSWERS = {
    "bigcommerce": ["bigcommerce", ADDRESS, "live", "jones", "id", "s1-hidden", "abc", "s2-hidden"],
    "woocommerce": ["woocommerce", ADDRESS, "test", "jones", "id", "s1-hidden", "https://shop.test", "ck_1", "cs_1"],
}


def init(*arguments: str, answers: list[str] | None = None) -> Result:
    return CliRunner().invoke(main, ["init", *arguments], input="".join(f"{answer}\n" for answer in answers or []))


def to_do(result: Result) -> list[str]:
    return [line.removeprefix("to do   ") for line in result.stdout.splitlines() if line.startswith("to do")]


@pytest.mark.parametrize("platform", sorted(load_platforms()))
def test_answers_make_a_configuration_that_the_daemon_takes(platform: str) -> None:
    result = init(answers=ANSWERS[platform])
    assert (result.exit_code, to_do(result)) == (0, [])
    taken = load(Path("ignite-sync.toml"), {}, load_platforms())
    [connection] = taken.connections
    assert (connection.platform, str(connection.site)[-5:]) == (platform, "jones")
    assert taken.listener.public_url == ADDRESS
    assert taken.listener.admin_token != taken.listener.ignite_token
    assert stat.S_IMODE(Path("ignite-sync.toml").stat().st_mode) == 0o600


@pytest.mark.parametrize("platform", sorted(load_platforms()))
def test_without_answers_every_placeholder_is_listed(platform: str) -> None:
    result = init("a.toml", "--platform", platform)
    assert result.exit_code == 0
    text = Path("a.toml").read_text("utf-8")
    assert len(to_do(result)) == text.count("change-me") == len(ANSWERS[platform]) - 2
    assert all("still has the example's value" in line for line in to_do(result))


def test_an_answer_may_be_a_variable_or_any_text() -> None:
    answers = ["bigcommerce", "", "live", "jones", "${ID}", 'a"\\b', "abc", "token"]
    result = init(answers=answers)
    assert [line.split(": ")[1] for line in to_do(result)] == ["connections[0].client_id"]
    [connection] = load(Path("ignite-sync.toml"), {"ID": "mine"}, load_platforms()).connections
    assert (connection.client_id, connection.client_secret.reveal()) == ("mine", 'a"\\b')


def test_nothing_is_overwritten() -> None:
    Path("ignite-sync.toml").write_text("mine", "utf-8")
    result = init()
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "ignite-sync: ignite-sync.toml exists, and nothing is overwritten; name another file\n"
    assert Path("ignite-sync.toml").read_text("utf-8") == "mine"


@pytest.mark.parametrize("answer", [b"jo\xffnes", b"jo\x7fnes", b"jo\x1bnes"])
@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])
def test_an_answer_that_toml_cannot_hold_is_refused_and_leaves_no_file(
    answer: bytes, errors: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The C locale reads what is not UTF-8 as surrogates, other locales refuse it.
    given = io.TextIOWrapper(io.BytesIO(b"bigcommerce\n\nlive\n" + answer + b"\nid\n"), "utf-8", errors)
    monkeypatch.setattr("daemon.cli.group.sys", SimpleNamespace(stdin=given))
    result = init()
    assert (result.exit_code, result.stdout, Path("ignite-sync.toml").exists()) == (2, "", False)
    assert result.stderr.startswith("ignite-sync: the answer to ")
    assert result.stderr.endswith("; nothing was done\n")


def test_a_folder_that_cannot_be_written_is_found_before_the_first_question(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemon.cli.init._ask", None)
    Path("file").touch()
    for place, why in (("none/a.toml", "No such file or directory"), ("file/a.toml", "Not a directory")):
        result = init(place)
        line = f"ignite-sync: {place} cannot be written ({why}); name one in a folder that you can write to\n"
        assert (result.exit_code, result.stdout, result.stderr) == (1, "", line)


def test_an_unknown_platform_and_a_folder_that_is_missing_are_one_line() -> None:
    unknown, nowhere = init("--platform", "shopify"), init("none/a.toml", "--platform", "bigcommerce")
    assert (unknown.exit_code, nowhere.exit_code) == (2, 1)
    assert unknown.stderr.startswith("ignite-sync: --platform: must be one of bigcommerce, woocommerce")
    assert "none/a.toml cannot be written (No such file or directory)" in nowhere.stderr
