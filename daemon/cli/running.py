"""The commands that begin something: the daemon, the demo, and a check of the settings."""
# ruff: noqa: PLC0415  what is heavy is imported by the command that needs it

import os
from functools import partial
from pathlib import Path

import click

from daemon import stopping
from daemon.cli.group import config_option, load_settings, main


@main.command()
@config_option
@click.pass_context
def run(ctx: click.Context, path: Path | None) -> None:
    """Run the daemon until SIGTERM or Ctrl-C. SIGHUP has it read its settings again."""
    # Until it listens it has acknowledged nothing, and a start that is cut off goes on at the next one.
    with stopping.exiting():
        settings = load_settings(path)
        from daemon import app

        code = app.run(settings, partial(load_settings, path))
    ctx.exit(code)


@main.command()
@click.option("--exit", "exit_when_done", is_flag=True, help="End after the last change arrived.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0: any free one.")
@click.pass_context
def demo(ctx: click.Context, port: int, *, exit_when_done: bool) -> None:
    """Show it all on this machine.

    Starts a sample store, a stand-in for SparkLayer and the daemon between them. Needs nothing.
    """
    with stopping.exiting():
        from daemon.cli import demo as show

        code = show.main(exit_when_done=exit_when_done, port=port)
    ctx.exit(code)


@main.command()
@config_option
@click.pass_context
def check(ctx: click.Context, path: Path | None) -> None:
    """Try the settings, the database, the port and every credential; list all that is wrong.

    The exit code is 2 when the settings must change, 1 when only something else is wrong.
    """
    from daemon.cli.check import check_all
    from daemon.config import look_over
    from daemon.engine.leftovers import UNKNOWABLE
    from daemon.platforms import load_platforms

    survey = look_over(path, os.environ, load_platforms())
    results = stopping.run(check_all, survey)
    for result in results:
        click.echo(f"{'ok' if result.ok else 'FAILED':<8}{result.subject}: {result.detail}")
    if "database" not in survey.faulty:
        click.echo(
            f"note    database: {survey.settings.database.path}; on a disk that does not last (a dyno's), acknowledged"
            " changes of the last seconds may be lost with it, and the full sync at the next start repairs them"
        )
        left = "; ".join(UNKNOWABLE.values())
        click.echo(
            f"note    lost database: SKUs deleted meanwhile lose price and stock after the first full sync; {left}"
        )
    if foreign := survey.settings.foreign:
        click.echo(
            f"note    environment: {', '.join(foreign)}: ignored, since they look like a cluster's; they go"
            " away with enableServiceLinks: false in the pod, or with another name of the Service"
        )
    failed = [result for result in results if not result.ok]
    ctx.exit(2 if any(result.configured for result in failed) else int(bool(failed)))
