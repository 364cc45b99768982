from __future__ import annotations

from weighbridge.config import problems
from weighbridge.control.admin_services import ConfigProblem


def test_a_problem_of_the_loader_is_told_whole():
    found = problems.ConfigProblem("providers.x", 3, "unknown", "did you mean `y`?")
    told = ConfigProblem.of(found)
    assert told.model_dump() == {"path": "providers.x", "line": 3, "message": "unknown", "suggestion": "did you mean `y`?"}
