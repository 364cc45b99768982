from __future__ import annotations

import pytest
from tests.browser.conftest import settled
from tests.browser.test_every_page import violations
from tests.control.dashboard.fake_gateway import ADMIN_KEY, PASSWORD


@pytest.fixture
def stranger(chromium, base, watch):
    """A page of somebody who is not signed in. A refusal is an error on every browser's console."""
    context = chromium.new_context(base_url=base)
    context.set_default_timeout(10_000)
    page = context.new_page()
    watch.expected.append("401 (Unauthorized)")
    watch.over(page)
    yield page
    context.close()


def test_an_admin_key_opens_the_dashboard(stranger):
    stranger.goto("/dashboard/sign-in")
    stranger.keyboard.type(ADMIN_KEY)
    stranger.keyboard.press("Enter")
    stranger.wait_for_url("**/dashboard/overview")
    settled(stranger)
    assert stranger.inner_text("#who") == "Ada Lovelace · admin"


def test_e_mail_and_password_open_it_too(stranger):
    stranger.goto("/dashboard/sign-in")
    stranger.click("#tab-password")
    stranger.fill("#email", "ada@example.com")
    stranger.fill("#password", PASSWORD)
    stranger.click("#panel-password >> text=Sign in")
    stranger.wait_for_url("**/dashboard/overview")


def test_a_wrong_key_is_told_and_opens_nothing(stranger):
    stranger.goto("/dashboard/sign-in")
    stranger.fill("#admin-key", "wb-wrong")
    stranger.click("#panel-key >> text=Sign in")
    stranger.wait_for_selector("#sign-in-error:not(:empty)")
    assert stranger.inner_text("#sign-in-error") == "this key is unknown or revoked"
    assert stranger.url.endswith("/dashboard/sign-in")


def test_neither_key_nor_password_ever_stands_in_an_address(stranger):
    asked: list[str] = []
    stranger.on("request", lambda request: asked.append(request.url))
    stranger.goto("/dashboard/sign-in")
    stranger.fill("#admin-key", ADMIN_KEY)
    stranger.keyboard.press("Enter")
    stranger.wait_for_url("**/dashboard/overview")
    assert not [url for url in asked if ADMIN_KEY in url]


def test_whoever_is_not_signed_in_is_led_to_it_and_back_to_where_he_was_going(stranger):
    stranger.goto("/dashboard/costs?by=team")
    stranger.wait_for_url("**/dashboard/sign-in?next=*")
    stranger.fill("#admin-key", ADMIN_KEY)
    stranger.keyboard.press("Enter")
    stranger.wait_for_url("**/dashboard/costs?by=team")


@pytest.mark.parametrize(
    "elsewhere",
    ["https://example.com/dashboard/x", "//example.com/dashboard/", "javascript:alert(1)", "/admin/v1/keys", "/dashboard/../admin"],
)
def test_a_link_cannot_lead_from_signing_in_to_another_place(stranger, elsewhere):
    from urllib.parse import quote

    stranger.goto(f"/dashboard/sign-in?next={quote(elsewhere, safe='')}")
    stranger.fill("#admin-key", ADMIN_KEY)
    stranger.keyboard.press("Enter")
    stranger.wait_for_url("**/dashboard/overview")


def test_a_provider_has_a_button_that_leads_on_to_where_one_was_going(stranger, base, world):
    world.ways = {"password": False, "oidc": {"name": "Acme", "start": f"{base}/admin/v1/session/oidc/start"}}
    stranger.goto("/dashboard/sign-in?next=/dashboard/costs")
    stranger.wait_for_selector("text=Sign in with Acme")
    assert stranger.get_attribute("#sign-in-oidc", "href") == f"{base}/admin/v1/session/oidc/start?next=%2Fdashboard%2Fcosts"
    assert not stranger.is_visible("#tab-password")
    assert stranger.is_visible("#admin-key")
    assert violations(stranger) == []


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("blocked", "You are blocked here. Ask whoever looks after the gateway."),
        ("call 0800 EVIL", "Signing in has failed."),
        ("__proto__", "Signing in has failed."),
    ],
)
def test_why_a_provider_signed_nobody_in_is_told_in_our_own_words(stranger, word, sentence):
    stranger.goto(f"/dashboard/sign-in?refused={word}")
    assert stranger.inner_text("#sign-in-error") == sentence


def test_the_two_ways_are_changed_by_arrow_keys(stranger):
    stranger.goto("/dashboard/sign-in")
    stranger.focus("#tab-key")
    stranger.keyboard.press("ArrowRight")
    assert stranger.evaluate("document.activeElement.id") == "tab-password"
    assert stranger.is_visible("#email")
    assert not stranger.is_visible("#admin-key")


def test_signing_out_ends_the_session(show, world):
    page = show("overview")
    page.click("#sign-out")
    page.wait_for_url("**/dashboard/sign-in")
    assert "ses_test" not in world.sessions


def test_a_session_that_has_ended_leads_to_signing_in(show, world, watch):
    watch.expected.append("401 (Unauthorized)")
    page = show("overview")
    world.sessions.clear()
    page.click("#nav >> text=Costs")
    page.wait_for_url("**/dashboard/sign-in?next=*costs*")


def test_what_changes_something_carries_the_token_against_forged_requests(show, world):
    page = show("settings")
    with page.expect_request("**/config/reload") as asked:
        page.click("#reload")
    assert asked.value.headers["x-csrf-token"]
    page.wait_for_selector("text=Version 4 serves now.")
    assert world.reloads == 1
