"""Tariffs of a configuration, as the ledger books by them."""

from __future__ import annotations

from decimal import Decimal

from weighbridge.config import schema
from weighbridge.ledger.books import PPM
from weighbridge.ledger.tariffs import TariffRule, Tariffs
from weighbridge.ledger.terms import Tariff


def compile_tariffs(config: schema.Config) -> Tariffs:
    """All of them, in the order in which they are tried."""
    return Tariffs([TariffRule(each.scope, Tariff(_ppm(each.markup), _ppm(each.discount))) for each in config.tariffs])


def _ppm(share: Decimal) -> int:
    return int(share * PPM)
