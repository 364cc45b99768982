from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.config import load as load_module
from weighbridge.config.load import ServerOverrides, load_config
from weighbridge.config.problems import ConfigError
from weighbridge.core.secret import Secret
from weighbridge.core.terms import Proxy


def error_of(path: Path | None, **environ: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load_config(path, environ=environ)
    return caught.value


def test_references_fill_in_every_kind_of_value(load) -> None:
    loaded = load(
        "server: {port: '${PORT:-8081}', host: '${HOST}', drain_timeout: '${T}'}\n"
        "providers:\n  openai: {api_keys: ['${K1}', '${K2}'], headers: {x-team: 'team $$ ${TEAM}'}}\n",
        HOST="::1",
        T="5s",
        K1="sk-1",
        K2="12345",
        TEAM="no",
    )
    provider = loaded.config.providers["openai"]
    assert (loaded.config.server.port, loaded.config.server.host) == (8081, "::1")
    assert provider.secrets == (Secret("sk-1"), Secret("12345"))
    assert provider.headers["x-team"] == Secret("team $ no")


def test_an_unset_variable_is_told_once_and_with_the_other_problems(refused) -> None:
    assert refused("server:\n  port: ${PORT}\nproviders:\n  openai:\n    api_keys: ['${K}']\n    modles: []\n") == [
        "2: server.port: the environment variable PORT is not set; set it, or give it a default: `${PORT:-…}`",
        "5: providers.openai.api_keys[0]: the environment variable K is not set; set it, or give it a default: `${K:-…}`",
        "6: providers.openai.modles: is not a setting; did you mean `models`?",
    ]


def test_without_a_file_the_environment_decides() -> None:
    loaded = load_config(None, environ={"GOOGLE_API_KEY": "g", "MISTRAL_API_KEY": "m", "https_proxy": "http://p.test:3128"})
    assert list(loaded.config.providers) == ["gemini", "mistral", "demo"]
    assert loaded.source is None
    assert loaded.proxies.proxy_for("https", "api.test", 443) == Proxy("p.test", 3128)


def test_without_a_file_and_without_keys_the_demo_is_on() -> None:
    assert list(load_config(None, environ={}).config.providers) == ["demo"]


def test_the_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"XAI_API_KEY": "x"})
    assert list(load_config(None).config.providers) == ["xai", "demo"]


def test_a_file_says_all_there_is(load) -> None:
    assert load("providers: {}\n", OPENAI_API_KEY="sk-1").config.providers == {}


def test_a_bad_variable_is_a_problem_like_any_other() -> None:
    error = error_of(None, HTTPS_PROXY="socks5://u:sk-secret@h", OPENAI_API_KEY="sk secret")
    assert str(error).split("\n") == [
        (
            "(no configuration file): providers.openai.api_key: must be printable ASCII without blanks, "
            "which is all that a header can carry"
        ),
        (
            "(no configuration file): the variable HTTPS_PROXY must be an `http://` proxy; "
            "SOCKS and TLS to the proxy itself are not supported"
        ),
    ]


def test_the_command_line_goes_before_the_file_and_is_checked_with_it(tmp_path: Path) -> None:
    path = tmp_path / "wb.yaml"
    path.write_text("server: {auth: none, port: 1}\n")
    assert load_config(path, environ={}, overrides=ServerOverrides(port=2)).config.server.port == 2
    with pytest.raises(ConfigError, match="only accepted on a loopback address"):
        load_config(path, environ={}, overrides=ServerOverrides(host="0.0.0.0"))


def test_extension_keys_are_a_place_for_anchors(load) -> None:
    config = load("x-slow: &slow {connect: 20s, total: 1h}\nproviders:\n  openai: {api_key: a, timeouts: *slow}\n").config
    assert config.providers["openai"].timeouts.connect == 20_000_000_000


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    said = str(error_of(tmp_path / "none.yaml"))
    assert said.endswith("none.yaml: cannot be read: No such file or directory; `weighbridge init` writes one")


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    assert "cannot be read: Is a directory" in str(error_of(tmp_path))


def test_a_file_that_is_no_text_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "wb.yaml").write_bytes(b"a: 1\nb: \xff\n")
    assert str(error_of(tmp_path / "wb.yaml")).endswith("wb.yaml:2: is not UTF-8 text")


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "wb.yaml").write_bytes(b"\xef\xbb\xbfserver: {port: 1}\n")
    assert load_config(tmp_path / "wb.yaml", environ={}).config.server.port == 1


def test_a_huge_file_is_refused_without_being_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_module, "MAX_FILE_BYTES", 10)
    (tmp_path / "wb.yaml").write_text("# " + "x" * 20)
    assert "is larger than 10 bytes" in str(error_of(tmp_path / "wb.yaml"))


@pytest.mark.parametrize("text", ["- a\n", "just text\n", "5\n"])
def test_a_file_that_is_no_mapping_is_refused(refused, text: str) -> None:
    assert refused(text) == ["1: must be a mapping (lines of `name: value`)"]


SECRET = "sk-topsecret-0123456789"
PLACES = [
    "server: {port: %s}",
    "server: {host: '%s '}",
    "server: {auth: %s}",
    "server: {limits: {max_body: %s, header_timeout: %s}}",
    "server: {tls: {cert_file: %s, key_file: %s}}",
    "data_dir: [%s]",
    "providers: {openai: %s}",
    "providers: {openai: {api_keys: %s}}",
    "providers: {openai: {api_key: [%s]}}",
    "providers: {openai: {api_key: '%s '}}",
    "providers: {openai: {api_key: %s, api_keys: [%s]}}",
    "providers: {openai: {type: %s}}",
    "providers: {openai: {base_url: %s}}",
    "providers: {openai: {base_url: 'https://%s@h'}}",
    "providers: {openai: {headers: {x: '%s\\n'}}}",
    "providers: {openai: {headers: [%s]}}",
    "providers: {openai: {models: [' %s']}}",
    "providers: {openai: {proxy: 'socks5://%s@h'}}",
    "providers: {openai: {timeouts: {total: %s}}}",
    "providers: [%s]",
    "routes: {a: [%s]}",
    "routes: {a: [%s/x]}",
    "keys: [{name: '%s ', key: %s}]",
    "keys: [{name: a, key_sha256: %s}]",
    "keys: [{name: a, key: %s, expires: %s}]",
    "keys: [%s]",
    "access_log: {format: %s}",
    "%s",
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("by_reference", [True, False])
def test_no_error_shows_a_secret_wherever_it_was_put(refused, place: str, *, by_reference: bool) -> None:
    text = place.replace("%s", "${K}" if by_reference else SECRET)
    try:
        lines = refused(text, K=SECRET)
    except AssertionError as error:
        raise AssertionError(text) from error
    assert SECRET not in "\n".join(lines)


def test_no_traceback_shows_a_secret(load) -> None:
    try:
        load("providers: {openai: {api_key: '${K} ', models: ${K}}}", K=SECRET)
    except ConfigError:
        assert SECRET not in traceback.format_exc()
    else:
        pytest.fail("it loaded")


YAML = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8) | st.just("${A}"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "server",
                    "providers",
                    "routes",
                    "keys",
                    "port",
                    "host",
                    "auth",
                    "limits",
                    "type",
                    "base_url",
                    "base_urls",
                    "demo",
                    "openai",
                    "api_key",
                    "api_keys",
                    "headers",
                    "targets",
                    "name",
                    "key",
                    "models",
                    "tls",
                    "timeouts",
                    "proxy",
                    "x",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(YAML)
def test_whatever_the_file_holds_the_answer_is_a_configuration_or_a_list_of_problems(tmp_path_factory, value: object) -> None:
    import yaml

    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(yaml.safe_dump(value, allow_unicode=True), encoding="utf-8")
    # Any other exception fails the test.
    with contextlib.suppress(ConfigError):
        assert load_config(path, environ={"A": "1"}).source == path


@pytest.mark.slow
def test_loading_imports_nothing_heavier_than_pydantic_and_yaml() -> None:
    heavy = ["sqlalchemy", "fastapi", "starlette", "watchfiles", "uvicorn", "rich", "typer", "cryptography", "uvloop"]
    code = f"import weighbridge.config.compile, sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
