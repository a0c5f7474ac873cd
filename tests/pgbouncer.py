"""A PgBouncer of the tests' own in front of a server, in transaction mode.

It listens on a port of loopback, runs as the server's user, and is stopped by its process id. It has fewer sessions at
the server than the daemon has at it, so that they change hands all the time.
"""

import contextlib
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from daemon.model import Secret
from tests.postgres import PASSWORD, Server

REMEDY = "PgBouncer is not installed, so its tests are left out; to get it: apt-get install pgbouncer"
SESSIONS = 2

SETTINGS = """
[databases]
* = host={server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = {sessions}
"""


def binary() -> str | None:
    """Return the path of the program; None when it is not installed."""
    return shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")


@frozen(kw_only=True)
class Pooler:
    """A running PgBouncer."""

    port: int

    def url(self, direct: Secret) -> Secret:
        """Return the URL by which the database at `direct`, a URL of the server, is reached through the pooler."""
        address, _, _ = direct.reveal().partition("?")
        return Secret(address.replace("@/", f"@127.0.0.1:{self.port}/"))


@contextlib.contextmanager
def pooling(server: Server) -> Iterator[Pooler]:
    """Run a pooler in front of a server until the block ends."""
    program = binary()
    assert program is not None, REMEDY
    with tempfile.TemporaryDirectory(prefix="ignite-pgbouncer-", dir="/tmp", ignore_cleanup_errors=True) as name:
        folder, port = Path(name), _free_port()
        text = SETTINGS.format(server=server.folder, port=port, folder=folder, sessions=SESSIONS)
        (folder / "pgbouncer.ini").write_text(text, "utf-8")
        (folder / "users").write_text(f'"daemon" "{PASSWORD}"\n', "utf-8")
        if server.user is not None:
            for path in (folder, *folder.iterdir()):
                shutil.chown(path, server.user)
        with (folder / "log").open("wb") as output:
            process = subprocess.Popen(
                [program, folder / "pgbouncer.ini"], user=server.user, cwd=folder, stdout=output, stderr=output
            )
        try:
            ready: list[str | Path] = [server.binaries / "pg_isready", "--quiet", "-h", "127.0.0.1", "-p", str(port)]
            while subprocess.run(ready, check=False).returncode != 0:
                assert process.poll() is None, (folder / "log").read_text("utf-8")
            yield Pooler(port=port)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
