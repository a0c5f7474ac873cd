"""The site's base currency (sparklayer.md section 7).

It is a global setting, which keys made in the Dashboard may not write; then the store currency stands for it, which
can be set once. Both are documented, which answer says that a key may not is not. So the refusal must be SparkLayer's
own, and it must say so twice.
"""

from functools import partial
from http import HTTPStatus

from daemon.errors import Rejected
from daemon.model import Lane
from daemon.sparklayer.client import Client, encode_json
from daemon.sparklayer.failures import Operation
from daemon.sparklayer.inferred import SETTINGS_REFUSED, SETTINGS_REFUSED_WORDS
from daemon.sparklayer.own_words import NOTHING, one_with
from daemon.transport.second_answer import confirmed

PATCH = Operation(name="patchGlobalSetting", method="PATCH", answers=NOTHING, forbidding=True)
PUT = Operation(name="putStoreCurrency", method="PUT", answers=one_with("currency_code"), forbidding=True)

SETTINGS_PATH = "/api/v1/settings"
CURRENCY_PATH = "/api/v1/store-currency"
BASE_CURRENCY = "baseCurrency"

CONFLICT = f"http_{HTTPStatus.CONFLICT.value}"
"""The reason of the refusal that says: another currency is set."""


class Settings:
    """Writes the settings of one site."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._refused = False
        """True if this key may not write global settings: then it does not try again."""

    async def set_base_currency(self, currency: str, lane: Lane) -> None:
        """Set the base currency. Raises Rejected, whose reason is `CONFLICT` when another one is set for good.

        Raises Retry when the setting is refused once and taken two seconds later.
        """
        if not self._refused:
            if await confirmed(partial(self._set, currency, lane), bool):
                return
            self._refused = True
        await self._client.call(PUT, CURRENCY_PATH, lane, encode_json({"currency_code": currency}))

    async def _set(self, currency: str, lane: Lane) -> bool:
        """Write the global setting; return False when this key may not. Raises Rejected for the currency's sake."""
        content = [{"key": BASE_CURRENCY, "value": currency}]
        try:
            await self._client.call(PATCH, SETTINGS_PATH, lane, encode_json(content))
        except Rejected as error:
            if error.reason not in SETTINGS_REFUSED and not SETTINGS_REFUSED_WORDS.search(str(error)):
                raise
            return False
        return True
