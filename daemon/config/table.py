"""One table of raw settings: cattrs turns it into a value, or each error is explained in one line.

`Table.build` returns a complete value, or raises one `ConfigError` that has the others in `also`. Values keep their
TOML types ("8080" is not 8080). Only texts without a type (`texts`) are parsed.
A line never repeats a secret, nor a text meant as one. `Findings` collects the errors of many tables, so that one run
reports all of them:

    findings = Findings()
    with findings:
        section = table.build(ListenerSettings)      # a ConfigError ends the block, and is kept
    conclude(findings.errors)                        # raises the first; it has the others in `also`

For every secret NAME, a table may have NAME_file, the path of a file with the secret. A relative path starts at the
folder of the configuration file; without such a file, at the working directory.
"""

import contextlib
import difflib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, TypeVar, get_args, get_origin

import attrs
from attrs import define, field, frozen
from cattrs import Converter

from daemon.config.texts import UnreadableError, Untyped, read_text_file, unset_in
from daemon.errors import ConfigError
from daemon.model import Secret
from daemon.model.identifiers import line_fault, name_of, trimmed
from daemon.model.operators import Role, roles

ENVIRONMENT = "environment"
"""Source of settings without a file, in error lines."""

_T = TypeVar("_T")

_TYPE_NAMES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "a table",
}

_OF_THE_PROGRAM = {"store", "folder", "tokens"}
"""Fields of settings values that are no settings, or are built apart."""

PLACEHOLDER = "change-me"
"""Prefix of values in the example file that must be filled in. As secrets they would be public."""


def type_name(value: object) -> str:
    """Return the name of a raw value's type, for people."""
    return next((name for kind, name in _TYPE_NAMES.items() if isinstance(value, kind)), "a date or time")


def unknown(what: str, name: str, valid: Collection[str]) -> str:
    """Return the error of a `name` that is not in `valid`, with the closest one."""
    closest = difflib.get_close_matches(name, valid, n=1)
    hint = f'did you mean "{closest[0]}"?' if closest else f"known are: {', '.join(sorted(valid))}"
    return f'unknown {what} "{name}"; {hint}'


def conclude(errors: Sequence[ConfigError]) -> None:
    """Raise the first error, with the others in `also`, if there are any."""
    if errors:
        raise ConfigError(str(errors[0]), errors[1:])


@define
class Findings:
    """The errors so far. As a context manager it keeps a ConfigError, and the code after the block continues.

    `secret_files` are the files of secrets that were read.
    """

    errors: list[ConfigError] = field(factory=list)
    secret_files: list[Path] = field(factory=list)

    def add(self, error: ConfigError) -> None:
        """Keep an error and the errors in its `also`."""
        self.errors += [error, *error.also]

    def __enter__(self) -> None:
        """Begin a block."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """End it."""
        if not isinstance(error, ConfigError):
            return False
        self.add(error)
        return True


@frozen(kw_only=True)
class Table:
    """Raw settings with their source: under `path` in the file `source`, or in variables `prefix`NAME.

    Without a `prefix`, the environment cannot set them. The paths of the files of secrets that are read are added to
    `secret_files`.
    """

    source: str
    path: str
    prefix: str = ""
    values: dict[str, Any] = field(repr=False)
    secret_files: list[Path] = field(factory=list, repr=False)

    @property
    def folder(self) -> Path:
        """Return the folder at which relative paths start, the same from every working directory."""
        return Path() if self.source == ENVIRONMENT else Path(self.source).parent

    def build(self, cls: type[_T]) -> _T:
        """Build the attrs class `cls`, and remove NAME_file from this table. Raises ConfigError with all errors."""
        faults = self._read_secrets(cls) | self._placeholders(cls)
        plain: type = cls
        settings = {s.name: s for s in attrs.fields(attrs.resolve_types(plain)) if s.name not in _OF_THE_PROGRAM}
        misspelt = sorted(self.values.keys() - settings.keys())
        errors = [faults.get(key) or self.error(key, unknown("setting", key, settings)) for key in misspelt]
        # A misspelt name also makes a name missing; only the first is reported.
        meant = {name for key in misspelt for name in difflib.get_close_matches(key, settings, n=1)}
        values: dict[str, Any] = {}
        for name, setting in settings.items():
            if name in faults:
                errors.append(faults[name])
            elif name in self.values:
                try:
                    values[name] = _checked(setting, self.values[name])
                except (TypeError, ValueError) as error:
                    errors.append(self.error(name, str(error).removeprefix(f"{name}: ")))
            elif setting.default is attrs.NOTHING and name not in meant:
                errors.append(self.missing(name))
        make: Callable[..., _T] = cls
        try:
            # Beside other errors too: settings may also contradict each other.
            built = make(**values)
        except ValueError as error:
            name, _, text = str(error).partition(": ")
            errors.append(self.error(name, text))
        except TypeError:  # a setting that is needed has an error
            if not errors:
                raise
        if not errors:
            return built
        raise ConfigError(str(errors[0]), errors[1:])

    def error(self, key: str, text: str) -> ConfigError:
        """Return the error `text` of the setting `key`, or of the table if `key` is empty."""
        variable = getattr(self.values.get(key), "variable", "")
        if not variable and self.source == ENVIRONMENT:
            variable = f"{self.prefix}{key.upper()}".rstrip("_")
        path = ".".join(filter(None, (self.path, key)))
        where = f"{ENVIRONMENT}: {variable}" if variable else f"{self.source}: {path}"
        line = " ".join(f"{where}: {text}".split())
        # Names and paths of the file may hold control characters, and the line goes to a terminal.
        return ConfigError("".join(character if character.isprintable() else "?" for character in line))

    def missing(self, key: str) -> ConfigError:
        """Return the error of a missing setting `key`, with the places for it."""
        if self.source == ENVIRONMENT:
            return self.error(key, "is missing; set it")
        other_place = f" or set {self.prefix}{key.upper()}" if self.prefix else ""
        return self.error(key, f"is missing; add it{other_place}")

    def _read_secrets(self, cls: type) -> dict[str, ConfigError]:
        """Read the files of secrets; return the errors by setting."""
        faults = {}
        for setting in attrs.fields(attrs.resolve_types(cls)):
            key = f"{setting.name}_file"
            if key in self.values and is_secret(setting):
                try:
                    if setting.name in self.values:
                        raise self.error(key, f"{setting.name} is set as well; remove one of the two")
                    self.values[setting.name] = self._read_file(key)
                except ConfigError as error:
                    faults[setting.name] = error
                del self.values[key]
        return faults

    def _placeholders(self, cls: type) -> dict[str, ConfigError]:
        """Return the errors of values left as in the example file, and of those that lack a variable."""
        still = [setting for setting in attrs.fields(cls) if _is_placeholder(self.values.get(setting.name))]
        remedy = {setting.name: "" if setting.default is attrs.NOTHING else ", or remove it" for setting in still}
        words = "still has the example's value; fill it in"
        faults = {key: self.error(key, f"{words}{more}") for key, more in remedy.items()}
        for key, value in self.values.items():
            if (variable := unset_in(value)) is not None:
                path = ".".join(filter(None, (self.path, key)))
                words = f"names the variable {variable}, which is not set; set it, or write $${{ for the text ${{"
                faults[key] = ConfigError(f"{self.source}: {path}: {words}")
        return faults

    def _read_file(self, key: str) -> Untyped:
        path = self.values[key]
        if not isinstance(path, str):
            raise self.error(key, f"must be the path of a file, not {type_name(path)}")
        name = trimmed(path) if isinstance(path, Untyped) else path
        place = (self.folder / name).absolute()
        try:
            text = read_text_file(place, "correct the path or the permissions")
        except UnreadableError as error:
            raise self.error(key, f"cannot read {place} {error}") from None
        self.secret_files.append(place)
        return Untyped(trimmed(text), getattr(path, "variable", ""))


def is_secret(setting: Any) -> bool:
    """Return True for a setting, an attribute of a settings class, that is a secret."""
    return setting.type is Secret or Secret in get_args(setting.type)


def _checked(setting: Any, raw: object) -> Any:
    """Return a raw value as its setting's type. Raises TypeError and ValueError, as the class would."""
    value = _CONVERTER.structure(raw, setting.type)
    if setting.validator:
        with contextlib.suppress(AttributeError):  # a validator that needs another setting: the class calls it
            setting.validator(None, setting, setting.converter(value) if setting.converter else value)
    return value


def _is_placeholder(value: object) -> bool:
    """Return True for a value of the example file, alone, in a list or within a URL."""
    if isinstance(value, list):
        return any(map(_is_placeholder, value))
    return isinstance(value, str) and re.search(rf"(?:^|/)\s*{PLACEHOLDER}", value) is not None


def _wrong_type(expected: str, value: object) -> NoReturn:
    raise TypeError(f"must be {expected}, not {type_name(value)}")


def _scalar(expected: str, kinds: tuple[type, ...], parse: Callable[[str], _T]) -> Callable[[Any, Any], _T]:
    """Make a hook that accepts a value of `kinds` unchanged, and parses an `Untyped`."""

    def structure(value: Any, _: Any) -> _T:
        if not isinstance(value, Untyped):
            return parse(value) if type(value) in kinds else _wrong_type(expected, value)
        try:
            return parse(trimmed(value).lower())
        except (ValueError, KeyError):
            _wrong_type(expected, value)

    return structure


def _as_text(value: Any, _: Any) -> str:
    return _text(value) if isinstance(value, str) else _wrong_type("a text", value)


_SWITCH: Mapping[Any, bool] = {
    **dict.fromkeys((True, "true", "yes", "on", "1"), True),
    **dict.fromkeys((False, "false", "no", "off", "0"), False),
}


def _secret(value: Any, _: Any) -> Secret:
    if not isinstance(value, str):
        _wrong_type("a text", value)
    text = trimmed(value)
    if not text:
        raise ValueError("is empty; fill it in, or remove it if it is optional")
    odd = next((character for character in text if not character.isprintable()), None)
    if odd:
        raise ValueError(f"must be one line of printable text; it has {name_of(odd)}")
    if text.startswith(PLACEHOLDER):
        raise ValueError("still has the example's value, which is public; fill it in, or remove the line")
    return Secret(_unquoted(text) if isinstance(value, Untyped) else text)


def _text(value: str) -> str:
    """Return one line of text; if it is from the environment, without the space around it."""
    text = _unquoted(trimmed(value)) if isinstance(value, Untyped) else value
    if fault := line_fault(text):
        raise ValueError(fault)
    return text


def _unquoted(text: str) -> str:
    """Refuse quotation marks around a value: many tools read files of variables without removing them."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        raise ValueError("is in quotation marks, which would be part of it; remove them")
    return text


def _mapping(value: Any, annotation: Any) -> Mapping[Any, Any]:
    """Structure a table whose names are values too. A text has items NAME=VALUE, separated as those of a list."""
    if isinstance(value, Untyped):
        pairs = [item.partition("=") for item in _items(value)]
        value = {trimmed(name): Untyped(text, value.variable) for name, _, text in pairs}
    if not isinstance(value, dict):
        _wrong_type("a table", value)
    name_type, item_type = get_args(annotation)
    return {
        _CONVERTER.structure(Untyped(name), name_type): _CONVERTER.structure(item, item_type)
        for name, item in value.items()
    }


def _items(value: Untyped) -> list[str]:
    """Split a text at commas and line breaks."""
    return [text for item in re.split(r"[,\r\n]", _unquoted(trimmed(value))) if (text := trimmed(item))]


def _tuple(value: Any, annotation: Any) -> tuple[Any, ...]:
    """Structure a list; one that is built stays. A text has its items separated by commas or line breaks."""
    if isinstance(value, tuple):
        return value
    if isinstance(value, Untyped):
        value = [Untyped(item, value.variable) for item in _items(value)]
    if not isinstance(value, list):
        _wrong_type("a list", value)
    item = get_args(annotation)[0]
    return tuple(_CONVERTER.structure(each, item) for each in value)


def _is_a(origin: Any) -> Callable[[Any], bool]:
    return lambda annotation: get_origin(annotation) is origin


_CONVERTER = Converter()
_CONVERTER.register_structure_hook(str, _as_text)
_CONVERTER.register_structure_hook(int, _scalar("a whole number", (int,), int))
_CONVERTER.register_structure_hook(float, _scalar("a number", (int, float), float))
_CONVERTER.register_structure_hook(bool, _scalar("true or false", (bool,), _SWITCH.__getitem__))
_CONVERTER.register_structure_hook(Secret, _secret)
_CONVERTER.register_structure_hook(Role, lambda value, _: roles(_as_text(value, str)))
_CONVERTER.register_structure_hook_func(_is_a(tuple), _tuple)
_CONVERTER.register_structure_hook_func(_is_a(Mapping), _mapping)
