from __future__ import annotations

import pytest

from weighbridge.config.compile import compile_plan
from weighbridge.config.load import load_config
from weighbridge.config.problems import ConfigError
from weighbridge.core.payloads import PayloadRules


@pytest.fixture
def load(tmp_path):
    def loaded(text):
        file = tmp_path / "weighbridge.yaml"
        file.write_text("providers: {demo: {}}\n" + text)
        return load_config(file)

    return loaded


def plan_of(loaded):
    return compile_plan(loaded, version=1, stored_keys=())


def test_nothing_is_kept_if_nobody_says_so(load):
    assert plan_of(load("")).payloads is None


def test_keys_and_media_are_taken_out_if_nothing_else_is_said(load):
    loaded = load("payloads: {keep: 7d}")
    assert plan_of(loaded).payloads == PayloadRules(1_000_000, frozenset(), frozenset(), 256 * 1024)
    assert (loaded.config.payloads.redact, loaded.config.payloads.keep) == (["secrets", "media"], 7)


def test_which_requests_and_how_much_of_them(load):
    text = "{keep: 30d, share: 2.5%, routes: [smart], teams: [search], max_size: 1MB, redact: [emails], patterns: ['ACME-\\d+']}"
    assert plan_of(load(f"payloads: {text}")).payloads == PayloadRules(
        25_000, frozenset({"smart"}), frozenset({"search"}), 1024 * 1024
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{}", "payloads.keep"),
        ("{keep: 2h}", "days"),
        ("{keep: 1d, share: 0%}", "percentage"),
        ("{keep: 1d, share: 101%}", "percentage"),
        ("{keep: 1d, share: half}", "percentage"),
        ("{keep: 1d, max_size: 1GB}", "at most `16MB`"),
        ("{keep: 1d, redact: [names]}", "secrets"),
        ("{keep: 1d, patterns: ['(']}", "regular expression"),
        ("{keep: 1d, patterns: ['a*']}", "empty text"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(load, text, words):
    with pytest.raises(ConfigError) as error:
        load(f"payloads: {text}")
    assert words in str(error.value)
