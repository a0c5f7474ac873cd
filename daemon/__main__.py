"""The command `ignite-sync`, which is also `python -m daemon`."""

from daemon import stopping


def main() -> None:
    """Run the command. It is loaded only now, since Ctrl-C must be answered meanwhile too."""
    stopping.watch_start()
    from daemon.cli import main as command  # noqa: PLC0415  see above

    command()


if __name__ == "__main__":
    main()
