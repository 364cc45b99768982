"""Tariffs as operators write them: what customers pay on top of the provider's price."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, WithJsonSchema, model_validator

from weighbridge.config.allowance_fields import ScopeText
from weighbridge.config.price_fields import Discount
from weighbridge.config.section import Section, fault, written
from weighbridge.ledger.tariffs import KINDS

_PERCENT: Final = re.compile(r"(-?[0-9]{1,4}(?:\.[0-9]{1,4})?)%")
_LEAST: Final = -1


def _markup(value: object) -> Decimal:
    found = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    markup = Decimal(found[1]) / 100 if found is not None else Decimal("NaN")
    if not markup.is_finite() or markup < _LEAST:
        raise ValueError("must be a percentage such as `15%`, at least `-100%`")
    return markup


def _fee(value: object) -> Decimal:
    fee = _markup(value)
    if fee < 0:
        raise ValueError("must be a percentage such as `5%`, not less than nothing")
    return fee


def _editor(title: str, pattern: str) -> Any:
    return WithJsonSchema({"title": title, "type": "string", "pattern": pattern})


Markup = Annotated[Decimal, BeforeValidator(_markup), _editor("percentage", r"^-?[0-9.]+%$|\$\{")]
Fee = Annotated[Decimal, BeforeValidator(_fee), _editor("percentage", r"^[0-9.]+%$|\$\{")]


class Tariff(Section):
    """What is charged for whom. Of several that count a request the first one does."""

    scope: ScopeText
    """For whom: `gateway` (everybody), or `organisation`, `team`, `user`, `key` (by its id), `route`, `tag` and a name, or `*`."""
    markup: Markup = written("0%")
    """On top of the provider's price."""
    discount: Discount = written("0%")
    """Off the marked-up price."""
    own_keys: Fee = written("0%")
    """What is charged for a request that was made with the customer's own key at a provider, as a share of the price that the
    provider bills to the customer. The markup and the discount do not concern it."""
    estimates: Literal["waive", "charge"] = "waive"
    """What becomes of an attempt whose usage its provider did not tell, since its stream broke off or its caller left: nothing is
    charged for it, or its estimate is."""

    @model_validator(mode="after")
    def _is_for_a_customer(self) -> Tariff:
        if self.scope.kind not in KINDS:
            raise fault("scope", f"cannot be a {self.scope.kind.value}: a tariff is for {', '.join(sorted(KINDS))}")
        return self
