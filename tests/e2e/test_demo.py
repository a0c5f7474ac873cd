"""The demo as a newcomer meets it, as a real process."""

import signal
import subprocess
import sys

from tests.e2e.harness import ROOT


def test_ctrl_c_ends_the_demo_with_0() -> None:
    command = [sys.executable, "-u", "-m", "daemon", "demo", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as demo:
        try:
            assert demo.stdout is not None
            assert demo.stdout.readline().startswith("The daemon listens on http://127.0.0.1:")
            demo.send_signal(signal.SIGINT)
            _, errors = demo.communicate(timeout=30)
            assert (demo.returncode, errors.partition("Traceback")[1]) == (0, "")
        finally:
            demo.kill()
