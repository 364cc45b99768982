from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weighbridge.control.redactor import Redactor

EVERYTHING = Redactor(("secrets", "media", "emails", "cards", "ibans"))
HEX = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-AbCdEfGhIjKlMnOpQrStUv0123456789",
        "sk-ant-api03-AbCdEfGhIjKlMnOp_QrStUv-0123456789",
        "wb-xTErhJ7HSm1t_rmjf4gpgLhWSVemhjcHyURN0fxjTMI",
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_" + "a1B2" * 9,
        "xoxb-1234567890-abcdefghij",
        "AIza" + "Sy0" * 11 + "ab",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nabc\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nMIIEow and it is cut off",
    ],
)
def test_keys_and_tokens_are_taken_out_wherever_they_stand(secret):
    assert Redactor(("secrets",)).text(f"mine is {secret}") == "mine is [secret]"
    assert secret not in str(Redactor(("secrets",)).json({"a": [f"x={secret}&y"], secret: 1}))


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("write to Ann.Lee+x@mail.example.co.uk, or not", "write to [email], or not"),
        ("4111 1111 1111 1111 and 4111-1111-1111-1112", "[card] and 4111-1111-1111-1112"),
        ("my account is DE89 3704 0044 0532 0130 00.", "my account is [iban]."),
        ("not one: DE89 3704 0044 0532 0130 01.", "not one: DE89 3704 0044 0532 0130 01."),
        ("data:image/png;base64," + "iVBOR" * 30, "[172 characters of base64]"),
        ("A" * 500 + "==", "[502 characters of base64]"),
    ],
)
def test_what_has_a_form_is_known_by_it(text, left):
    assert EVERYTHING.text(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "a sk-short one, task-force-of-the-year, @home, e-mail me at 12:30",
        "order 1234567890123456 of 2026-11-25, version 1.2.3.4, 3.14159265358979323846",
        f"sha256 {HEX}, commit {HEX[:40]}, uuid 123e4567-e89b-12d3-a456-426614174000",
        "https://example.org/" + "path/" * 60,
    ],
)
def test_what_only_looks_like_it_stays(text):
    assert EVERYTHING.text(text) == text


def test_only_what_is_named_is_taken_out_and_own_patterns_too():
    text = "ACME-12345 of ann@example.org"
    assert Redactor(()).text(text) == text
    assert Redactor(("emails",)).text(text) == "ACME-12345 of [email]"
    assert Redactor((), (r"\bACME-\d+\b",)).text(text) == "[redacted] of ann@example.org"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None)
@given(JSON, st.lists(st.sampled_from(["left", "right"]), max_size=3))
def test_a_secret_is_found_at_any_depth_and_nothing_else_changes(value, path):
    assert Redactor(()).json(value) == value
    secret = "sk-" + "q7" * 20
    hidden = f"x {secret} y"
    for step in path:
        hidden = [value, hidden] if step == "left" else {"inner": hidden}
    found = EVERYTHING.json(hidden)
    assert secret not in str(found)
    assert "x [secret] y" in str(found)


@settings(max_examples=60, deadline=2_000)
@given(st.text(alphabet="aA0@.-_ :/+=eyJ{}\n", max_size=30), st.integers(1, 3_000))
def test_no_text_takes_long(piece, times):
    EVERYTHING.text((piece * times)[:60_000])
