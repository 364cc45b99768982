"""Signing in at an OpenID provider: the way in, and every way in which somebody else's answer stays out."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from tests.control.oidc.openid_provider import ANN, CLIENT, new_key

from weighbridge.auth.people import Place, Role
from weighbridge.auth.sign_in_rules import RoleRule, SignInRules
from weighbridge.control.oidc.calls import Calls
from weighbridge.control.oidc.flow import HOME, LIFETIME_NS
from weighbridge.control.oidc.provider import REST_NS
from weighbridge.control.sessions import COOKIE, IDLE_NS
from weighbridge.core.clock import NS_PER_S
from weighbridge.core.terms import Deadlines
from weighbridge.storage.people_store import NewUser, UserChange
from weighbridge.storage.transactions import Act

HAND = Act("key:root")


async def test_whoever_signs_in_there_is_signed_in_here(arrival, store):
    reply = await arrival.whole(next="/dashboard/costs?by=team")
    assert reply.headers["location"] == "/dashboard/costs?by=team"
    cookies = {line.partition("=")[0]: line.lower() for line in reply.headers.get_list("set-cookie")}
    assert all(mark in cookies[COOKIE] for mark in ("httponly", "samesite=strict", "path=/;"))
    told = (await arrival.browser.get("/session")).json()["user"]
    assert (told["name"], told["email"], told["role"]) == ("Ann Example", "ann@example.org", "viewer")
    made = store.people.user_of("ann@example.org")
    assert (made.issuer, made.subject, made.has_password) == (arrival.provider.issuer, "ann-1", False)
    assert (await arrival.browser.get("/status")).status_code == 200
    unsafe = await arrival.browser.post("/keys", json={"name": "x"})
    assert (unsafe.status_code, unsafe.json()["error"]["code"]) == (403, "csrf")


async def test_who_came_and_who_was_made_is_in_the_audit_log(arrival, admin):
    key = admin.headers.pop("authorization")
    await arrival.whole()
    entries = (await admin.get("/audit", headers={"authorization": key})).json()["data"]
    assert [(each["actor"], each["action"], each["kind"]) for each in entries[:2]] == [
        ("user:ann@example.org", "sign_in", "session"),
        ("sign-in", "create", "user"),
    ]
    assert "at-1" not in str(entries)


async def test_the_question_is_bound_to_this_browser_and_tells_no_secret(arrival):
    reply = await arrival.browser.get("/session/oidc/start")
    cookie = reply.headers["set-cookie"].lower()
    marks = ("httponly", "samesite=lax", "path=/admin/v1/session/oidc", "max-age=600")
    assert all(mark in cookie for mark in marks)
    query = dict(parse_qsl(urlsplit(reply.headers["location"]).query))
    assert query["code_challenge_method"] == "S256"
    assert len({query["state"], query["nonce"], query["code_challenge"]}) == 3
    assert query["state"] not in cookie
    assert reply.headers["cache-control"] == "no-store"
    again = dict(parse_qsl(urlsplit(await arrival.begin()).query))
    assert not {query["state"], query["nonce"]} & {again["state"], again["nonce"]}


async def test_behind_https_the_cookies_are_for_https_alone(arrival, gateway):
    gateway.sign_in = SignInRules(public_url="https://gateway", oidc=arrival.rules)
    started = await arrival.browser.get("/session/oidc/start")
    assert "; secure" in started.headers["set-cookie"].lower()
    assert dict(parse_qsl(urlsplit(started.headers["location"]).query))["redirect_uri"].startswith("https://gateway/")


async def test_each_sign_in_is_another_session_and_ends_the_one_before(arrival, anyone):
    await arrival.whole()
    first = anyone.cookies[COOKIE]
    await arrival.whole()
    assert anyone.cookies[COOKIE] != first
    anyone.cookies.clear()
    anyone.cookies.set(COOKIE, first)
    assert (await anyone.get("/status")).status_code == 401


async def test_a_cookie_that_somebody_planted_is_not_taken_over(arrival, anyone):
    answer = await arrival.consent(await arrival.begin())
    [begun] = [f"{name}={value}" for name, value in anyone.cookies.items()]
    reply = await anyone.get("/session/oidc/callback", params=answer, headers={"cookie": f"{begun}; {COOKIE}=planted"})
    assert reply.headers["location"] == HOME
    assert "planted" not in str(reply.headers)
    anyone.cookies.clear()
    assert (await anyone.get("/status", headers={"cookie": f"{COOKIE}=planted"})).status_code == 401


# --- answers that are not this browser's -------------------------------------------------------------------------------


async def test_an_answer_with_another_state_is_refused(arrival):
    answer = await arrival.consent(await arrival.begin())
    assert arrival.word(await arrival.end({**answer, "state": "forged"})) == "stale"
    assert arrival.word(await arrival.end({"code": answer["code"]})) == "stale"
    assert "/token" not in arrival.provider.asked


async def test_another_browsers_answer_is_refused(arrival):
    # Login CSRF: somebody has a victim's browser end the sign-in that he has begun himself.
    answer = await arrival.consent(await arrival.begin())
    arrival.browser.cookies.clear()
    assert arrival.word(await arrival.end(answer)) == "stale"
    await arrival.begin()
    assert arrival.word(await arrival.end(answer)) == "stale"


async def test_an_answer_counts_once(arrival):
    cookie = None
    answer = await arrival.consent(await arrival.begin())
    cookie = dict(arrival.browser.cookies)
    assert (await arrival.end(answer)).headers["location"] == HOME
    arrival.browser.cookies.clear()
    arrival.browser.cookies.update(cookie)
    assert arrival.word(await arrival.end(answer)) == "stale"
    assert arrival.provider.asked.count("/token") == 1


async def test_a_code_that_was_used_elsewhere_opens_nothing(arrival):
    answer = await arrival.consent(await arrival.begin())
    arrival.provider.codes.clear()
    assert arrival.word(await arrival.end(answer)) == "not_trusted"


async def test_an_answer_that_comes_too_late_is_refused(arrival, clock):
    answer = await arrival.consent(await arrival.begin())
    clock.wall += LIFETIME_NS + 1
    assert arrival.word(await arrival.end(answer)) == "stale"


async def test_whoever_changes_their_mind_is_told_so(arrival):
    state = (await arrival.consent(await arrival.begin()))["state"]
    assert arrival.word(await arrival.end({"error": "access_denied", "state": state})) == "cancelled"
    state = (await arrival.consent(await arrival.begin()))["state"]
    assert arrival.word(await arrival.end({"error": "unauthorized_client", "state": state})) == "rejected"


async def test_an_answer_of_another_issuer_is_refused(arrival):
    arrival.provider.answer = {"iss": "https://evil.test"}
    assert await arrival.refused() == "not_trusted"
    arrival.provider.answer = {"iss": arrival.provider.issuer}
    assert (await arrival.whole()).headers["location"] == HOME


async def test_a_link_cannot_lead_from_signing_in_to_another_place(arrival):
    for elsewhere in (
        "https://evil.test/dashboard/x",
        "//evil.test/dashboard/",
        "/dashboard/../admin/v1/keys",
        "/dashboard/x\r\na: b",
    ):
        assert (await arrival.whole(next=elsewhere)).headers["location"] == HOME


# --- tokens that do not hold -------------------------------------------------------------------------------------------


async def test_a_token_that_does_not_hold_opens_nothing(arrival, store, clock):
    # One of each kind; tests/control/oidc/test_id_token.py has them all.
    for claims in ({"nonce": "x"}, {"aud": "x"}, {"iss": "https://evil.test"}, {"exp": 1_799_999_000}, {"at_hash": "AAAA"}):
        arrival.provider.alter = claims
        assert await arrival.refused() == "not_trusted"
        clock.wall += 3600 * NS_PER_S
    assert store.people.users().items == ()


async def test_a_token_that_the_provider_has_not_signed_opens_nothing(arrival, store, clock):
    provider = arrival.provider
    another = new_key(provider.signing.kid)
    for forge in (provider.unsigned, provider.signed_with_the_public_key, lambda claims: provider.signed(claims, key=another)):
        provider.sign = forge
        assert await arrival.refused() == "not_trusted"
        clock.wall += 3600 * NS_PER_S
    assert store.people.users().items == ()


async def test_what_is_refused_is_told_to_the_operator_without_a_token(arrival, capsys):
    arrival.provider.alter = {"aud": "another"}
    await arrival.refused()
    told = capsys.readouterr().err
    assert "the ID token does not hold" in told
    assert "aud" in told
    assert "eyJ" not in told
    assert "at-1" not in told


async def test_whoever_tries_with_wrong_answers_has_to_wait(arrival, clock):
    arrival.provider.alter = {"nonce": "another"}
    for _ in range(5):
        assert await arrival.refused() == "not_trusted"
    arrival.provider.alter = {}
    assert await arrival.refused() == "locked_out"
    clock.wall += 2 * NS_PER_S
    assert (await arrival.whole()).headers["location"] == HOME


# --- people ------------------------------------------------------------------------------------------------------------


async def test_who_may_not_come_in_is_told_why_and_leaves_no_trace(arrival, store):
    for person, changes, word in (
        ({"email_verified": False}, {}, "unverified_email"),
        ({"email": "ann"}, {}, "no_email"),
        ({}, {"allowed_domains": frozenset({"acme.test"})}, "other_domain"),
        ({"groups": []}, {}, "no_role"),
        ({"groups": None, "_claim_names": {"groups": "src1"}}, {}, "groups_left_out"),
        ({}, {"creates_users": False}, "unknown_user"),
        ({}, {"roles": (RoleRule(Role.VIEWER, "staff", Place("", "gone")),)}, "no_role"),
    ):
        kept = arrival.rules
        arrival.set(**changes)
        arrival.provider.alter = person
        assert await arrival.refused() == word
        arrival.rules = kept
    assert store.people.users().items == ()


async def test_a_role_goes_with_the_group_and_the_session_with_the_role(arrival, store, anyone):
    arrival.provider.person = {**ANN, "groups": ["staff", "admins"]}
    await arrival.whole()
    assert (await anyone.get("/session")).json()["user"]["role"] == "admin"
    here = dict(anyone.cookies)
    arrival.provider.person = ANN
    anyone.cookies.clear()
    await arrival.whole()
    assert (await anyone.get("/session")).json()["user"]["role"] == "viewer"
    anyone.cookies.clear()
    anyone.cookies.update(here)
    assert (await anyone.get("/status")).status_code == 401
    arrival.provider.person = {**ANN, "groups": []}
    assert await arrival.refused() == "no_role"
    assert store.people.user_of("ann@example.org").role is Role.NONE


async def test_a_role_by_hand_stays_whatever_the_groups_are(arrival, store, anyone):
    store.people.create_user(NewUser("Ann", Role.BILLING, "ann@example.org"), HAND)
    arrival.set(creates_users=False)
    for groups in (["admins"], []):
        arrival.provider.person = {**ANN, "groups": groups}
        await arrival.whole()
        assert (await anyone.get("/session")).json()["user"]["role"] == "billing"


@pytest.mark.parametrize(
    "change", [UserChange(is_blocked=True), UserChange(role=Role.ADMIN), UserChange(forgets_account=True), None], ids=str
)
async def test_a_session_ends_when_its_user_is_blocked_changed_or_gone(arrival, store, anyone, change):
    await arrival.whole()
    assert (await anyone.get("/status")).status_code == 200
    user = store.people.user_of("ann@example.org")
    if change is None:
        store.people.delete_user(user.id, HAND, None)
    else:
        store.people.change_user(user.id, change, HAND, None)
    assert (await anyone.get("/status")).status_code == 401


async def test_who_is_blocked_is_refused(arrival, store):
    await arrival.whole()
    store.people.change_user(store.people.user_of("ann@example.org").id, UserChange(is_blocked=True), HAND, None)
    assert await arrival.refused() == "blocked"


async def test_a_session_ends_when_it_was_idle_or_its_provider_is_gone(arrival, gateway, anyone, clock):
    await arrival.whole()
    kept = gateway.sign_in
    gateway.sign_in = SignInRules()
    assert (await anyone.get("/status")).status_code == 401
    gateway.sign_in = kept
    assert (await anyone.get("/status")).status_code == 200
    clock.wall += IDLE_NS + 1
    assert (await anyone.get("/status")).status_code == 401


async def test_groups_and_address_are_asked_for_where_the_token_does_not_tell(arrival, anyone):
    arrival.provider.alter = {"groups": None, "email": None, "email_verified": None}
    arrival.provider.userinfo = {**ANN, "groups": ["admins"]}
    await arrival.whole()
    assert (await anyone.get("/session")).json()["user"]["role"] == "admin"
    arrival.provider.userinfo = {**ANN, "sub": "somebody else"}
    assert await arrival.refused() == "not_trusted"


async def test_who_came_from_a_provider_has_no_password_to_change(arrival, anyone):
    await arrival.whole()
    token = (await anyone.get("/session")).json()["csrf_token"]
    asked = {"old_password": "x", "new_password": "correct horse battery"}
    reply = await anyone.post("/session/password", json=asked, headers={"x-csrf-token": token})
    assert (reply.status_code, reply.json()["error"]["code"]) == (403, "no_password")
    assert "provider" in reply.json()["error"]["message"]


# --- signing out -------------------------------------------------------------------------------------------------------


async def signed_out(anyone) -> httpx.Response:
    token = (await anyone.get("/session")).json()["csrf_token"]
    return await anyone.delete("/session", headers={"x-csrf-token": token})


async def test_signing_out_leads_to_the_provider_and_back(arrival, anyone):
    await arrival.whole()
    reply = await signed_out(anyone)
    url = urlsplit(reply.json()["continue_at"])
    query = dict(parse_qsl(url.query))
    assert (reply.status_code, f"{url.scheme}://{url.netloc}{url.path}") == (200, f"{arrival.provider.issuer}/logout")
    assert (query["client_id"], query["post_logout_redirect_uri"]) == (CLIENT, "http://gateway/dashboard/sign-in")
    assert query["id_token_hint"].startswith("eyJ")
    assert (await anyone.get("/session")).status_code == 401


async def test_a_token_that_no_address_has_room_for_is_not_kept(arrival, anyone):
    arrival.provider.alter = {"groups": ["staff", *(f"group-{number:032}" for number in range(200))]}
    await arrival.whole()
    assert "id_token_hint" not in (await signed_out(anyone)).json()["continue_at"]


async def test_signing_out_is_all_where_the_provider_knows_no_such_thing(arrival, anyone):
    arrival.provider.documents = {"end_session_endpoint": None}
    await arrival.whole()
    assert (await signed_out(anyone)).status_code == 204


# --- the provider is not well ------------------------------------------------------------------------------------------


async def test_a_provider_that_fails_is_told_and_asked_again_later(arrival, clock):
    for path in ("/.well-known/openid-configuration", "/keys", "/token"):
        arrival.provider.status = {path: 503}
        started = await arrival.browser.get("/session/oidc/start")
        refused = started if path.startswith("/.") else await arrival.end(await arrival.consent(started.headers["location"]))
        assert arrival.word(refused) == "unavailable"
        arrival.provider.status = {}
        clock.wall += REST_NS
    assert (await arrival.whole()).headers["location"] == HOME


async def test_one_that_takes_its_time_keeps_nobody_else_waiting(arrival):
    answer = await arrival.consent(await arrival.begin())
    arrival.provider.open.clear()
    waiting = asyncio.ensure_future(arrival.end(answer))
    for _ in range(3):
        assert (await arrival.browser.get("/session/ways")).json()["oidc"]["name"] == "Acme"
    assert not waiting.done()
    arrival.provider.open.set()
    assert (await waiting).headers["location"] == HOME


class TestImpatience:
    @pytest.fixture
    def oidc_calls(self, oidc_calls):
        short = Deadlines(connect_ns=NS_PER_S, first_byte_ns=NS_PER_S // 5, between_bytes_ns=NS_PER_S // 5, total_ns=NS_PER_S)
        return Calls(oidc_calls._upstream, oidc_calls._proxies, short)

    async def test_one_that_does_not_answer_is_given_up(self, arrival):
        answer = await arrival.consent(await arrival.begin())
        arrival.provider.open.clear()
        assert arrival.word(await arrival.end(answer)) == "unavailable"


async def test_the_sign_in_page_learns_of_the_ways_there_are(anyone, gateway, arrival):
    told = (await anyone.get("/session/ways")).json()
    assert told == {"password": True, "oidc": {"name": "Acme", "start": "http://gateway/admin/v1/session/oidc/start"}}
    gateway.sign_in = SignInRules(takes_passwords=False)
    assert (await anyone.get("/session/ways")).json() == {"password": False, "oidc": None}
    assert arrival.word(await anyone.get("/session/oidc/start")) == "off"
    assert arrival.word(await anyone.get("/session/oidc/callback?code=x&state=y")) == "off"
