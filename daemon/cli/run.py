"""`ignite-sync run`: the daemon itself."""

from functools import partial
from pathlib import Path

import click

from daemon import app
from daemon.cli import stopping
from daemon.cli.group import config_option, load_settings


@click.command()
@config_option
@click.pass_context
def run(ctx: click.Context, path: Path | None) -> None:
    """Run the daemon until SIGTERM or Ctrl-C. On SIGHUP it reads its settings again."""
    # Until it listens it has acknowledged nothing, and an interrupted start continues at the next one.
    with stopping.exiting():
        settings = load_settings(path)
        code = app.run(settings, partial(load_settings, path))
    ctx.exit(code)
