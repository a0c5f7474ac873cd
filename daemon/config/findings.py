"""Collects what is wrong with a configuration, so that all of it can be told at once.

found = Findings()
with found:
    section = table.build(ListenerSettings)      # a ConfigError ends the block, and is kept
found.conclude()                                 # raises the first; it has the others in `also`
"""

from types import TracebackType

from attrs import define, field

from daemon.errors import ConfigError


@define
class Findings:
    """The errors so far. As a context manager it keeps a ConfigError and lets the code after the block go on."""

    errors: list[ConfigError] = field(factory=list)

    def add(self, error: ConfigError) -> None:
        """Keep an error, and what was found with it."""
        self.errors += [error, *error.also]

    def conclude(self) -> None:
        """Raise what was found, if anything was."""
        if self.errors:
            raise ConfigError(str(self.errors[0]), self.errors[1:])

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
