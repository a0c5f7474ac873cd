"""Loading of the settings: the file's sections, overridden by the environment, then the connections.

A variable IGNITE_SYNC_<SECTION>_<NAME> is a setting. IGNITE_SYNC_CONNECTION_<NAME> and
IGNITE_SYNC_CONNECTION_<PLATFORM>_<NAME> describe a connection, for machines without files; IGNITE_SYNC_CONNECTION_2_...
and further numbers describe others; IGNITE_SYNC_CONNECTIONS_1_... is the first, too. They are added to those of the
file. ${NAME} in the file is a variable (`texts`).

PORT and DATABASE_URL, as a dyno sets them, override the file, and our own variables override them. A variable that
starts with IGNITE_SYNC_ and names no setting is an error, because it is a misspelt setting. Variables that a cluster
sets (`foreign`) are ignored, and named in `Settings.foreign`.
"""

import difflib
import ipaddress
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import attrs
from attrs import frozen

from daemon.config.foreign import is_injected
from daemon.config.settings import (
    BASE,
    SECRET_KEY_LENGTH,
    WHOLE,
    ConnectionSettings,
    SecuritySettings,
    Settings,
)
from daemon.config.table import ENVIRONMENT, Findings, Table, conclude, type_name, unknown
from daemon.config.texts import UnreadableError, Untyped, holds_secret, read_text_file, substituted
from daemon.errors import ConfigError
from daemon.model import Secret, Site
from daemon.model.hosts import in_ascii, is_host
from daemon.model.identifiers import name_of, trimmed
from daemon.model.operators import NamedToken

if TYPE_CHECKING:  # the adapters import an HTTP client, which reading settings does not need
    from daemon.platforms.base import PlatformType

CONFIG_VARIABLE = "IGNITE_SYNC_CONFIG"
"""Variable with the path of the file; the command line reads it."""

_PREFIX = "IGNITE_SYNC_"
_SECTIONS = {field.name: field.type for field in attrs.fields(Settings) if field.type and attrs.has(field.type)}
_APP = "_app"
"""Suffix of the section of a platform's app, after the platform's name. Without the section there is no app."""

_URL = re.compile(r"https?://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?(?:/[!-~]*)?", re.ASCII | re.IGNORECASE)
"""URLs in which every parser finds the same host. Host names in other alphabets must be punycode."""

_Platforms = Mapping[str, "PlatformType"]
_Variables = dict[str, dict[str, Untyped]]
"""Settings of the environment, by section. A connection's are in `connection`, its platform's in
`connection_{platform}`; those of further connections have a number after `connection` or `connections`."""

_CONNECTION = re.compile(r"connection(?:s?_[1-9][0-9]{0,3})?(?=_)")


def load(path: Path | None, environ: Mapping[str, str], platforms: _Platforms) -> Settings:
    """Read the settings from the TOML file `path`, which may be None, and from `environ`.

    `platforms` has the platforms by name. Raises ConfigError with all errors.
    """
    survey = look_over(path, environ, platforms)
    conclude(survey.errors)
    return survey.settings


@frozen(kw_only=True)
class Survey:
    """The readable part of a configuration, and its errors.

    `settings` has the valid connections and sections. A section that is not valid has its defaults there, and its name
    is in `faulty`.
    """

    settings: Settings
    faulty: frozenset[str]
    errors: Sequence[ConfigError]
    has_secrets: bool = False
    """True if the file itself has a secret, rather than the name of a variable or of another file."""
    secret_files: Sequence[Path] = ()
    """The other files that secrets were read from."""


def look_over(path: Path | None, environ: Mapping[str, str], platforms: _Platforms) -> Survey:
    """Read the settings as `load` does, but continue after errors. Raises ConfigError for an unreadable file."""
    findings = Findings()
    source, raw = (str(path), substituted(_parsed(path), environ)) if path else (ENVIRONMENT, {})
    foreign = {name for name in environ if name.startswith(_PREFIX) and is_injected(name, environ[name])}
    variables = _variables({name: environ[name] for name in environ.keys() - foreign}, platforms, findings)
    apps = _app_sections(platforms)
    tables = dict(_section_tables(source, raw, variables, apps, findings))
    sections: dict[str, Any] = {}
    tokens = _tokens(tables["listener"], findings)
    for name, table in tables.items():
        with findings:
            sections[name] = table.build((_SECTIONS | apps)[name])
    if "listener" in sections:
        try:
            sections["listener"] = attrs.evolve(sections["listener"], tokens=tokens)
        except ValueError as error:
            findings.add(tables["listener"].error("tokens", str(error).partition(": ")[2]))
    if "database" in sections:
        sections["database"] = attrs.evolve(sections["database"], folder=tables["database"].folder.resolve())
    faulty = frozenset(tables.keys() - sections.keys())
    connections = tuple(_connections(_connection_tables(source, raw, variables, findings), platforms, findings))
    for name, section in sections.items():
        sections[name] = _check_urls(tables[name], section, connections, findings)
    offered = {name.removesuffix(_APP): sections.pop(name) for name in apps if name in sections}
    if offered and "listener" in sections and sections["listener"].public_url is None:
        need = "is missing; set it, because merchants' browsers return to it while they install an app"
        findings.add(tables["listener"].error("public_url", need))
    if "security" in faulty:
        sections["security"] = SecuritySettings(secret_keys=(Secret("-" * SECRET_KEY_LENGTH),))
    return Survey(
        settings=Settings(**sections, apps=offered, connections=connections, foreign=tuple(sorted(foreign))),
        faulty=faulty,
        errors=findings.errors,
        has_secrets=holds_secret(raw),
        secret_files=sorted(set(findings.secret_files)),
    )


def _app_sections(platforms: _Platforms) -> dict[str, type]:
    """Return the settings classes of the apps, by section."""
    apps = {name: platform.app for name, platform in platforms.items() if platform.app}
    return {f"{name}{_APP}": app.settings for name, app in apps.items() if app.settings}


def _parsed(path: Path) -> dict[str, Any]:
    try:
        text = read_text_file(path, "name a file that exists and can be read with --config")
    except UnreadableError as error:
        raise ConfigError(f"{path}: cannot be read {error}") from None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # A character that keyboards do not type is named: it was pasted.
        place = re.search(r"at line ([0-9]+), column ([0-9]+)", str(error))
        rest = text.split("\n")[int(place[1]) - 1][int(place[2]) - 1 :] if place else ""
        pasted = f": there is {name_of(rest[0])}" if rest and not rest[0].isascii() else ""
        raise ConfigError(f"{path}: is not valid TOML: {error}{pasted}; correct that line") from None


def _variables(environ: Mapping[str, str], platforms: _Platforms, findings: Findings) -> _Variables:
    sections = [*_SECTIONS, *_app_sections(platforms)]
    variables: _Variables = {name: {} for name in sections}
    for variable in sorted(environ):
        if variable.startswith(_PREFIX) and variable != CONFIG_VARIABLE:
            rest, names = variable.removeprefix(_PREFIX).lower(), sections
            if number := _CONNECTION.match(rest):
                # Platform sections come before the connection's own, because they share its prefix.
                names = [*(f"{number[0]}_{name}" for name in platforms), number[0]]
            name = next((name for name in names if rest.startswith(f"{name}_")), None)
            if name is None:
                misspelt = _misspelt(rest, [*sections, "connection"], platforms)
                findings.add(ConfigError(f"{ENVIRONMENT}: {variable}: {misspelt}"))
                continue
            variables.setdefault(name, {})[rest.removeprefix(f"{name}_")] = Untyped(environ[variable], variable)
    for name, key, variable in (("listener", "port", "PORT"), ("database", "url", "DATABASE_URL")):
        if variable in environ:
            variables[name].setdefault(key, Untyped(environ[variable], variable))
    return variables


def _misspelt(rest: str, sections: Collection[str], platforms: _Platforms) -> str:
    """Explain a variable that names no section: suggest a setting or a section."""
    classes = {**_SECTIONS, **_app_sections(platforms), "connection": ConnectionSettings}
    classes |= {f"connection_{name}": platform.settings for name, platform in platforms.items()}
    settings = [f"{name}_{setting.name}" for name, cls in classes.items() for setting in attrs.fields(cls)]
    nearest = next((name for name in settings if name.endswith(f"_{rest}")), "")
    nearest = nearest or next(iter(difflib.get_close_matches(rest, settings, n=1, cutoff=0.7)), "")
    section = unknown("section", rest.partition("_")[0], sections)
    return f"names no setting; did you mean {_PREFIX}{nearest.upper()}?" if nearest else section


def _section_tables(
    source: str, raw: dict[str, Any], variables: _Variables, apps: Collection[str], findings: Findings
) -> Iterator[tuple[str, Table]]:
    names = [*_SECTIONS, *apps]
    for section in sorted(raw.keys() - {*names, "connections"}):
        findings.add(ConfigError(f"{source}: {unknown('section', section, [*names, 'connections'])}"))
    for name in names:
        if name in apps and name not in raw and not variables[name]:
            continue
        values: dict[str, Any] = {}
        with findings:
            values = _mapping(source, name, raw.get(name, {}))
        for key in variables[name]:
            # The environment's NAME also overrides the file's NAME_file, and vice versa.
            values.pop(key.removesuffix("_file"), None)
            values.pop(f"{key}_file", None)
        values |= variables[name]
        if getattr(values.get("port"), "variable", "") == "PORT":
            values.setdefault("host", "0.0.0.0")  # noqa: S104  a dyno's router calls from outside
        prefix, files = f"{_PREFIX}{name.upper()}_", findings.secret_files
        yield name, Table(source=source, path=name, prefix=prefix, values=values, secret_files=files)


def _tokens(listener: Table, findings: Findings) -> tuple[NamedToken, ...]:
    """Build the tokens of `[[listener.tokens]]`, then those of the environment, and take them out of their table."""
    given = listener.values.get("tokens", [])
    if isinstance(given, Untyped):
        findings.add(listener.error("tokens", "must be tables in a file; write [[listener.tokens]] there"))
    listener.values.pop("tokens", None)
    tables = list(_listed(listener.source, "listener.tokens", [] if isinstance(given, Untyped) else given, findings))
    numbered: dict[str, dict[str, Any]] = {}
    for key in [key for key in listener.values if key.startswith("tokens_")]:
        number, _, name = key.removeprefix("tokens_").partition("_")
        numbered.setdefault(number, {})[name] = listener.values.pop(key)
    for number in sorted(numbered, key=lambda number: (len(number), number)):
        prefix = f"{listener.prefix}TOKENS_{number}_".upper()
        values, files = numbered[number], listener.secret_files
        tables.append(Table(source=ENVIRONMENT, path="", prefix=prefix, values=values, secret_files=files))
    tokens = []
    for table in tables:
        with findings:
            tokens.append(table.build(NamedToken))
    return tuple(tokens)


def _listed(source: str, path: str, raw: object, findings: Findings) -> Iterator[Table]:
    """Yield the tables of a list of them in the file."""
    if not isinstance(raw, list):
        text = f"must be a list of tables, not {type_name(raw)}; write [[{path}]] with two brackets"
        findings.add(ConfigError(f"{source}: {path}: {text}"))
        return
    for index, each in enumerate(raw):
        place = f"{path}[{index}]"
        with findings:
            yield Table(
                source=source, path=place, values=_mapping(source, place, each), secret_files=findings.secret_files
            )


def _mapping(source: str, path: str, raw: object) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise ConfigError(f"{source}: {path}: must be a table, not {type_name(raw)}; write it as a table")
    return dict(raw)


def _connection_tables(source: str, raw: dict[str, Any], variables: _Variables, findings: Findings) -> Iterator[Table]:
    yield from _listed(source, "connections", raw.get("connections", []), findings)
    own: dict[str, dict[str, Any]] = {}
    for section, settings in variables.items():
        if named := _CONNECTION.match(f"{section}_"):
            values = own.setdefault(named[0], {})
            values |= {section.removeprefix(f"{named[0]}_"): dict(settings)} if section != named[0] else settings
    for name in sorted(own, key=lambda name: (_number(name), len(name))):
        prefix = f"{_PREFIX}{name.upper()}_"
        other = next((each for each in own if _number(each) == _number(name) and each != name), None)
        if name.startswith("connections") and other:
            text = f"names the connection that {_PREFIX}{other.upper()}_* names; spell all of its variables alike"
            findings.add(ConfigError(f"{ENVIRONMENT}: {prefix}*: {text}"))
            continue
        values, files = own[name], findings.secret_files
        yield Table(source=ENVIRONMENT, path="", prefix=prefix, values=values, secret_files=files)


def _number(section: str) -> int:
    """Return the number of a connection of the environment; one without a number is the first."""
    return int(section.partition("_")[2] or 1)


def _connections(tables: Iterator[Table], platforms: _Platforms, findings: Findings) -> Iterator[ConnectionSettings]:
    seen: set[Site] = set()
    for table in tables:
        with findings:
            connection = _connection(table, platforms, findings)
            if connection.site in seen:
                remedy = "remove one of the two; a site has one store"
                raise table.error("site_id", f"{connection.site} is connected more than once; {remedy}")
            seen.add(connection.site)
            yield connection


def _connection(table: Table, platforms: _Platforms, findings: Findings) -> ConnectionSettings:
    """Build a connection with its platform's own table. Raises ConfigError."""
    faults = Findings()
    given: Any = table.values.get("platform")
    name: Any = trimmed(given) if isinstance(given, str) else given
    if not isinstance(name, str) or name not in platforms:
        # All errors that do not depend on the platform are told as well; the build tells of a missing one.
        values = {key: value for key, value in table.values.items() if not isinstance(value, dict)}
        if name is not None:
            faults.add(table.error("platform", f"must be one of {', '.join(sorted(platforms))}, not {name!r}"))
            values["platform"] = min(platforms)
        with faults:
            attrs.evolve(table, values=values).build(ConnectionSettings)
        conclude(faults.errors)
    table.values["platform"], nested = name, table.values.pop(name, {})
    path = f"{table.path}.{name}".lstrip(".")
    with faults:
        connection = table.build(ConnectionSettings)
    with faults:
        store_table = Table(
            source=table.source,
            path=path,
            prefix=table.prefix and f"{table.prefix}{name.upper()}_",
            values=_mapping(table.source, path, nested),
            secret_files=table.secret_files,
        )
        store: Any = store_table.build(platforms[name].settings)
    conclude(faults.errors)
    connection = attrs.evolve(connection, store=store)
    _check_urls(store_table, store, (connection,), findings)
    return connection


def _check_urls(table: Table, section: Any, users: tuple[ConnectionSettings, ...], findings: Findings) -> Any:
    """Find invalid URLs, and those without https where one of `users` requires it.

    Return the section without the invalid ones that are called as they are: `check` would call them.
    """
    usable = section
    for setting in attrs.fields(type(section)):
        url, form = getattr(section, setting.name), setting.metadata.get("url")
        if form and url is not None:
            # live_url and test_url are used by connections of that environment only.
            concerned = [
                user for user in users if setting.name not in {"live_url", "test_url"} - {f"{user.site_env}_url"}
            ]
            plain = bool(concerned) and all(user.allow_http for user in concerned)
            text = url.reveal() if isinstance(url, Secret) else url
            fault = _url_fault(text, plain=plain, signs="@?#" if form == BASE else "#")
            if fault:
                findings.add(table.error(setting.name, fault))
                usable = attrs.evolve(usable, **{setting.name: None}) if form == WHOLE else usable
    return usable


def _url_fault(url: str, *, plain: bool, signs: str) -> str | None:
    """Return the fault of a URL that may have none of `signs`, or None. The text repeats no URL: it may be a secret."""
    if any(sign in url for sign in signs):
        without = "user, query and fragment" if "?" in signs else "fragment"
        return f"must be {'a base' if '?' in signs else 'a'} URL: scheme, host and path, without {without}"
    if not _URL.fullmatch(url):
        return "must be a URL such as https://example.com"
    parts = urlsplit(url)
    try:
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "must be a URL such as https://example.com"
    if not is_host(in_ascii(host).removesuffix(".")):
        return "must be a URL such as https://example.com; no server can have this host"
    if parts.scheme == "https" or plain or _is_loopback(host):
        return None
    return "must be https; http is allowed only on this machine, or with allow_http = true in the connection"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
