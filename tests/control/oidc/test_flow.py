from __future__ import annotations

import base64
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.auth.identities import NotAdmittedError, Refusal
from weighbridge.auth.sign_in_rules import OidcRules
from weighbridge.control.oidc.flow import HOME, LIFETIME_NS, Flow, check_issuer, local_path
from weighbridge.control.oidc.provider import Metadata

RULES = OidcRules("https://id.test", "wb", scopes=("openid", "email"))
METADATA = Metadata("https://id.test", "https://id.test/authorize?tenant=x", "https://id.test/token", "https://id.test/keys")
BACK = "https://gateway.test/back"


@pytest.fixture
def flow(clock):
    return Flow(clock)


@pytest.fixture
def begun(flow):
    """The parameters of the question, and the cookie."""
    url, cookie = flow.begin(RULES, METADATA, BACK, "/dashboard/costs")
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}, cookie


def refusal(flow, cookie, answer, rules=RULES):
    with pytest.raises(NotAdmittedError) as raised:
        flow.ended(cookie, answer, rules)
    return raised.value.refusal


def test_the_question_has_state_nonce_and_challenge_beside_what_the_provider_wants(begun):
    query, cookie = begun
    assert (query["tenant"], query["response_type"], query["code_challenge_method"]) == ("x", "code", "S256")
    assert (query["redirect_uri"], query["scope"]) == (BACK, "openid email")
    assert all(len(query[name]) == 43 for name in ("state", "nonce", "code_challenge"))
    assert len(cookie) < 1_024
    assert query["state"].encode() not in base64.urlsafe_b64decode(cookie)


def test_its_answer_ends_it_once(flow, begun):
    query, cookie = begun
    pending, code = flow.ended(cookie, {"state": query["state"], "code": "c"}, RULES)
    assert (code, pending.nonce, pending.goes_on) == ("c", query["nonce"], "/dashboard/costs")
    assert refusal(flow, cookie, {"state": query["state"], "code": "c"}) is Refusal.STALE


@pytest.mark.parametrize("answer", [{}, {"state": ""}, {"state": "x"}, {"state": "ü"}])
def test_another_state_ends_nothing_and_spoils_nothing(flow, begun, answer):
    query, cookie = begun
    assert refusal(flow, cookie, {"code": "c", **answer}) is Refusal.STALE
    assert flow.ended(cookie, {"state": query["state"], "code": "c"}, RULES)[1] == "c"


@pytest.mark.parametrize(
    "spoil", [lambda c: "", lambda c: "x", lambda c: c[:-4], lambda c: "A" + c[1:], lambda c: "ü", lambda c: "x" * 9_999]
)
def test_a_cookie_that_is_none_of_ours_is_none(flow, begun, spoil):
    query, cookie = begun
    assert refusal(flow, spoil(cookie), {"state": query["state"], "code": "c"}) is Refusal.STALE


def test_after_a_restart_everybody_begins_anew(begun, clock):
    query, cookie = begun
    assert refusal(Flow(clock), cookie, {"state": query["state"], "code": "c"}) is Refusal.STALE


def test_an_answer_comes_in_time_and_to_the_question_of_this_configuration(flow, begun, clock):
    query, cookie = begun
    answer = {"state": query["state"], "code": "c"}
    for other in ({"client_id": "other"}, {"issuer": "https://other.test"}):
        assert refusal(flow, cookie, answer, msgspec.structs.replace(RULES, **other)) is Refusal.STALE
    clock.wall += LIFETIME_NS + 1
    assert refusal(flow, cookie, answer) is Refusal.STALE


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"error": "access_denied"}, Refusal.CANCELLED),
        ({"error": "invalid_scope", "code": "c"}, Refusal.REJECTED),
        ({"error": "<script>", "code": "c"}, Refusal.REJECTED),
        ({}, Refusal.NOT_TRUSTED),
        ({"code": ""}, Refusal.NOT_TRUSTED),
        ({"code": "x" * 9_000}, Refusal.NOT_TRUSTED),
    ],
)
def test_an_answer_without_a_code_is_a_refusal(flow, begun, answer, why):
    query, cookie = begun
    with pytest.raises(NotAdmittedError) as raised:
        flow.ended(cookie, {"state": query["state"], **answer}, RULES)
    assert raised.value.refusal is why
    assert "<" not in raised.value.detail


def test_an_answer_that_names_its_issuer_names_the_right_one():
    check_issuer({}, METADATA)
    check_issuer({"iss": "https://id.test"}, METADATA)
    always = msgspec.structs.replace(METADATA, authorization_response_iss_parameter_supported=True)
    check_issuer({"iss": "https://id.test"}, always)
    for answer, metadata in (({"iss": "https://evil.test"}, METADATA), ({}, always)):
        with pytest.raises(NotAdmittedError):
            check_issuer(answer, metadata)


@pytest.mark.parametrize(
    "ours", ["/dashboard/overview", "/dashboard/requests/req_1", "/dashboard/costs?by=team&from=2026-01-01T00:00:00Z"]
)
def test_pages_of_ours_are_gone_on_to(ours):
    assert local_path(ours) == ours


@pytest.mark.parametrize(
    "elsewhere",
    [
        "",
        "/",
        "/dashboard",
        "https://evil.test/dashboard/x",
        "//evil.test/dashboard/",
        "/\\evil.test",
        "/dashboard/\\evil.test",
        "/dashboard//evil.test",
        "/dashboard/../admin/v1/keys",
        "/dashboard/%2e%2e/admin",
        "javascript:alert(1)",
        "/dashboard/sign-in?next=/dashboard/x",
        "/dashboard/x\r\nset-cookie: a=b",
        "/dashboard/x\n",
        "/dashboard/x#y",
        "/dashboard/" + "x" * 1_500,
    ],
)
def test_a_link_cannot_lead_to_another_place(elsewhere):
    assert local_path(elsewhere) == HOME


@given(st.text() | st.text("/\\.:@?#%abc-\r\n\t", max_size=30).map("/dashboard/".__add__) | st.text("/\\.:dashbor", max_size=30))
def test_whatever_the_link_is_the_place_is_ours(wanted):
    path = local_path(wanted)
    parts = urlsplit(path)
    assert (parts.scheme, parts.netloc) == ("", "")
    assert parts.path.startswith("/dashboard/")
    assert not any(strange in parts.path for strange in ("//", "\\", "..", "%"))
    assert path.isascii()
    assert path.isprintable()
