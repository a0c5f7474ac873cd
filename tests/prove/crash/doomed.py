"""`python -m tests.prove.crash.doomed POINT COUNT run --config FILE`: the real command, which dies at a point.

POINT is one of `tests.prove.crash.points.POINTS`; the process kills itself with SIGKILL when it comes there for the
COUNTth time. Until then it is the daemon and nothing else.
"""

import sys

from daemon.cli.group import main
from tests.prove.crash.points import POINTS, Fuse, arm

if __name__ == "__main__":
    _, name, count, *arguments = sys.argv
    arm(POINTS[name], Fuse(int(count)))
    main(arguments, prog_name="ignite-sync")
