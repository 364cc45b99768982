"""Signing in at an OpenID provider of another site, with the gateway as real processes: what a browser does with the cookies is the
question."""

from __future__ import annotations

from contextlib import closing

import pytest
from tests.browser.conftest import settled
from tests.control.oidc.openid_provider import ANN, CLIENT, SECRET, openid_provider
from tests.journeys.conftest import GatewayProcess

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
MEANT = "401 (Unauthorized)"


@pytest.fixture(scope="module")
def provider():
    with openid_provider() as running:
        running.has_form = True
        yield running


@pytest.fixture(scope="module")
def gateway(tmp_path_factory, provider):
    """One that learns of the provider while it serves: only then its address is known."""
    process = GatewayProcess(tmp_path_factory.mktemp("gateway"), {"providers": {"demo": {}}}).start()
    roles = [{"group": "admins", "role": "admin"}, {"group": "staff", "role": "viewer"}]
    oidc = {
        "issuer": provider.issuer,
        "client_id": CLIENT,
        "client_secret": SECRET,
        "name": "Acme",
        "create_users": True,
        "roles": roles,
    }
    server = {"public_url": process.base_url}
    process.write_config({"providers": {"demo": {}}, "server": server, "sign_in": {"password": False, "oidc": oidc}})
    process.stderr.wait_for_match("loaded again")
    yield process
    process.stop()


@pytest.fixture
def page(chromium, gateway, provider):
    """A page of somebody who is not signed in. Anything on its console that is not meant to be there fails the test."""
    provider.person = dict(ANN)
    wrong = []
    with closing(chromium.new_context(base_url=gateway.base_url)) as context:
        context.set_default_timeout(20_000)
        opened = context.new_page()
        opened.on("pageerror", lambda error: wrong.append(str(error)))
        opened.on("console", lambda told: wrong.append(told.text) if told.type == "error" else None)
        yield opened
    assert [text for text in wrong if MEANT not in text] == []


def sign_in(page, path="overview"):
    page.goto(f"/dashboard/{path}")
    page.click("text=Sign in with Acme")
    page.click("text=I am Ann")


def test_after_the_way_to_another_site_and_back_one_is_signed_in(page, gateway, provider):
    assert provider.issuer.startswith("http://localhost:")  # to a browser another site than 127.0.0.1
    sign_in(page, "users")
    page.wait_for_url(f"{gateway.base_url}/dashboard/users")
    settled(page)
    assert page.inner_text("#who") == "Ann Example · viewer"
    page.wait_for_selector("text=by groups")
    [cookie] = page.context.cookies(gateway.base_url)
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == ("weighbridge_session", True, "Strict")
    # Neither code nor state stays where the next one at this browser could find it.
    assert page.evaluate("performance.getEntriesByType('navigation')[0].name").endswith("/dashboard/users")
    page.go_back()
    assert "code=" not in page.url
    page.goto("/dashboard/costs")
    settled(page)


def test_signing_out_ends_it_at_the_provider_too_and_comes_back(page, gateway, provider):
    sign_in(page)
    page.wait_for_url("**/dashboard/overview")
    settled(page)
    page.click("#sign-out")
    page.wait_for_url(f"{gateway.base_url}/dashboard/sign-in")
    assert provider.asked[-1] == "/logout"
    assert page.context.cookies(gateway.base_url) == []
    page.goto("/dashboard/overview")
    page.wait_for_url("**/dashboard/sign-in?next=*")


def test_a_refusal_is_told_plainly_and_leaves_nothing_in_the_address(page, provider):
    provider.person = {**ANN, "email_verified": False}
    sign_in(page)
    page.wait_for_url("**/dashboard/sign-in?refused=unverified_email")
    assert page.inner_text("#sign-in-error") == "The provider has not verified your e-mail address."
    assert page.context.cookies() == []


def test_the_role_and_with_it_the_open_page_goes_with_the_group(chromium, page, gateway, provider):
    provider.person = {**ANN, "groups": ["admins"]}
    sign_in(page)
    page.wait_for_url("**/dashboard/overview")
    settled(page)
    assert page.inner_text("#who") == "Ann Example · admin"
    provider.person = dict(ANN)
    with closing(chromium.new_context(base_url=gateway.base_url)) as elsewhere:
        other = elsewhere.new_page()
        sign_in(other)
        other.wait_for_url("**/dashboard/overview")
    page.click("#nav >> text=Costs")
    page.wait_for_url("**/dashboard/sign-in?next=*costs*")
