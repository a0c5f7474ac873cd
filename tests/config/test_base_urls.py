"""No spelling makes another machine's address look like this machine's."""

import json

from tests.config.files import SECURITY, WHOLE, line
from tests.each import each

TRICKS = [
    "http://127.0.0.1.evil.test",
    "http://localhost.evil.test",
    "http://evil.test/localhost",
    "http://evil.test:80/[::1]",
    "http://localhost@evil.test",
    "http://127.0.0.1:80@evil.test",
    "http://evil.test#@127.0.0.1",
    "http://evil.test?@127.0.0.1",
    "http://localhost\\@evil.test",
    "http://127.0.0.1\\.evil.test",
    "http://[::1]evil.test",
    "http://[::1].evil.test",
    "http://evil.test[::1]",
    "http://[::1%25evil.test]",
    "http://[::ffff:10.0.0.1]",
    "http://[::]",
    "http://0.0.0.0",
    "http://0",
    "http://2130706433",
    "http://0x7f000001",
    "http://0177.0.0.1",
    "http://127.1",
    "http://127.0.0.1.",
    "http://localhost.",
    "http://localhost%00.evil.test",
    "http://localhost;evil.test",
    "http://\uff11\uff12\uff17.0.0.1",
    "http://127。0。0。1",
    "http://ⓛocalhost",
    "http:evil.test",
    "http:///evil.test",
    "http://:80",
    "http://localhost:99999",
    "http://localhost:-1",
    " http://localhost",
    "http://localhost ",
    "http://local host",
    "http://local\thost",
    "http://localhost\n.evil.test",
    "\x00http://localhost",
    "http://localhost/\x01",
    "http://localhost?",
    "http://localhost#",
    "https://exämple.test",
    "https://u:hidden@evil.test",
    "javascript://localhost/",
    "//localhost",
]
"""Addresses of other machines that look like this one, and addresses that programs parse differently."""


@each("url", [*TRICKS])
def test_no_trick_makes_a_place_elsewhere_look_like_this_machine(url: str) -> None:
    for setting in ("public_url", "live_url", "api_url", "slack_url"):
        if setting == "slack_url" and url != url.strip():
            continue  # a secret is trimmed, and the rest names this machine
        section = {"public_url": "listener", "live_url": "sparklayer", "slack_url": "notifications"}.get(setting)
        text = f"[{section}]\n" if section else WHOLE
        text += f"{setting} = {json.dumps(url)}\n" + ("" if setting == "api_url" else SECURITY)
        error = line(text)
        assert error.startswith("s.toml: ")
        assert ": must be " in error
