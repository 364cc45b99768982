"""Master keys as operators write them: from the environment or a file, the first seals."""

from __future__ import annotations

import pytest

from weighbridge.auth.master_keys import MasterKeys, master_key_id
from weighbridge.config.load import load_config
from weighbridge.config.problems import ConfigError
from weighbridge.core.secret import Secret

NEW, OLD = "n" * 44, "o" * 32


@pytest.fixture
def keys(tmp_path):
    def of(text, **environ):
        file = tmp_path / "weighbridge.yaml"
        file.write_text(f"providers: {{demo: {{}}}}\nprovider_keys: {{master_keys: [{text}]}}\n")
        return load_config(file, environ=environ).config.provider_keys

    return of


def test_the_first_seals_whether_it_comes_from_the_environment_or_a_file(keys, tmp_path):
    (tmp_path / "old.key").write_text(f"{OLD}\n")
    found = keys("{key: '${MASTER}'}, {file: old.key}", MASTER=NEW)
    assert MasterKeys(found.secrets).first == master_key_id(Secret(NEW))
    sealed = MasterKeys(keys("{file: old.key}").secrets).seal(Secret("sk-1"), "a row")
    assert MasterKeys(found.secrets).open(sealed, "a row") == Secret("sk-1")


def test_none_is_needed_and_none_is_shown(keys):
    assert keys("").secrets == ()
    assert NEW not in repr(keys(f"{{key: {NEW}}}"))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("{}", "either `key` or `file`"),
        (f"{{key: {NEW}, file: old.key}}", "either `key` or `file`"),
        ("{key: too-short}", "at least 32 characters"),
        ("{file: short.key}", "at least 32 characters"),
        ("{file: two.key}", "one line"),
        ("{file: none.key}", "cannot be read"),
        (f"{{key: {NEW}}}, {{key: {NEW}}}", "one key twice"),
        ("{key: '${MISSING}'}", "MISSING is not set"),
    ],
)
def test_what_no_master_key_can_be_is_told_without_repeating_it(keys, tmp_path, wrong, words):
    (tmp_path / "old.key").write_text(OLD)
    (tmp_path / "short.key").write_text("too-short")
    (tmp_path / "two.key").write_text(f"{OLD}\n{NEW}\n")
    with pytest.raises(ConfigError) as refused:
        keys(wrong)
    told = "\n".join(problem.render(None) for problem in refused.value.problems)
    assert words in told
    assert not any(secret in told for secret in (NEW, OLD, "too-short"))
