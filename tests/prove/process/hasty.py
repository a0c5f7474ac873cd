"""`python -m tests.prove.process.hasty SECONDS run --config FILE`: the real command; webhooks work after SECONDS.

BigCommerce takes up to a minute to deliver to a new registration. Its stand-in takes none: tests edit silently.
"""

import sys

from attrs import evolve

from daemon.cli.group import main
from daemon.platforms import bigcommerce

if __name__ == "__main__":
    _, seconds, *arguments = sys.argv
    times = evolve(bigcommerce.PLATFORM.webhooks, active_after=float(seconds))
    bigcommerce.PLATFORM = evolve(bigcommerce.PLATFORM, webhooks=times)
    main(arguments, prog_name="ignite-sync")
