from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from pydantic import ConfigDict, TypeAdapter, ValidationError

from weighbridge.config import fields
from weighbridge.core.secret import Secret


def read(kind: Any, value: object, directory: Path = Path()) -> Any:
    config = ConfigDict(strict=True, arbitrary_types_allowed=True)
    return TypeAdapter(kind, config=config).validate_python(value, context={"directory": directory})


def refusal(kind: Any, value: object) -> str:
    with pytest.raises(ValidationError) as caught:
        read(kind, value)
    return " ".join(error["msg"] for error in caught.value.errors(include_input=False))


@pytest.mark.parametrize("kind", [fields.Count, fields.Port])
def test_numbers_may_come_as_text_from_the_environment(kind: Any) -> None:
    assert read(kind, "80") == read(kind, 80) == 80


def test_thousands_may_be_set_apart() -> None:
    assert read(fields.LargeCount, "2_000_000") == 2_000_000


@pytest.mark.parametrize("value", ["2_0", "_200", "200_", "2__000", "2000_000", "2_000\n"])
def test_underscores_elsewhere_are_refused(value: str) -> None:
    refusal(fields.LargeCount, value)


@pytest.mark.parametrize("value", [True, 1.0, "1.0", "-1", "", " 1", "٣", -1, 10**7])
def test_other_numbers_are_refused(value: object) -> None:
    refusal(fields.Count, value)


@pytest.mark.parametrize("value", ["0s", 30, None, True])
def test_a_timeout_needs_a_unit_and_a_length(value: object) -> None:
    assert "must be" in refusal(fields.Duration, value)


@pytest.mark.parametrize("value", ["", "a b", "key\n", "schlüssel", "x" * 9000, 12, None])
def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(value: object) -> None:
    said = refusal(fields.SecretText, value)
    assert not value or str(value) not in said


def test_a_key_is_a_secret() -> None:
    assert read(fields.SecretText, "sk-1") == Secret("sk-1")
    assert read(fields.SecretText, Secret("sk-1")) == Secret("sk-1")


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\0b", " a", "a ", "é", 5])
def test_a_header_cannot_be_split_by_its_value(value: object) -> None:
    assert "must" in refusal(fields.HeaderValue, value)


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\n", "ä", "Host", "content-length", "Transfer-Encoding", "connection"])
def test_a_header_that_frames_the_message_cannot_be_set(name: str) -> None:
    refusal(fields.HeaderName, name)


def test_header_names_are_in_lower_case() -> None:
    assert read(fields.HeaderName, "X-Team") == "x-team"


def test_a_virtual_key_is_hashed_at_once() -> None:
    key = read(fields.KeyInClear, "wb-0123456789abcdef")
    assert key.digest == hashlib.sha256(b"wb-0123456789abcdef").digest()
    assert key.hint == "cdef"
    assert "0123456789" not in repr(key)


def test_a_virtual_key_that_can_be_guessed_is_refused() -> None:
    said = refusal(fields.KeyInClear, "password1")
    assert "at least 16 characters" in said
    assert "password1" not in said


def test_a_digest_is_64_hexadecimal_digits() -> None:
    assert read(fields.KeyDigest, "AB" * 32).digest == b"\xab" * 32
    for value in ("ab" * 31, "zz" * 32, 12, b"\xab" * 32):
        assert "64 digits" in refusal(fields.KeyDigest, value)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("https://api.example.com/v1/", "https://api.example.com/v1"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("http://ollama_1:11434/v1", "http://ollama_1:11434/v1"),
    ],
)
def test_base_urls(written: str, kept: str) -> None:
    assert read(fields.BaseUrl, written) == kept


@pytest.mark.parametrize(
    "url",
    [
        "https://user:sk-secret@h/v1",
        "https://sk-secret@h",
        "https://h/v1?key=sk-secret",
        "https://h/v1#sk-secret",
        "https://h/?",
        "ftp://h/sk-secret",
        "h/sk-secret",
        "https:///sk-secret",
        "https://h:port/sk-secret",
        "https://h:0/sk-secret",
        "https://[::/sk-secret",
        "https://[::zz]/sk-secret",
        "https://h/a b/sk-secret",
        "https://h\\@evil/sk-secret",
        "https://h/../sk-secret",
        "https://h%2f/sk-secret",
        "https://hé/sk-secret",
        "",
        7,
    ],
)
def test_a_base_url_that_could_lead_elsewhere_is_refused_and_not_shown(url: object) -> None:
    said = refusal(fields.BaseUrl, url)
    assert "must" in said
    assert "sk-secret" not in said


@pytest.mark.parametrize(("written", "kept"), [("0.0.0.0", "0.0.0.0"), ("::", "::"), ("[::1]", "::1"), ("gw.test", "gw.test")])
def test_hosts(written: str, kept: str) -> None:
    assert read(fields.Host, written) == kept


@pytest.mark.parametrize("host", ["", "a b", "::zz", "h:80", "http://h", 7])
def test_other_hosts_are_refused(host: object) -> None:
    refusal(fields.Host, host)


def test_paths_are_taken_from_the_directory_of_the_file(tmp_path: Path) -> None:
    assert read(fields.AnyPath, "data", tmp_path) == tmp_path / "data"
    assert read(fields.AnyPath, "/var/lib/wb", tmp_path) == Path("/var/lib/wb")


def test_a_file_that_cannot_be_read_is_refused_with_the_reason(tmp_path: Path) -> None:
    assert "cannot be read (No such file or directory)" in refusal(fields.ReadableFile, str(tmp_path / "none.pem"))
    assert "cannot be read (Is a directory)" in refusal(fields.ReadableFile, str(tmp_path))


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2027-01-31", datetime(2027, 1, 31, tzinfo=UTC)),
        (datetime(2027, 1, 31).date(), datetime(2027, 1, 31, tzinfo=UTC)),  # noqa: DTZ001
        ("2027-01-31T12:00:00Z", datetime(2027, 1, 31, 12, tzinfo=UTC)),
        ("2027-01-31T12:00:00+02:00", datetime(2027, 1, 31, 12, tzinfo=timezone(timedelta(hours=2)))),
        (datetime(2027, 1, 31, 12), datetime(2027, 1, 31, 12, tzinfo=UTC)),  # noqa: DTZ001
    ],
)
def test_a_moment_without_a_zone_is_utc(written: object, moment: datetime) -> None:
    assert read(fields.Expiry, written) == moment


@pytest.mark.parametrize("value", ["soon", "", 2027, True, None])
def test_other_moments_are_refused(value: object) -> None:
    assert "must be a date" in refusal(fields.Expiry, value)


@pytest.mark.parametrize("name", ["openai", "eu.west-1_a", "0x"])
def test_provider_names(name: str) -> None:
    assert read(fields.ProviderName, name) == name


@pytest.mark.parametrize("name", ["", "OpenAI", "-a", "a/b", "a b", "a" * 65, "é", *sorted(fields.RESERVED_NAMES)])
def test_a_provider_name_that_is_no_path_of_its_own_is_refused(name: str) -> None:
    refusal(fields.ProviderName, name)


@pytest.mark.parametrize("target", ["", "echo", "/echo", "demo/", "demo/a b"])
def test_a_target_names_provider_and_model(target: str) -> None:
    refusal(fields.Target, target)


def test_a_model_may_have_slashes_of_its_own() -> None:
    assert read(fields.Target, "together/meta-llama/Llama-3") == "together/meta-llama/Llama-3"


@pytest.mark.parametrize("name", ["", "a b", "*-gpt-*", "a\n", "x" * 201])
def test_other_route_names_are_refused(name: str) -> None:
    refusal(fields.RouteName, name)
