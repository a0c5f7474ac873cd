"""The command `ignite-sync`: one module for each command, named as the command.

A command reads its arguments and settings, calls one function of the daemon, and prints the result. Results go to
stdout, everything else to stderr. This package itself imports nothing, so that Ctrl-C is answered at once.

| file | purpose |
|---|---|
| group | the command line: its commands, exit codes, shared arguments and settings |
| client | a running daemon, asked over HTTP |
| offline | the database file of a stopped daemon |
| progress, streams, stopping | a progress bar; the standard streams; Ctrl-C |
"""
