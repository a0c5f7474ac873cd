"""`python -m tests.e2e.newer FOLDER run --config FILE`: the daemon of a later release, whose steps are in FOLDER.

FOLDER is a copy of `daemon/storage/migrations` with more steps.
"""

import sys
from pathlib import Path

from daemon.__main__ import main
from daemon.storage import migrate

if __name__ == "__main__":
    migrate.HERE = Path(sys.argv.pop(1))
    main()
