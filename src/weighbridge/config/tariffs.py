"""Tariffs of a configuration, as the ledger books by them."""

from __future__ import annotations

from decimal import Decimal

from weighbridge.config import schema
from weighbridge.config.tariff_fields import Tariff as WrittenTariff
from weighbridge.core.rates import UNIT, Tariff
from weighbridge.ledger.tariffs import TariffRule


def compile_tariffs(config: schema.Config) -> tuple[TariffRule, ...]:
    """All of them, in the order in which they are tried."""
    return tuple(TariffRule(each.scope, _tariff(each)) for each in config.tariffs)


def _tariff(written: WrittenTariff) -> Tariff:
    return Tariff(
        _ppm(written.markup),
        _ppm(written.discount),
        charges_estimates=written.estimates == "charge",
        own_key_ppm=_ppm(written.own_keys),
    )


def _ppm(share: Decimal) -> int:
    return int(share * UNIT)
