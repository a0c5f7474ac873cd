"""The command `ignite-sync`.

A command here reads its arguments and settings, calls one function of the house, and prints what it returns. Results
go to stdout, all else to stderr. What is heavy is imported by the command that needs it, so that `--help` answers at
once.

| file | its commands |
|---|---|
| group | the command itself, its exit codes and settings |
| running | run, demo, check |
| syncing | sync, status |
| lookups | issues, parked, explain |
| removals | removals |
| connect | connect, disconnect |
| backups | backup, restore |
| target | whom a command asks: the running daemon, or the database |
"""

import signal
import sys

if sys.argv[1:2] == ["run"]:
    # Before what takes long to import: a SIGHUP never ends the daemon, and one that comes while it starts waits until
    # it can be answered. Once it is answered no more, at the end, it is ignored.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})

from daemon.cli import backups, connect, lookups, removals, running, syncing
from daemon.cli.group import main

__all__ = ["backups", "connect", "lookups", "main", "removals", "running", "syncing"]
