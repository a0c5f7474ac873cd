"""The unit of config/ on a real systemd, in a container of its own: `make systemd`, as root.

Installed as the head of the unit says; the packages are this checkout's. Each step says so when it holds.
"""

import json
import re
import sys
import time

from tests.prove.systemd.container import PYTHON, ROOT, Container, booted
from tests.seed import say

UNIT = ROOT / "config" / "ignite-sync.service"
CONFIG = "/etc/ignite-sync/ignite-sync.toml"
DATABASE = "/var/lib/ignite-sync/ignite-sync.db"
COMMAND = f"/opt/ignite-sync/bin/ignite-sync {{}} --config {CONFIG}"
READY = "curl -sf http://127.0.0.1:8080/readyz"
RESTARTS = 8.0
"""Seconds after which a daemon that is to come again has come; RestartSec is 5."""
DONE = "succeeded: 30 done"


def main() -> int:
    """Try all of it. Raises AssertionError."""
    inside = f"{sys.version_info.major}.{sys.version_info.minor}"
    with booted() as container:
        assert inside in container.run(f"{PYTHON} --version"), f"{PYTHON} must be Python {inside}, as this one"
        _install(container)
        try:
            for step in (_starts, _reloads, _comes_again, _is_watched, _is_backed_up_and_restored, _stays_down_at_2):
                step(container)
        except AssertionError:
            say(container.run("journalctl --unit=ignite-sync --no-pager | tail -40"))
            raise
    return 0


def _install(container: Container) -> None:
    """Do what the head of the unit says."""
    head = re.findall(r"^#   (\S.*?)(?: {3,}\(.*)?$", UNIT.read_text("utf-8"), re.MULTILINE)
    (add,) = (line for line in head if line.startswith("useradd"))
    (put,) = (line for line in head if line.endswith(CONFIG))
    container.run(add)
    container.run(f"{PYTHON} -m venv --without-pip /opt/ignite-sync")
    paths = "echo /opt/checkout > $site/here.pth; echo /opt/packages >> $site/here.pth"
    container.run(f"site=$(echo /opt/ignite-sync/lib/python*/site-packages); {paths}")
    script = "#!/opt/ignite-sync/bin/python\nfrom daemon.__main__ import main\nmain()\n"
    container.write("/opt/ignite-sync/bin/ignite-sync", script)
    container.run("chmod 755 /opt/ignite-sync/bin/ignite-sync")
    container.run("systemd-run --unit=sandbox -- /opt/ignite-sync/bin/python -m daemon.sandbox --products 30")
    container.until("the sandbox tells where it is", lambda: "{" in _said(container, "sandbox"))
    told = next(line for line in _said(container, "sandbox").splitlines() if line.startswith("{"))
    container.write("/srv/ignite-sync.toml", _settings(json.loads(told)))
    container.run(put, cwd="/srv")
    container.run("install -m 644 /opt/checkout/config/ignite-sync.service /etc/systemd/system/")
    container.run("systemd-analyze verify ignite-sync.service")
    container.run("systemctl daemon-reload")


def _starts(container: Container) -> None:
    container.run("systemctl start ignite-sync")
    _ready(container)
    assert container.run(f"stat -c '%U %a' {DATABASE}").strip() == "ignite-sync 600"
    assert container.run(f"stat -c %U /proc/{_pid(container)}").strip() == "ignite-sync"
    metrics = container.run("curl -sf -H 'Authorization: Bearer token' http://127.0.0.1:8080/metrics")
    assert "\nprocess_resident_memory_bytes " in metrics, "the unit hides what /proc says of the process"
    container.until("the first full sync is over", lambda: DONE in container.run(COMMAND.format("status")))
    say("start: ready, as its own user, with a database that nobody else reads")


def _reloads(container: Container) -> None:
    pid = _pid(container)
    container.run("systemctl reload ignite-sync")
    container.until("it was reloaded", lambda: "settings reloaded" in _said(container))
    container.run(f'sed -i \'s/admin_token = "token"/admin_token = "renewed"/\' {CONFIG}')
    container.run("systemctl reload ignite-sync")
    container.until("the new token is known", lambda: "active" in container.run(COMMAND.format("status"), code=None))
    container.run(f"cp {CONFIG} /srv/good && echo '[[' >> {CONFIG} && systemctl reload ignite-sync")
    container.until("a bad file is told", lambda: "settings not reloaded" in _said(container))
    container.run(f"cat /srv/good > {CONFIG}")
    assert _pid(container) == pid
    container.run("systemctl restart ignite-sync")
    for _ in range(20):  # from the first moment of the new process on
        container.run("systemctl reload ignite-sync")
    pid = _pid(container)
    _ready(container)
    assert (_pid(container), _restarts(container)) == (pid, 0)
    say("SIGHUP: takes settings over, goes on at a bad file, ends nothing at any moment of a start")


def _comes_again(container: Container) -> None:
    for number, name in enumerate(("KILL", "TERM", "ABRT"), 1):
        pid = _pid(container)
        container.run(f"kill -{name} {pid}")
        container.until("it has come again", lambda: _restarts(container) == number)  # noqa: B023
        _ready(container)
        assert _pid(container) != pid
    say("kill -9, a stop that nobody asked systemd for, abort: it comes again each time")


def _is_watched(container: Container) -> None:
    """Give the watchdog a short time, and try it on a working and on a stopped process."""
    container.run("mkdir -p /etc/systemd/system/ignite-sync.service.d")
    container.write("/etc/systemd/system/ignite-sync.service.d/short.conf", "[Service]\nWatchdogSec=3\n")
    container.run("systemctl daemon-reload && systemctl restart ignite-sync")
    _ready(container)
    pid, shown = _pid(container), "systemctl show ignite-sync --property=StatusText --value"
    container.until("it says that it is ready", lambda: container.run(shown).strip() == "ready")
    time.sleep(RESTARTS)
    assert (_pid(container), _restarts(container)) == (pid, 0), "one that works is left alone"
    container.run(f"kill -STOP {pid}")
    container.until("a stopped one is replaced", lambda: _restarts(container) == 1)
    _ready(container)
    container.run("rm -r /etc/systemd/system/ignite-sync.service.d && systemctl daemon-reload")
    container.run("systemctl restart ignite-sync")
    _ready(container)
    say("watchdog: a daemon that hangs is replaced, and one that works is left alone")


def _is_backed_up_and_restored(container: Container) -> None:
    container.run("mkdir -p /var/backups")
    said = container.run(COMMAND.format("backup one.db"), cwd="/var/backups")
    assert "made by the daemon at 127.0.0.1:8080" in said
    assert container.run("stat -c '%U %a' /var/backups/one.db").strip() == "root 600"
    assert "nothing is overwritten" in container.run(COMMAND.format("backup one.db"), cwd="/var/backups", code=2)
    assert "stop that one first" in container.run(COMMAND.format("restore one.db"), cwd="/var/backups", code=1)
    container.run("systemctl stop ignite-sync")
    container.run(COMMAND.format("status"), code=1)  # by root, from the file: it locks nobody out
    said = container.run(COMMAND.format("restore /var/backups/one.db"), cwd="/srv")
    assert f"{DATABASE}: restored from /var/backups/one.db" in said
    assert container.run(f"stat -c '%U %G %a' {DATABASE}").strip() == "ignite-sync ignite-sync 600"
    container.run("systemctl start ignite-sync")
    _ready(container)
    status = COMMAND.format("status --json")
    container.until("all is written once more", lambda: '"mode": "refresh"' in container.run(status))
    container.until("... and well", lambda: DONE in container.run(COMMAND.format("status")))
    say("backup from another folder, restore by root: owner and mode stay, all is written once more")


def _stays_down_at_2(container: Container) -> None:
    container.run(f"echo '[[' >> {CONFIG}")
    container.run("systemctl restart ignite-sync", code=None)
    shown = "systemctl show ignite-sync --property=ActiveState,ExecMainStatus,NRestarts"
    container.until("it has ended", lambda: "ActiveState=failed" in container.run(shown))
    time.sleep(RESTARTS)
    assert set(container.run(shown).split()) == {"ActiveState=failed", "ExecMainStatus=2", "NRestarts=0"}
    container.run(f"cat /srv/good > {CONFIG} && systemctl start ignite-sync")
    _ready(container)
    say("bad settings at the start: 2, and it stays down until a person has mended them")


def _ready(container: Container) -> None:
    container.until("the daemon is ready", lambda: "ok" in container.run(READY, code=None))


def _pid(container: Container) -> str:
    return container.run("systemctl show ignite-sync --property=MainPID --value").strip()


def _restarts(container: Container) -> int:
    return int(container.run("systemctl show ignite-sync --property=NRestarts --value"))


def _said(container: Container, unit: str = "ignite-sync") -> str:
    return container.run(f"journalctl --unit={unit} --output=cat --no-pager")


def _settings(told: dict[str, dict[str, str]]) -> str:
    """Return the settings of a daemon between the two stand-ins."""
    shop, site = told["bigcommerce"], told["sparklayer"]
    return f"""
[listener]
admin_token = "token"
[database]
url = "sqlite:///{DATABASE}"
[sparklayer]
test_url = "{site["url"]}"
[security]
secret_keys = ["0123456789abcdef"]
[[connections]]
site_env = "test"
site_id = "{site["site_id"]}"
client_id = "{site["client_id"]}"
client_secret = "{site["client_secret"]}"
platform = "bigcommerce"
[connections.bigcommerce]
api_url = "{shop["url"]}"
store_hash = "{shop["store_hash"]}"
access_token = "{shop["access_token"]}"
client_secret = "{shop["client_secret"]}"
"""


if __name__ == "__main__":
    sys.exit(main())
