"""One table of raw settings: made into a value by cattrs, or explained in one line.

What holds: `Table.build` returns a whole value or raises one `ConfigError` that has all others with it. Values are
taken as TOML typed them (no "8080" for 8080); only texts that had no way to carry a type, those of the environment and
of secrets' files, are parsed. A line never repeats a secret, nor any text that was to become one.

For every secret NAME, a table may have NAME_file, the path of a file that has the secret. A relative path starts at
the folder of the configuration file, or at the working directory where there is none.
"""

import difflib
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, NoReturn, Self, TypeVar, get_args, get_origin

import attrs
from attrs import field, frozen
from cattrs import Converter
from cattrs.errors import AttributeValidationNote, ClassValidationError, ForbiddenExtraKeysError
from cattrs.gen import make_dict_structure_fn, override

from daemon.config.settings import ConnectionSettings, DatabaseSettings
from daemon.config.text_file import UnreadableError, read_text_file
from daemon.errors import ConfigError
from daemon.identifiers import line_fault, name_of, trimmed
from daemon.model import Secret

ENVIRONMENT = "environment"
"""What stands in a line where a file's name would, if there is no file."""

_T = TypeVar("_T")

_TYPE_NAMES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "a table",
}


_OF_THE_PROGRAM = {"store", "folder"}
"""Fields of settings values that the file cannot set."""

_PLACEHOLDER = "change-me"
"""Prefix of the example file's values that must be filled in; as secrets they would keep nobody out."""


class Untyped(str):
    """A text whose type is still to be read from it. `variable` says where in the environment it stood."""

    __slots__ = ("variable",)
    variable: str

    def __new__(cls, text: str, variable: str = "") -> Self:
        """Keep `variable` with `text`; empty when the text is that of a secret's file named in TOML."""
        made = super().__new__(cls, text)
        made.variable = variable
        return made


def type_name(value: object) -> str:
    """Name the type of a raw value in words."""
    return next((name for kind, name in _TYPE_NAMES.items() if isinstance(value, kind)), "a date or time")


def unknown(what: str, name: str, valid: Collection[str]) -> str:
    """Say that `name` is not one of `valid`, and which of them was probably meant."""
    closest = difflib.get_close_matches(name, valid, n=1)
    hint = f'did you mean "{closest[0]}"?' if closest else f"known are: {', '.join(sorted(valid))}"
    return f'unknown {what} "{name}"; {hint}'


@frozen(kw_only=True)
class Table:
    """Raw settings, and where they stand: under `path` in the file `source`, or in variables `prefix`NAME.

    An empty `prefix` says that the environment cannot set them.
    """

    source: str
    path: str
    prefix: str = ""
    values: dict[str, Any] = field(repr=False)

    @property
    def folder(self) -> Path:
        """Return the folder that relative paths start at: the same for every command, wherever it is called from."""
        return Path() if self.source == ENVIRONMENT else Path(self.source).parent

    def build(self, cls: type[_T]) -> _T:
        """Make the attrs class `cls` of this table, which is emptied of NAME_file. Raises ConfigError: all faults."""
        faults = self._read_secrets(cls) | self._placeholders(cls)
        try:
            made = _CONVERTER.structure(self.values, cls)
        except ClassValidationError as error:
            faults = self._explained(cls, error) | faults
            faults = self._out_of_limits(cls, faults) | faults
        if faults:
            first, *others = _in_order(cls, faults)
            raise ConfigError(str(first), others)
        return made

    def error(self, key: str, text: str) -> ConfigError:
        """Say `text` of the setting `key`, or of the table itself if `key` is empty."""
        variable = getattr(self.values.get(key), "variable", "")
        if not variable and self.source == ENVIRONMENT:
            variable = f"{self.prefix}{key.upper()}".rstrip("_")
        path = ".".join(filter(None, (self.path, key)))
        where = f"{ENVIRONMENT}: {variable}" if variable else f"{self.source}: {path}"
        line = " ".join(f"{where}: {text}".split())
        # Names and paths of the file may have any character, and the line goes to a terminal.
        return ConfigError("".join(one if one.isprintable() else "?" for one in line))

    def missing(self, key: str) -> ConfigError:
        """Say that the setting `key` is not there, and where it may be put."""
        if self.source == ENVIRONMENT:
            return self.error(key, "is missing; set it")
        other_place = f" or set {self.prefix}{key.upper()}" if self.prefix else ""
        return self.error(key, f"is missing; add it{other_place}")

    def _read_secrets(self, cls: type) -> dict[str, ConfigError]:
        """Read the files that secrets are in; return, by setting, why that could not be done."""
        faults = {}
        for setting in attrs.fields(attrs.resolve_types(cls)):
            key = f"{setting.name}_file"
            if key in self.values and (setting.type is Secret or Secret in get_args(setting.type)):
                try:
                    if setting.name in self.values:
                        raise self.error(key, f"{setting.name} is given as well; keep one of the two")
                    self.values[setting.name] = self._read_file(key)
                except ConfigError as error:
                    faults[setting.name] = error
                del self.values[key]
        return faults

    def _placeholders(self, cls: type) -> dict[str, ConfigError]:
        """Return what still is as in the example file."""
        still = [one for one in attrs.fields(cls) if _is_placeholder(self.values.get(one.name))]
        remedy = {one.name: "" if one.default is attrs.NOTHING else ", or remove it" for one in still}
        words = "is still what the example says; fill it in"
        return {key: self.error(key, f"{words}{more}") for key, more in remedy.items()}

    def _read_file(self, key: str) -> Untyped:
        path = self.values[key]
        if not isinstance(path, str):
            raise self.error(key, f"must be the path of a file, not {type_name(path)}")
        name = trimmed(path) if isinstance(path, Untyped) else path
        try:
            text = read_text_file(self.folder / name, "mend the path or the permissions")
        except UnreadableError as error:
            raise self.error(key, f"cannot read {(self.folder / name).absolute()} {error}") from None
        return Untyped(trimmed(text), getattr(path, "variable", ""))

    def _explained(self, cls: type, error: ClassValidationError) -> dict[str, ConfigError]:
        """Word the errors found, by setting. A misspelt name also makes a name missing, which is told once."""
        names = {setting.name for setting in attrs.fields(cls)}
        unmanaged = {key for each in error.exceptions for key in getattr(each, "extra_fields", ())}
        found = {key: self.error(key, unknown("setting", key, names - _OF_THE_PROGRAM)) for key in sorted(unmanaged)}
        meant = {name for key in unmanaged for name in difflib.get_close_matches(key, names, n=1)}
        for each in error.exceptions:
            if isinstance(each, ForbiddenExtraKeysError):
                continue
            notes = getattr(each, "__notes__", ())
            key = next((note.name for note in notes if isinstance(note, AttributeValidationNote)), "")
            if isinstance(each, KeyError):
                found |= {} if key in meant else {key: self.missing(key)}
                continue
            text = str(each.args[0])
            # Where the value refused itself as a whole cattrs knows no field; the text then starts with its name.
            name, _, rest = text.partition(": ")
            key, text = (name, rest) if not key and name in names else (key, text)
            found[key] = self.error(key, text)
        return found

    def _out_of_limits(self, cls: type, known: Collection[str]) -> dict[str, ConfigError]:
        """Return which other settings would be refused: the value as a whole tells only of the first."""
        found = {}
        for setting in attrs.fields(cls):
            if setting.name in self.values and setting.name not in known and setting.validator:
                try:
                    value = _CONVERTER.structure(self.values[setting.name], setting.type)
                    setting.validator(None, setting, setting.converter(value) if setting.converter else value)
                except ValueError as error:
                    found[setting.name] = self.error(setting.name, str(error).partition(": ")[2])
                except AttributeError:
                    continue  # it is looked at beside another setting, which may be wrong as well
        return found


def _in_order(cls: type, faults: Mapping[str, ConfigError]) -> list[ConfigError]:
    """Return faults in the order of the settings. A misspelt name also makes a name missing, so it comes first."""
    names = [setting.name for setting in attrs.fields(cls)]
    return [faults[key] for key in sorted(faults, key=lambda key: names.index(key) if key in names else -1)]


def _is_placeholder(value: object) -> bool:
    """Return whether a raw value, or one of a list, is one of the example file's, alone or within a URL."""
    if isinstance(value, list):
        return any(map(_is_placeholder, value))
    return isinstance(value, str) and re.search(rf"(?:^|/)\s*{_PLACEHOLDER}", value) is not None


def _wrong_type(expected: str, value: object) -> NoReturn:
    raise TypeError(f"must be {expected}, not {type_name(value)}")


def _scalar(expected: str, kinds: tuple[type, ...], parse: Callable[[str], _T]) -> Callable[[Any, Any], _T]:
    """Make a hook that takes a value of `kinds` as it is, and parses an `Untyped`."""

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
        raise ValueError("is empty; fill it in, or remove it if it may be left out")
    odd = next((character for character in text if not character.isprintable()), None)
    if odd:
        raise ValueError(f"must be one line of printable text; it has {name_of(odd)}")
    if text.startswith(_PLACEHOLDER):
        raise ValueError("is still what the example says, which everybody knows; fill it in, or remove the line")
    return Secret(_unquoted(text) if isinstance(value, Untyped) else text)


def _text(value: str) -> str:
    """Return a text that has no part that no setting can have; the environment's, without space around it."""
    text = _unquoted(trimmed(value)) if isinstance(value, Untyped) else value
    if fault := line_fault(text):
        raise ValueError(fault)
    return text


def _unquoted(text: str) -> str:
    """Refuse quotation marks around a value: files of variables are often read without taking them off."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        raise ValueError("is in quotation marks, which would be part of it; write it without them")
    return text


def _is_mapping(annotation: Any) -> bool:
    return get_origin(annotation) is Mapping


def _mapping(value: Any, annotation: Any) -> Mapping[Any, Any]:
    """Structure a table whose names are values too; a text without a type has NAME=VALUE as a list has its items."""
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
    """Return what stands between commas, or on lines of its own."""
    return [text for item in re.split(r"[,\r\n]", _unquoted(trimmed(value))) if (text := trimmed(item))]


def _is_tuple(annotation: Any) -> bool:
    return get_origin(annotation) is tuple


def _tuple(value: Any, annotation: Any) -> tuple[Any, ...]:
    """Structure a list; a text without a type has its items between commas or on lines of their own."""
    if isinstance(value, Untyped):
        value = [Untyped(item, value.variable) for item in _items(value)]
    if not isinstance(value, list):
        _wrong_type("a list", value)
    item = get_args(annotation)[0]
    return tuple(_CONVERTER.structure(each, item) for each in value)


_CONVERTER = Converter(forbid_extra_keys=True)
_CONVERTER.register_structure_hook(str, _as_text)
_CONVERTER.register_structure_hook(int, _scalar("a whole number", (int,), int))
_CONVERTER.register_structure_hook(float, _scalar("a number", (int, float), float))
_CONVERTER.register_structure_hook(bool, _scalar("true or false", (bool,), _SWITCH.__getitem__))
_CONVERTER.register_structure_hook(Secret, _secret)
_CONVERTER.register_structure_hook_func(_is_tuple, _tuple)
_CONVERTER.register_structure_hook_func(_is_mapping, _mapping)
# The table of the platform's settings is built on its own; `store` is no name of the file, and `folder` is the file's.
_CONVERTER.register_structure_hook(
    ConnectionSettings,
    make_dict_structure_fn(ConnectionSettings, _CONVERTER, _cattrs_forbid_extra_keys=True, store=override(omit=True)),
)
_CONVERTER.register_structure_hook(
    DatabaseSettings,
    make_dict_structure_fn(DatabaseSettings, _CONVERTER, _cattrs_forbid_extra_keys=True, folder=override(omit=True)),
)
