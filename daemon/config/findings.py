"""Collects the errors of a configuration, so that one run reports all of them.

findings = Findings()
with findings:
    section = table.build(ListenerSettings)      # a ConfigError ends the block, and is kept
conclude(findings.errors)                        # raises the first; it has the others in `also`
"""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from attrs import define, field

from daemon.errors import ConfigError


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
