"""What `serve` prints has to work as printed."""

from __future__ import annotations

from pathlib import Path

import pytest

from weighbridge.cli.welcome import show_welcome
from weighbridge.config.load import LoadedConfig, load_config
from weighbridge.control.bootstrap import FirstKeys
from weighbridge.core.secret import Secret

DATA = Path("data")


def load(tmp_path: Path, text: str) -> LoadedConfig:
    path = tmp_path / "weighbridge.yaml"
    path.write_text(text)
    return load_config(path, environ={})


def test_new_keys_are_shown_once(capsys) -> None:
    keys = FirstKeys(Secret("wb-first"), Secret("wb-admin"))
    show_welcome(load_config(None, environ={}), 8080, DATA, keys)
    shown = capsys.readouterr().err
    assert keys.first.reveal() in shown
    assert keys.admin.reveal() in shown
    show_welcome(load_config(None, environ={}), 8080, DATA, None)
    shown = capsys.readouterr().err
    assert "wb-first" not in shown
    assert "wb-admin" not in shown


@pytest.mark.parametrize(
    ("host", "address"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]")],
)
def test_the_address_can_be_typed(tmp_path: Path, capsys, host: str, address: str) -> None:
    show_welcome(load(tmp_path, f'server: {{host: "{host}"}}\nproviders: {{demo: {{}}}}\n'), 9000, DATA, None)
    assert f"http://{address}:9000/v1" in capsys.readouterr().err


def test_the_first_request_names_a_model_that_is_there(tmp_path: Path, capsys) -> None:
    show_welcome(load(tmp_path, "providers: {demo: {}}\n"), 8080, DATA, None)
    assert '"model": "demo/echo"' in capsys.readouterr().err


def test_commands_are_not_wrapped(capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    show_welcome(load_config(None, environ={}), 8080, Path("a/rather/long/path/to/the/data/directory"), None)
    lines = capsys.readouterr().err.splitlines()
    assert any("a/rather/long/path/to/the/data/directory" in line and line.strip().startswith("-H") for line in lines)


def test_an_open_gateway_is_called_open(tmp_path: Path, capsys) -> None:
    show_welcome(load(tmp_path, "server: {auth: none}\nproviders: {demo: {}}\n"), 8080, DATA, None)
    assert "everybody on this machine is served" in capsys.readouterr().err


def test_it_says_where_the_dashboard_is(tmp_path, capsys):
    show_welcome(load(tmp_path, "providers: {demo: {}}\n"), 8080, DATA, None)
    assert "http://127.0.0.1:8080/ (sign in with the admin key)" in capsys.readouterr().err
