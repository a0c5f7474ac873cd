"""Sites, ids and secrets of a command: trimmed, or refused with one line and exit code 2."""

import codecs
from pathlib import Path

import pytest

from tests.cli.admin import admin, call, write_config
from tests.each import each

NO_SITES = [
    "jones",
    "prod/jones",
    "LIVE/jones",
    "live/",
    "live/..",
    "live/.",
    "live/../x",
    "live/a/b",
    "live/%2f",
    "live/a b",
    "live/a\n",
    " live/a",
    "live/\u201ca\u201d",
    "live/a\u00a0",
    "live/é",
    "live/a?b",
    "live/" + "x" * 201,
]
COMMANDS = {
    "sync": ["products"],
    "verify": [],
    "explain": ["products", "1"],
    "issues": [],
    "parked list": [],
    "parked retry": ["all"],
    "removals list": [],
    "removals allow": ["products", "1"],
    "connect": ["--client-id", "c"],
    "disconnect": ["--yes"],
}


@pytest.mark.holds("E20")
@each("site", NO_SITES)
@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_no_site_is_told(command: str, site: str) -> None:
    result = call(*command.split(), site, *COMMANDS[command])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(
        "ignite-sync: Invalid value for 'SITE': write it as live/SITE_ID or test/SITE_ID. (see: "
    ) or result.stderr.startswith("ignite-sync: Invalid value for '[SITE]': write it as")
    assert result.stderr.count("\n") == 1


ODD = {
    "hid\nden": "a line break",
    "hid\0den": "a NUL character",
    "\u201chidden\u201d": "a typographic quotation mark",
    "hid\u00a0den": "a non-breaking space",
    "hid\u200bden": "an invisible character",
    b"hid\xffden".decode("utf-8", "surrogateescape"): "bytes that are not UTF-8",
    "": "is empty",
    "\u00a0": "is empty",
    "hidden" * 100: "600 characters",
}


@pytest.mark.holds("E20")
@pytest.mark.parametrize("odd", ODD, ids=ascii)
@pytest.mark.parametrize("option", ["--client-id", "--store-id", "--client-secret-file"])
def test_what_no_request_can_carry_is_told_and_not_repeated(option: str, odd: str) -> None:
    Path("secret").write_bytes((odd if option.endswith("file") else "s3cret").encode("utf-8", "surrogateescape"))
    write_config(1)
    options = {"--client-id": "c", "--store-id": "abc", "--client-secret-file": "secret"}
    if not option.endswith("file"):
        options[option] = odd
    result = call("connect", "live/x", *(word for pair in options.items() for word in pair), "--config", "s.toml")
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert result.stderr.startswith(f"ignite-sync: {option}: ")
    assert ODD[odd] in result.stderr or "not UTF-8 text" in result.stderr
    assert "hidden" not in result.stderr


WRITTEN = {
    "plain": b"s3cret",
    "a line": b"s3cret\n",
    "a line of Windows": codecs.BOM_UTF8 + b"s3cret\r\n",
    "UTF-16": codecs.BOM_UTF16_LE + "s3cret\r\n".encode("utf-16-le"),
}


@pytest.mark.holds("E22")
@pytest.mark.parametrize("what", WRITTEN)
def test_a_secret_is_read_however_its_file_was_written(what: str) -> None:
    Path("secret").write_bytes(WRITTEN[what])
    with admin((200, {"state": "active"})) as server:
        more = ["--store-id", "abc\n", "--client-id", " c\u00a0", "--client-secret-file", "secret"]
        assert call("connect", "live/x", *more, "--config", "s.toml").exit_code == 0
    assert server.asked[0][3] == {"site": "live/x", "store_id": "abc", "client_id": "c", "client_secret": "s3cret"}


@pytest.mark.holds("E20")
def test_a_secret_that_is_typed_is_checked_too() -> None:
    write_config(1)
    result = call("connect", "live/x", "--client-id", "c", "--config", "s.toml", given="“hidden”\n")
    assert result.exit_code == 2
    assert "it has a typographic quotation mark" in result.stderr
    assert "hidden" not in result.stderr
