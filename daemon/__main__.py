"""The command `ignite-sync`, which is also `python -m daemon`."""

from daemon.cli import left_out, stopping


def main() -> None:
    """Run the command. It is imported after the signals are handled, because that takes a moment."""
    stopping.watch_start()
    left_out.forbid()
    from daemon.cli.group import main as command  # noqa: PLC0415  see above

    command()


if __name__ == "__main__":
    main()
