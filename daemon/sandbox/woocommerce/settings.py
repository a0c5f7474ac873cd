"""The routes of settings and of the currency: those that a shop's prices, weights and amounts depend on."""

from collections.abc import Mapping
from typing import Any

from daemon.sandbox.message import Request, Response, route
from daemon.sandbox.woocommerce.answers import NAMESPACE, SYMBOLS, answer, refused, symbol
from daemon.sandbox.woocommerce.query import Query
from daemon.sandbox.woocommerce.resource import Body, decoded, fields
from daemon.sandbox.woocommerce.shop import Shop

GROUPS = {"general": "General", "products": "Products", "tax": "Tax"}
_FIXED = {"woocommerce_default_country": "US", "woocommerce_calc_taxes": "yes"}
_UNITS = {"kg": "kg", "g": "g", "lbs": "lbs", "oz": "oz"}
_SETTINGS: Mapping[str, tuple[str, str, str, str]] = {
    "woocommerce_default_country": ("general", "Country / State", "select", "US:CA"),
    "woocommerce_calc_taxes": ("general", "Enable taxes", "checkbox", "no"),
    "woocommerce_currency": ("general", "Currency", "select", "USD"),
    "woocommerce_price_num_decimals": ("general", "Number of decimals", "number", "2"),
    "woocommerce_weight_unit": ("products", "Weight unit", "select", "kg"),
    "woocommerce_prices_include_tax": ("tax", "Prices entered with tax", "radio", "no"),
}
"""Group, label, type and default of each setting."""
_OPTIONS = {"woocommerce_weight_unit": _UNITS, "woocommerce_prices_include_tax": {"yes": "Yes", "no": "No"}}


class Settings:
    """Settings below `/settings`, and `/data/currencies`."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop

    @route("GET", "/settings")
    def _groups(self, _request: Request) -> Response:
        home = self._shop.home
        return answer(
            [
                {
                    "id": group,
                    "label": label,
                    "description": "",
                    "parent_id": "",
                    "sub_groups": [],
                    "_links": {"options": [{"href": f"{home}{NAMESPACE}/settings/{group}"}]},
                }
                for group, label in GROUPS.items()
            ]
        )

    @route("GET", "/settings/{group}")
    def _group(self, _request: Request, group: str) -> Response:
        if group not in GROUPS:
            raise refused("rest_setting_setting_group_invalid", "Invalid setting group.", 404)
        return answer([self._shown(name) for name, setting in _SETTINGS.items() if setting[0] == group])

    @route("GET", "/settings/{group}/{setting}")
    def _get(self, request: Request, group: str, setting: str) -> Response:
        return answer(fields(Query(request.query), self._single(group, setting)))

    @route("PUT", "/settings/{group}/{setting}")
    @route("POST", "/settings/{group}/{setting}")
    @route("PATCH", "/settings/{group}/{setting}")
    def _put(self, request: Request, group: str, setting: str) -> Response:
        self._single(group, setting)
        value, shop = decoded(request).get("value"), self._shop
        match setting:
            case "woocommerce_currency":
                shop.set_currency(str(value))
            case "woocommerce_price_num_decimals":
                shop.set_decimals(int(str(value)))
            case "woocommerce_weight_unit":
                shop.set_weight_unit(str(value))
            case "woocommerce_prices_include_tax":
                shop.set_tax_inclusive(inclusive=value == "yes")
        return answer(self._single(group, setting))

    @route("GET", "/data/currencies/current")
    def _currency(self, _request: Request) -> Response:
        code, home = self._shop.currency, f"{self._shop.home}{NAMESPACE}/data/currencies"
        name, _, html = symbol(code)
        own = [{"href": f"{home}/{code}", "targetHints": {"allow": ["GET"]}}]
        links = {"self": own, "collection": [{"href": home}]}
        return answer({"code": code, "name": name, "symbol": html, "_links": links})

    def _single(self, group: str, setting: str) -> Body:
        if _SETTINGS.get(setting, ("",))[0] != group:
            raise refused("rest_setting_setting_invalid", "Invalid setting.", 404)
        shown = self._shown(setting)
        links = shown.pop("_links")
        return {**shown, "group_id": group, "_links": links}

    def _shown(self, setting: str) -> dict[str, Any]:
        group, label, kind, default = _SETTINGS[setting]
        options = dict(_OPTIONS.get(setting, {}))
        if setting == "woocommerce_currency":
            options = {code: f"{known[0]} ({known[2]})" for code, known in SYMBOLS.items()}
        home = f"{self._shop.home}{NAMESPACE}/settings/{group}"
        allow = {"targetHints": {"allow": ["GET", "POST", "PUT", "PATCH"]}}
        return {
            "id": setting,
            "label": label,
            "description": label,
            "type": kind,
            "default": default,
            **({"options": options} if options else {}),
            "tip": label,
            "value": self._value(setting),
            "_links": {"self": [{"href": f"{home}/{setting}", **allow}], "collection": [{"href": home}]},
        }

    def _value(self, setting: str) -> str:
        shop = self._shop
        values = {
            "woocommerce_currency": shop.currency,
            "woocommerce_price_num_decimals": str(shop.decimals),
            "woocommerce_weight_unit": shop.weight_unit,
            "woocommerce_prices_include_tax": "yes" if shop.tax_inclusive else "no",
        }
        return (values | _FIXED)[setting]
