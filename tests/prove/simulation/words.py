"""The words of a run: no two are the same, and those of persons begin with `PERSONAL`, to be looked for in the log."""

from attrs import define

PERSONAL = "Zyxw"
BANNED = "<script>"
"""SparkLayer takes no product whose title has this, and says so by a 403."""


@define(eq=False)
class Words:
    """Makes words."""

    _made: int = 0

    def new(self, head: str) -> str:
        """Return another word that begins with `head`."""
        self._made += 1
        return f"{head}{self._made}"
