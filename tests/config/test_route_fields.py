from __future__ import annotations

import pytest
from pydantic import ValidationError

from weighbridge.config.route_fields import Hedge, Retry, Route, RouteTarget


@pytest.mark.parametrize(("given", "share"), [("5%", 0.05), ("12.5%", 0.125), (0.2, 0.2), (1, 1.0)])
def test_a_share_is_a_number_or_a_percentage(given, share):
    assert Hedge.model_validate({"max_extra": given}).max_extra == share


@pytest.mark.parametrize("given", ["0%", "101%", -1, 0, "five", True, None])
def test_what_is_no_share_is_refused(given):
    with pytest.raises(ValidationError):
        Hedge.model_validate({"max_extra": given})


@pytest.mark.parametrize("parameters", [{"model": "x"}, {"messages": []}, {"a b": 1}, {"a.b.c": 1}, [1]])
def test_parameters_that_cannot_be_set_are_refused(parameters):
    with pytest.raises(ValidationError):
        RouteTarget.model_validate({"target": "openai/x", "overrides": parameters})


def test_another_route_says_of_its_own_targets_what_holds_for_them():
    for field, value in (("defaults", {"a": 1}), ("keys", ["1"]), ("max_in_flight", 5), ("timeouts", {})):
        with pytest.raises(ValidationError):
            RouteTarget.model_validate({"route": "b", field: value})
    assert RouteTarget.model_validate({"route": "b", "weight": "2", "when": "tools"}).weight == 2.0


def test_a_target_without_weight_is_kept_for_the_last():
    route = Route.model_validate({"targets": ["openai/x", {"target": "groq/y", "weight": 0}]})
    assert [target.weight for target in route.targets] == [1.0, 0.0]


def test_attempts_are_bounded():
    with pytest.raises(ValidationError):
        Retry.model_validate({"attempts": 21})
