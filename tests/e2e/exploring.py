"""A demo that is being explored: the real process, and what it says of itself.

with exploring("woocommerce") as demo:
    demo.url, demo.page, demo.token, demo.config    # the sandbox's page, the operators' page, its token, the file
    demo.interrupt()                                # Ctrl-C; returns what it then prints to stderr
"""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

from tests.e2e.process import ROOT

DEMO = [sys.executable, "-u", "-m", "daemon", "demo", "--port", "0"]
SAID = (
    r"The operators' page is (?P<page>\S+)\n +log in with the token (?P<token>\S+)\n(?:.*\n)*?"
    r" +ignite-sync status --config (?P<config>\S+)\n(?:.*\n)*?Edit the store at (?P<url>\S+)\n"
)


@frozen(kw_only=True)
class Demo:
    """A demo whose page is open."""

    url: str
    page: str
    token: str
    config: Path
    process: subprocess.Popen[str]

    def interrupt(self) -> str:
        """Stop it as Ctrl-C does; return what it says."""
        self.process.send_signal(signal.SIGINT)
        _, errors = self.process.communicate(timeout=60)
        return errors


@contextmanager
def exploring(platform: str) -> Iterator[Demo]:
    """Run a small demo until it can be explored; it is gone at the end."""
    command = [*DEMO, "--explore", "--few", "--platform", platform]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            text = ""
            while not (said := re.search(SAID, text)):
                line = process.stdout.readline()
                assert line, f"it ended: {text}"
                text += line
            words = said.groupdict()
            yield Demo(
                url=words["url"],
                page=words["page"],
                token=words["token"],
                config=Path(words["config"]),
                process=process,
            )
        finally:
            process.kill()
