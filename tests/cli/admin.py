"""A running daemon for commands: a real HTTP server at /admin with canned answers.

with admin((200, {"issues": []})) as server:      # writes s.toml with its port
    result = call("issues", "--config", "s.toml")
server.asked                                      # [(method, path, Authorization, body)]
"""

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from daemon.cli.group import main


class Admin(BaseHTTPRequestHandler):
    """Answers from a script and keeps the requests."""

    port: int
    script: list[tuple[int, Any]]
    asked: list[tuple[str, str, str | None, Any]]

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = json.loads(self.rfile.read(length)) if length else None
        self.asked.append((self.command, self.path, self.headers.get("Authorization"), body))
        status, answer = self.script.pop(0)
        payload = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    do_POST = do_GET  # noqa: N815  the name is the library's

    def log_message(self, *_: object) -> None:
        """Keep the tests' output clean."""


@contextlib.contextmanager
def admin(*script: tuple[int, Any]) -> Iterator[type[Admin]]:
    handler = type("Scripted", (Admin,), {"script": list(script), "asked": []})
    assert issubclass(handler, Admin)
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        handler.port = server.server_port
        write_config(handler.port)
        try:
            yield handler
        finally:
            server.shutdown()
            thread.join()


def write_config(port: int, extra: str = 'admin_token = "t0p"') -> None:
    text = f'[listener]\nhost = "0.0.0.0"\nport = {port}\n{extra}\n[security]\nsecret_keys = ["0123456789abcdef"]\n'
    Path("s.toml").write_text(text, "utf-8")


def unused_port() -> int:
    with HTTPServer(("127.0.0.1", 0), Admin) as server:
        return int(server.server_port)


def call(*arguments: str, given: str = "") -> Result:
    """Run a command in this process; `given` is its standard input."""
    return CliRunner().invoke(main, arguments, input=given)


def assert_one_line(result: Result, code: int, line: str) -> None:
    assert (result.exit_code, result.stdout, result.stderr) == (code, "", f"ignite-sync: {line}\n")
