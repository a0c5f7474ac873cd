"""The command `ignite-sync`.

A command here reads its arguments and settings, calls one function of the house, and prints what it returns. Results
go to stdout, all else to stderr. What is heavy is imported by the command that needs it, so that `--help` answers at
once.

| file | its commands |
|---|---|
| group | the command itself, its exit codes and settings |
| running | run, demo, check |
| syncing | sync, status |
| asking | issues, parked, explain |
| removals | removals |
| linking | connect, disconnect |
| keeping | backup |
| talk | whom a command asks: the running daemon, or the database |
"""

from daemon.cli import asking, keeping, linking, removals, running, syncing
from daemon.cli.group import main

__all__ = ["asking", "keeping", "linking", "main", "removals", "running", "syncing"]
