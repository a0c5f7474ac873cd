"""Sessions: opened by a known token, for a time, on every node; none is forged, taken over, or outlives its token."""

import base64
import json

import pytest
from attrs import evolve

from daemon.listener.http.messages import Request
from daemon.listener.page import cookies
from daemon.listener.page.session import LASTS, LOGIN_LASTS, SKEW, Sessions, is_same
from daemon.model import Secret
from daemon.model.operators import NamedToken, Role

OLD, NEW = Secret("the old key of the tests"), Secret("the new key of the tests")
ANNA = NamedToken(name="anna", token=Secret("anna-token"), role=Role.ACT)
BEN = NamedToken(name="ben", token=Secret("ben-token"))


def sessions(*tokens: NamedToken, keys: tuple[Secret, ...] = (OLD,), at: float = 1000.0) -> Sessions:
    return Sessions(keys, tokens or (ANNA, BEN), lambda: at)


def test_a_session_is_known_on_every_node_until_it_is_too_old() -> None:
    cookie = sessions().open(BEN)
    found = sessions().find(cookie)
    assert found is not None
    assert found.operator == BEN.operator
    assert sessions(at=1000.0 + LASTS).find(cookie) is not None
    assert sessions(at=1001.0 + LASTS).find(cookie) is None
    assert sessions(at=1000.0 - SKEW).find(cookie) is not None
    assert sessions(at=999.0 - SKEW).find(cookie) is None


def test_each_session_has_an_id_and_a_form_text_of_its_own() -> None:
    first, second = sessions().open(ANNA), sessions().open(ANNA)
    assert first != second
    one, other = sessions().find(first), sessions().find(second)
    assert one is not None
    assert other is not None
    assert is_same(one.csrf, one.csrf)
    assert not is_same(one.csrf, other.csrf)
    assert not is_same(one.csrf, "")


def test_a_session_ends_with_its_token_and_follows_its_role() -> None:
    cookie = sessions().open(ANNA)
    assert sessions(BEN).find(cookie) is None
    assert sessions(evolve(ANNA, token=Secret("renewed"))).find(cookie) is None
    assert sessions(evolve(ANNA, name="other")).find(cookie) is None
    demoted = sessions(evolve(ANNA, role=Role.READ)).find(cookie)
    assert demoted is not None
    assert demoted.operator.role is Role.READ


def test_a_session_outlives_a_new_key_while_the_old_one_is_known() -> None:
    cookie = sessions().open(ANNA)
    assert sessions(keys=(NEW, OLD)).find(cookie) is not None
    assert sessions(keys=(NEW,)).find(cookie) is None


def test_a_forged_cookie_is_nobodys() -> None:
    cookie = sessions().open(BEN)
    text, _, signature = cookie.partition(".")
    content = json.loads(base64.urlsafe_b64decode(text + "=="))
    forged = base64.urlsafe_b64encode(json.dumps(content | {"name": "anna"}).encode()).decode().rstrip("=")
    login, csrf = sessions().new_login()
    for tried in (
        *("", ".", "x", f"{forged}.{signature}", f"{text}.", f"{text}.{signature[:-1]}0x", f"{text}.{signature}\xe9"),
        *(text, signature, f"{login}.{csrf}", f"{text[:-4]}.{signature}"),
    ):
        assert sessions().find(tried) is None, tried
    assert sessions().find(None) is None


def test_a_login_form_is_good_in_its_browser_for_an_hour() -> None:
    cookie, csrf = sessions().new_login()
    other, _ = sessions().new_login()
    assert sessions(keys=(NEW, OLD)).is_login(cookie, csrf)
    assert sessions(at=1000.0 + LOGIN_LASTS).is_login(cookie, csrf)
    assert not sessions(at=1002.0 + LOGIN_LASTS).is_login(cookie, csrf)
    wrong = [(other, csrf), (cookie, ""), (None, csrf), ("", ""), ("x~1000", csrf), (cookie, csrf + "\xe9")]
    for given in (*wrong, (f"x~{'9' * 5000}", csrf)):
        assert not sessions().is_login(*given), given


def request(**headers: str) -> Request:
    sent = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return Request("POST", "/", "", sent, b"", keep_alive=True)


@pytest.mark.parametrize(
    ("headers", "secure"),
    [
        ({"host": "sync.example.com"}, True),
        ({"host": "127.0.0.1:8080"}, False),
        ({"host": "localhost:8080"}, False),
        ({"host": "[::1]:8080"}, False),
        ({"host": "127.0.0.1.example.com"}, True),
        ({"host": "10.0.0.1:8080"}, True),
        ({"host": "["}, True),
        ({"host": "127.0.0.1:8080", "origin": "https://sync.example.com"}, True),  # a proxy puts its own Host
        ({"host": "127.0.0.1:8080", "origin": "http://127.0.0.1:8080"}, False),
        ({"host": "127.0.0.1:8080", "origin": "https://localhost"}, True),
        ({"host": "127.0.0.1:8080", "origin": "null"}, True),
    ],
)
def test_cookies_are_secure_unless_the_browser_is_on_this_machine(headers: dict[str, str], secure: bool) -> None:  # noqa: FBT001
    name, value = cookies.header(request(**headers), cookies.SESSION, "v", 60)
    prefix = "__Host-" if secure else ""
    flags = "Path=/; Max-Age=60; HttpOnly; SameSite=Strict" + ("; Secure" if secure else "")
    assert (name, value.decode()) == (b"set-cookie", f"{prefix}ignite-sync=v; {flags}")


@pytest.mark.parametrize(
    ("sent", "value"),
    [
        ("", None),
        ("ignite-sync=a", "a"),
        ("x=1; ignite-sync=a==; y", "a=="),
        ("ignite-sync=planted; __Host-ignite-sync=a", "a"),
        ("__Host-ignite-sync=a; __Host-ignite-sync=b", None),
        ("ignite-sync=a; ignite-sync=b", None),
        ("ignite-sync-login=a; xignite-sync=b", None),
    ],
)
def test_a_cookie_that_is_there_twice_is_none(sent: str, value: str | None) -> None:
    assert cookies.read(request(host="localhost", cookie=sent), cookies.SESSION) == value


def test_on_a_public_host_a_session_needs_the_name_that_no_other_host_can_forge() -> None:
    public = request(host="sync.example.com", cookie="ignite-sync=planted; ignite-sync-login=form")
    assert cookies.read(public, cookies.SESSION) is None
    assert cookies.read(public, cookies.LOGIN) == "form"
    own = request(host="sync.example.com", cookie="__Host-ignite-sync=own; ignite-sync=planted")
    assert cookies.read(own, cookies.SESSION) == "own"


@pytest.mark.parametrize(
    ("site", "refused"),
    [("same-origin", False), ("none", False), ("same-site", True), ("cross-site", True), ("", True)],
)
def test_a_form_of_another_site_is_told_by_the_browser(site: str, refused: bool) -> None:  # noqa: FBT001
    assert cookies.is_cross_site(request(sec_fetch_site=site)) is refused
    assert not cookies.is_cross_site(request())
