"""The whole demo as a newcomer meets it: it prints what the pages show."""

import re

import pytest

from tests.e2e.test_demo import ARRIVALS, DEMO, ended
from tests.test_docs import printed, shape


@pytest.mark.timeout(400)
def test_the_demo_prints_what_the_pages_show() -> None:
    done = ended([*DEMO, "--exit"])
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert sum(" arrived in SparkLayer after " in line for line in lines) == ARRIVALS["bigcommerce"]
    times = [line for line in lines if re.fullmatch(r"Full sync [12] of \w+: \d+ done, [\d.]+ s", line)]
    assert len(times) == 8
    for page, mention in (("README.md", "make demo"), ("docs/commands.md", "ignite-sync demo")):
        shown = shape(printed(page, mention))
        assert shown.fullmatch(done.stdout), f"{page} shows something else:\n{done.stdout}"
