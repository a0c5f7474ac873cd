"""A `database.listen_url` that cannot be used is one line of `check` with its remedy, and ends `run` with it."""

from pathlib import Path

import pytest
import trio

from daemon.app import serve
from daemon.cli.check import check_all
from daemon.config import Survey, look_over
from daemon.errors import ConfigError
from daemon.model import Secret
from daemon.platforms import load_platforms
from tests.config.files import SECURITY
from tests.postgres import PASSWORD

pytestmark = pytest.mark.postgres

WRONG = {
    "parameter": (("?host", "?colour=red&host"), "colour is no parameter of PostgreSQL; remove or correct it"),
    "password": (("Fword", "Fsword"), "; correct user and password"),
    "database": (("/test_", "/none_"), "; create it, or correct its name"),
}


def survey(url: Secret, wrong: tuple[str, str]) -> Survey:
    database = f'[database]\nurl = "{url.reveal()}"\nlisten_url = "{url.reveal().replace(*wrong)}"\n'
    Path("s.toml").write_text(f"{database}[listener]\nport = 0\n{SECURITY}", "utf-8")
    return look_over(Path("s.toml"), {}, load_platforms())


@pytest.mark.parametrize("name", WRONG)
async def test_check_names_the_setting_and_the_remedy(name: str, postgres_url: Secret) -> None:
    wrong, remedy = WRONG[name]
    results = await check_all(survey(postgres_url, wrong))
    [result] = [result for result in results if result.configured]
    assert (result.subject, result.ok) == ("database.listen_url", False)
    assert result.detail.endswith(remedy)
    assert not any(words in result.detail for words in (PASSWORD, "\n", "database."))


async def test_a_start_names_the_setting(postgres_url: Secret) -> None:
    wrong, remedy = WRONG["parameter"]
    settings = survey(postgres_url, wrong).settings
    stop = trio.Event()
    stop.set()  # so that a start which goes well ends at once
    with pytest.RaisesGroup(ConfigError, flatten_subgroups=True) as caught:
        await serve(settings, stop)
    [error] = caught.value.exceptions
    assert str(error) == f"database.listen_url: {remedy}"
