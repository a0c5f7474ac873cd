"""Collects the errors of a configuration, so that one run reports all of them.

findings = Findings()
with findings:
    section = table.build(ListenerSettings)      # a ConfigError ends the block, and is kept
findings.conclude()                              # raises the first; it has the others in `also`
"""

from pathlib import Path
from types import TracebackType

from attrs import define, field

from daemon.errors import ConfigError


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

    def conclude(self) -> None:
        """Raise the first error, with the others in `also`, if there are any."""
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
