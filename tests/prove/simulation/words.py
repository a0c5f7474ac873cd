"""The words of a run: no two are the same, and those of persons begin with `PERSONAL`, to be looked for in the log.

So are the secrets, of which the first three are for the store's platform.
"""

from attrs import define

PERSONAL = "Zyxw"
SHOP_URL, SITE_URL = "https://shop.test", "https://site.test"
IGNITE_TOKEN = "the-ignite-token-nobody-may-see"
SECRETS = (
    *("the-access-token-nobody-may-see", "the-shop-secret-nobody-may-see", "the-hook-secret-nobody-may-see"),
    *("the-site-secret-nobody-may-see", "the-vault-key-nobody-may-see", IGNITE_TOKEN),
)
BANNED = "<script>"
"""SparkLayer takes no product whose title has this, and says so by a 403."""


@define(eq=False)
class Words:
    """Makes words."""

    _made: int = 0

    def new(self, head: str) -> str:
        """Return another word that begins with `head`."""
        self._made += 1
        return f"{head}{self._made}"
