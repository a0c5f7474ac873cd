"""Ids and credentials as people paste them: trimmed, or refused.

The line names the setting and the odd character, and never repeats a secret.
"""

import codecs
from collections.abc import Mapping
from pathlib import Path

import pytest

from daemon.config import Settings, load
from daemon.errors import ConfigError
from daemon.model.identifiers import segment_fault
from tests.config.files import PLATFORMS, SECURITY, line
from tests.each import each

SECRET = "hidden0123456789"
ENVIRONMENT = {
    "IGNITE_SYNC_SECURITY_SECRET_KEYS": "0123456789abcdef",
    "IGNITE_SYNC_LISTENER_ADMIN_TOKEN": SECRET,
    "IGNITE_SYNC_LISTENER_IGNITE_TOKEN": SECRET,
    "IGNITE_SYNC_LISTENER_PUBLIC_URL": "https://a.test",
    "IGNITE_SYNC_CONNECTION_SITE_ENV": "test",
    "IGNITE_SYNC_CONNECTION_SITE_ID": SECRET,
    "IGNITE_SYNC_CONNECTION_CLIENT_ID": SECRET,
    "IGNITE_SYNC_CONNECTION_CLIENT_SECRET": SECRET,
    "IGNITE_SYNC_CONNECTION_PLATFORM": "bigcommerce",
    "IGNITE_SYNC_CONNECTION_BIGCOMMERCE_STORE_HASH": SECRET,
    "IGNITE_SYNC_CONNECTION_BIGCOMMERCE_ACCESS_TOKEN": SECRET,
    "IGNITE_SYNC_CONNECTION_BIGCOMMERCE_CLIENT_SECRET": SECRET,
    "IGNITE_SYNC_CONNECTION_BIGCOMMERCE_WEBHOOK_SECRET": SECRET,
    "IGNITE_SYNC_BIGCOMMERCE_APP_CLIENT_ID": SECRET,
    "IGNITE_SYNC_BIGCOMMERCE_APP_CLIENT_SECRET": SECRET,
}
PASTED = [name for name, value in ENVIRONMENT.items() if value == SECRET]
"""Settings that go into a header, a path or the body of a token request."""

SECRETS = [name for name in PASTED if name.endswith(("TOKEN", "SECRET"))]

ODD: Mapping[str, str] = {
    "\n": "a line break",
    "\r\n": "a line break",
    "\0": "a NUL character",
    "\x1b": "a control character",
    "\u00a0": "a non-breaking space",
    "\u2003": "an unusual space",
    "\u200b": "an invisible character",
    "\ufeff": "an invisible character",
    "\u201c": "a typographic quotation mark",
    "\u201e": "a typographic quotation mark",
    "\u2019": "a typographic quotation mark",
    "\u2013": "a typographic dash",
    "é": "a character outside ASCII",
    "\ufffd": "a character that was lost in a conversion",
    b"\xff".decode("utf-8", "surrogateescape"): "bytes that are not UTF-8",
}
AROUND = ["\n", "\r\n", " ", "\t", "\u00a0", "\ufeff", "\u200b", " \u200b\n"]


def taken(environ: Mapping[str, str]) -> Settings:
    return load(None, environ, PLATFORMS)


def refused(environ: Mapping[str, str]) -> str:
    with pytest.raises(ConfigError) as caught:
        taken(environ)
    text = str(caught.value)
    assert text.isprintable()
    assert SECRET not in text
    assert "hidden" not in text
    return text


@pytest.mark.holds("E20")
@each("odd", list(ODD))
@each("name", [*PASTED])
def test_an_odd_character_is_named(name: str, odd: str) -> None:
    text = refused(ENVIRONMENT | {name: f"hidden{odd}0123456789"})
    assert text.startswith(f"environment: {name}: must be ")
    if not name.endswith("STORE_HASH"):
        assert text.endswith(f"; it has {ODD[odd]}")


@pytest.mark.holds("E20")
@each("around", AROUND)
def test_space_around_a_value_is_none_of_it(around: str) -> None:
    spaced = {name: f"{around}{value}{around}" for name, value in ENVIRONMENT.items()}
    assert taken(spaced) == taken(ENVIRONMENT)


@pytest.mark.holds("E20")
@each("name", [*PASTED])
@each("mark", ["'", '"'])
def test_quotation_marks_around_a_value_are_told(name: str, mark: str) -> None:
    text = refused(ENVIRONMENT | {name: f"{mark}{SECRET}{mark}"})
    assert text == f"environment: {name}: is in quotation marks, which would be part of it; remove them"


@pytest.mark.holds("E20")
@pytest.mark.parametrize("name", PASTED)
@pytest.mark.parametrize("value", ["", " ", "\u00a0", "x" * 513], ids=["empty", "space", "hard space", "long"])
def test_what_is_empty_or_without_end_is_told(name: str, value: str) -> None:
    assert refused(ENVIRONMENT | {name: value}).startswith(f"environment: {name}: ")


@pytest.mark.holds("E20")
@each("site_id", ["..", ".", "../live", "a/b", "a\\b", "%2f", "..%2f", "a?b", "a#b", "a b", 'a"b', "a'b", "<a>", "a|b"])
def test_a_site_that_would_leave_its_path_is_told(site_id: str) -> None:
    text = refused(ENVIRONMENT | {"IGNITE_SYNC_CONNECTION_SITE_ID": site_id})
    assert text.startswith("environment: IGNITE_SYNC_CONNECTION_SITE_ID: must be the id alone")
    assert segment_fault(site_id)


@each("site_id", ["jones", "jones-climbing", "J_1.2~3", "...", "a:b@c", "1"])
def test_sites_that_are_taken(site_id: str) -> None:
    (connection,) = taken(ENVIRONMENT | {"IGNITE_SYNC_CONNECTION_SITE_ID": site_id}).connections
    assert connection.site_id == site_id


@pytest.mark.holds("E20")
@each(
    ("section", "setting", "words"),
    [
        ("listener", r'host = "127.0.0.1\n"', "host: must be"),
        ("listener", 'host = "loc\u00a0al"', "host: must be an IP address or a host name"),
        ("sparklayer", 'integration = ".."', "integration: must be a name, not dots alone"),
        ("sparklayer", r'integration = "a\u0000b"', "integration: must be one line of text; it has a NUL character"),
        ("listener", r'public_url = "https://a.test\u200b"', "public_url: must be a URL"),
        ("listener", r'"adm\u001bin" = 1', "adm?in: unknown setting"),
    ],
)
def test_other_texts_are_one_line_too(section: str, setting: str, words: str) -> None:
    assert line(f"[{section}]\n{setting}\n{SECURITY}").startswith(f"s.toml: {section}.{words}")


PASTED_TOML = {
    "admin_token = “hidden”": "column 15): there is a typographic quotation mark; correct that line",
    "admin_token =\u00a0'hidden'": "column 14): there is a non-breaking space; correct that line",
    "\u200badmin_token = 'hidden'": "column 1): there is an invisible character; correct that line",
}


@pytest.mark.holds("E20")
@each("text", [*PASTED_TOML])
def test_toml_that_was_pasted_is_told_by_its_character(text: str) -> None:
    assert line(f"[listener]\n{text}\n").endswith(PASTED_TOML[text])


WRITTEN = {
    "UTF-8": SECRET.encode(),
    "UTF-8 with a mark": codecs.BOM_UTF8 + SECRET.encode(),
    "UTF-16, little endian": codecs.BOM_UTF16_LE + SECRET.encode("utf-16-le"),
    "UTF-16, big endian": codecs.BOM_UTF16_BE + SECRET.encode("utf-16-be"),
    "a line": f"{SECRET}\n".encode(),
    "a line of Windows": codecs.BOM_UTF16_LE + f"{SECRET}\r\n".encode("utf-16-le"),
    "lines of Windows": f"\r\n{SECRET}\r\n\r\n".encode(),
    "a line of an old Mac": f"{SECRET}\r".encode(),
    "a hard space": f"{SECRET}\u00a0".encode(),
}


@pytest.mark.holds("E22")
@each("what", [*WRITTEN])
@each("name", [*SECRETS])
def test_a_secrets_file_is_read_however_it_was_written(name: str, what: str) -> None:
    Path("secret").write_bytes(WRITTEN[what])
    others = {key: value for key, value in ENVIRONMENT.items() if key != name}
    assert taken(others | {f"{name}_FILE": "\ufeffsecret\n"}) == taken(ENVIRONMENT)


@pytest.mark.holds("E22")
@each(
    "content",
    [
        codecs.BOM_UTF8 + b"0123456789abcdef\r\nfedcba9876543210\r\n",
        codecs.BOM_UTF16_LE + "0123456789abcdef\r\nfedcba9876543210\r\n".encode("utf-16-le"),
        b"0123456789abcdef\rfedcba9876543210",
    ],
)
def test_a_file_of_several_keys_is_read_however_it_was_written(content: bytes) -> None:
    Path("keys").write_bytes(content)
    keys = {"IGNITE_SYNC_SECURITY_SECRET_KEYS_FILE": "keys"}
    assert taken(keys) == taken({"IGNITE_SYNC_SECURITY_SECRET_KEYS": "0123456789abcdef,fedcba9876543210"})


BAD_FILES = {
    "no UTF-8": (b"hidden\xff", "cannot read secret (it is not UTF-8 text); save it as UTF-8"),
    "half of UTF-16": (codecs.BOM_UTF16_LE + b"h", "cannot read secret (it is not UTF-8 text); save it as UTF-8"),
    "UTF-16 without a mark": (
        "hidden".encode("utf-16-le"),
        "must be one line of printable text; it has a NUL character",
    ),
    "two lines": (b"hidden\r\nhidden\r\n", "must be one line of printable text; it has a line break"),
    "nothing": (b"\r\n", "is empty; fill it in, or remove it if it is optional"),
    "a mark alone": (codecs.BOM_UTF8, "is empty; fill it in, or remove it if it is optional"),
    "quoted": (b'"hidden"\n', "is in quotation marks, which would be part of it; remove them"),
    "too much": (
        b"hidden" * 200_000,
        "cannot read secret (it is larger than 1024 KiB); correct the path or the permissions",
    ),
}


@pytest.mark.holds("E22")
@each("what", [*BAD_FILES])
@each("name", [*SECRETS])
def test_a_secrets_file_that_cannot_be_used_is_told(name: str, what: str) -> None:
    content, words = BAD_FILES[what]
    words = words.replace("cannot read secret ", f"cannot read {Path.cwd() / 'secret'} ")
    Path("secret").write_bytes(content)
    others = {key: value for key, value in ENVIRONMENT.items() if key != name}
    where = name if words.startswith(("must", "is")) else f"{name}_FILE"
    assert refused(others | {f"{name}_FILE": "secret"}).removesuffix(words) in {
        f"environment: {where}: ",
        f"environment: {name}_FILE: ",
    }


@pytest.mark.holds("E22")
def test_a_device_that_never_ends_is_no_file_of_ours() -> None:
    text = refused({"IGNITE_SYNC_SECURITY_SECRET_KEYS_FILE": "/dev/zero"})
    assert "larger than 1024 KiB" in text
    assert line(path="/dev/zero").startswith("/dev/zero: cannot be read (it is larger than 1024 KiB)")


@pytest.mark.holds("E22")
@each(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (b"", "utf-8"),
    ],
)
@each("end", ["\n", "\r\n"])
def test_settings_are_read_however_they_were_written(mark: bytes, encoding: str, end: str) -> None:
    text = f"[listener]\nport = 1 # hier: ä\n{SECURITY}".replace("\n", end)
    Path("s.toml").write_bytes(mark + text.encode(encoding))
    assert load(Path("s.toml"), {}, PLATFORMS).listener.port == 1
