"""Store currency and global settings (sparklayer.md section 7).

A currency that is set stays: another one is a conflict. Global settings refuse keys made in the Dashboard, with
403 unless told otherwise, unless the switch says that these credentials may write them.
"""

import re

from attrs import define

from daemon.sandbox.message import Request, Response, json, route
from daemon.sandbox.sparklayer.contract import decode
from daemon.sandbox.sparklayer.record import Detail, problem

BASE_CURRENCY = "baseCurrency"


@define(eq=False)
class Settings:
    """The site's settings, and their routes."""

    writable: bool
    refusal: int
    currency: str | None = None

    @route("GET", "/api/v1/store-currency")
    def _get_currency(self, _request: Request) -> Response:
        """Answer the currency; 404 while none is set."""
        if self.currency is None:
            raise problem(404, "No store currency is set")
        return json({"currency_code": self.currency})

    @route("PUT", "/api/v1/store-currency")
    def _put_currency(self, request: Request) -> Response:
        """Set the currency; 409 when another one is set."""
        wanted = decode(request, "putStoreCurrency").currency_code
        if self.currency not in {None, wanted}:
            raise problem(409, f"The store currency is already set to {self.currency}")
        self.currency = wanted
        return json({"currency_code": wanted})

    @route("PATCH", "/api/v1/settings")
    def _update(self, request: Request) -> Response:
        """Write global settings; only the base currency can be written."""
        rows = decode(request, "patchGlobalSetting")
        if not self.writable or any(row["key"] != BASE_CURRENCY for row in rows):
            raise problem(self.refusal, "Global settings unavailable for updates, please contact support")
        for index, row in enumerate(rows):
            if not re.fullmatch("[A-Z]{3}", str(row["value"])):
                words = f"{row['value']} is not a currency"
                raise problem(400, words, [Detail("invalid", words, f"[{index}].value")])
            self.currency = row["value"]
        return Response(status=204)
