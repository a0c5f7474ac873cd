"""The commands that begin something: the daemon, the demo, and a check of the settings."""
# ruff: noqa: PLC0415  what is heavy is imported by the command that needs it

from pathlib import Path

import click

from daemon import stopping
from daemon.cli.group import config_option, load_settings, main


@main.command()
@config_option
@click.pass_context
def run(ctx: click.Context, path: Path | None) -> None:
    """Run the daemon until SIGTERM or Ctrl-C."""
    # Until it listens it has acknowledged nothing, and a start that is cut off goes on at the next one.
    with stopping.exiting():
        settings = load_settings(path)
        from daemon import app

        code = app.run(settings)
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
        from daemon import demo as show

        code = show.main(exit_when_done=exit_when_done, port=port)
    ctx.exit(code)


@main.command()
@config_option
@click.pass_context
def check(ctx: click.Context, path: Path | None) -> None:
    """Try the settings and every credential."""
    settings = load_settings(path)
    click.echo(f"ok      settings: {len(settings.connections)} connection(s) configured")
    click.echo(
        f"note    database: {settings.database.path}; on a disk that does not last (a dyno's), acknowledged changes"
        " of the last seconds may be lost with it, and the full sync at the next start repairs them"
    )
    if settings.foreign:
        click.echo(
            f"note    environment: {', '.join(settings.foreign)}: ignored, since they look like a cluster's; they go"
            " away with enableServiceLinks: false in the pod, or with another name of the Service"
        )
    from daemon.checks import check_connections

    results = stopping.run(check_connections, settings)
    for result in results:
        click.echo(f"{'ok' if result.ok else 'FAILED':<8}{result.subject}: {result.detail}")
    ctx.exit(0 if all(result.ok for result in results) else 1)
