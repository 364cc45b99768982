from __future__ import annotations

from weighbridge.core.secret import Secret
from weighbridge.limits.shared import Asked, Outcome, SharedLimitsPlace


def test_what_nobody_has_answered_is_unknown():
    asked = Asked([])
    assert (asked.outcome, asked.short, asked.signal.is_set) == (Outcome.UNKNOWN, None, False)


def test_a_place_is_told_by_its_address_alone():
    assert repr(SharedLimitsPlace("cache", 6379, password=Secret("pw"))) == "SharedLimitsPlace(cache:6379)"
    assert repr(SharedLimitsPlace("", 0, "/run/v.sock")) == "SharedLimitsPlace(/run/v.sock)"
