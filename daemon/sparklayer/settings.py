"""The site's base currency (sparklayer.md section 7).

It is a global setting, which keys made in the Dashboard may not write. With such a key the store currency is set
instead, which is possible only once. Both are documented, but not the answer to a key that may not write the setting.
So the refusal must be SparkLayer's own, and it must come twice.
"""

from functools import partial
from http import HTTPStatus

from daemon.errors import Rejected
from daemon.model import Lane
from daemon.sparklayer.client import Client, encode_json
from daemon.sparklayer.inferred import SETTINGS_REFUSED, SETTINGS_REFUSED_WORDS
from daemon.sparklayer.operation import NOTHING, Operation, one_with
from daemon.transport.second_answer import confirmed

PATCH = Operation(name="patchGlobalSetting", method="PATCH", answers=NOTHING, forbidding=True)
PUT = Operation(
    name="putStoreCurrency", method="PUT", answers=one_with("currency_code"), creating=True, forbidding=True
)

SETTINGS_PATH = "/api/v1/settings"
CURRENCY_PATH = "/api/v1/store-currency"
BASE_CURRENCY = "baseCurrency"

CONFLICT = f"http_{HTTPStatus.CONFLICT.value}"
"""Reason of the refusal if another currency is already set."""


class SiteSettings:
    """Writes the settings of one site."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._refused = False
        """True once this key was refused twice; the global setting is not tried again."""

    async def set_base_currency(self, currency: str, lane: Lane) -> None:
        """Set the base currency. Raises Rejected, with the reason `CONFLICT` if another one is set permanently.

        Raises Retry if the setting is refused at first and accepted two seconds later.
        """
        if not self._refused:
            if await confirmed(partial(self._set, currency, lane), bool):
                return
            self._refused = True
        await self._client.call(PUT, CURRENCY_PATH, lane, encode_json({"currency_code": currency}))

    async def _set(self, currency: str, lane: Lane) -> bool:
        """Write the global setting; return False if this key may not. Raises Rejected if the currency is refused."""
        content = [{"key": BASE_CURRENCY, "value": currency}]
        try:
            await self._client.call(PATCH, SETTINGS_PATH, lane, encode_json(content))
        except Rejected as error:
            if error.reason not in SETTINGS_REFUSED and not SETTINGS_REFUSED_WORDS.search(str(error)):
                raise
            return False
        return True
