"""The routes of settings and of the currency: those that a shop's prices, weights and amounts depend on."""

from collections.abc import Callable, Mapping
from typing import Any

from daemon.sandbox.message import Request, Response, route
from daemon.sandbox.woocommerce.answers import NAMESPACE, SYMBOLS, Query, answer, refused, symbol
from daemon.sandbox.woocommerce.resource import Body, decoded, fields
from daemon.sandbox.woocommerce.shop import Shop

GROUPS = {"general": "General", "products": "Products", "tax": "Tax"}
_FIXED = {"woocommerce_default_country": "US", "woocommerce_calc_taxes": "yes"}
_FIELDS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "woocommerce_currency": ("currency", str),
    "woocommerce_price_num_decimals": ("decimals", int),
    "woocommerce_weight_unit": ("weight_unit", str),
    "woocommerce_prices_include_tax": ("tax_inclusive", lambda value: value == "yes"),
}
"""The shop's own field of a setting, and how it is written."""
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
        if setting in _FIELDS:
            name, read = _FIELDS[setting]
            self._shop.update_settings(**{name: read(decoded(request).get("value"))})
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
        value = getattr(self._shop, _FIELDS[setting][0]) if setting in _FIELDS else _FIXED[setting]
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
            "value": ("yes" if value else "no") if isinstance(value, bool) else str(value),
            "_links": {"self": [{"href": f"{home}/{setting}", **allow}], "collection": [{"href": home}]},
        }
