"""The command `ignite-sync`: a module for each command, named as the command; one for each pair that undo each other.

A command reads its arguments and settings, calls one function of the daemon, and prints the result. Results go to
stdout, everything else to stderr. This package itself imports nothing, so that Ctrl-C is answered at once.

| file | purpose |
|---|---|
| group | the command line: its commands, exit codes, shared arguments, settings, and lines for people |
| client | a running daemon, asked over HTTP |
| offline | the database of a stopped daemon |
| progress, streams, stopping | a progress bar; the standard streams; Ctrl-C |
"""
