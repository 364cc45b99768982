from __future__ import annotations

from weighbridge.config.problems import ConfigError, ConfigProblem, did_you_mean, format_path


def test_a_problem_is_one_line_that_editors_and_terminals_can_follow() -> None:
    problem = ConfigProblem("providers.openai.api_kys", 4, "is not a setting", "did you mean `api_keys`?")
    assert problem.render("wb.yaml") == "wb.yaml:4: providers.openai.api_kys: is not a setting; did you mean `api_keys`?"


def test_a_problem_of_the_whole_file_has_neither_line_nor_path() -> None:
    assert ConfigProblem("", None, "cannot be read").render("wb.yaml") == "wb.yaml: cannot be read"


def test_problems_are_told_in_the_order_of_the_file() -> None:
    error = ConfigError("f", [ConfigProblem("b", 9, "two"), ConfigProblem("a", 2, "one"), ConfigProblem("", None, "zero")])
    assert str(error) == "f: zero\nf:2: a: one\nf:9: b: two"


def test_paths_read_like_the_setting_they_name() -> None:
    assert format_path(("providers", "openai", "timeouts", "connect")) == "providers.openai.timeouts.connect"
    assert format_path(("keys", 0, "name")) == "keys[0].name"
    assert format_path(()) == ""


def test_only_a_near_name_is_suggested() -> None:
    assert did_you_mean("api_kys", ["api_keys", "models"]) == "did you mean `api_keys`?"
    assert did_you_mean("zebra", ["api_keys", "models"]) is None
