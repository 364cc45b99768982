"""Teams, organisations and users."""

from __future__ import annotations

import pytest
from tests.browser.conftest import span_of

from weighbridge.auth.people import EVERYWHERE, Place, Role
from weighbridge.auth.permissions import Actor, Permission


def test_teams_stand_with_what_they_spent(show, api, world):
    span = span_of(world)
    page = show(f"teams?{span}")
    spent = {row["group"]["team"]: row["cost_nanousd"] for row in api.get(f"/usage?{span}&group_by=team").json()["data"]}
    shown = page.locator("#teams tbody tr").evaluate_all(
        """rows => rows.map((row) => [
            row.querySelector('a').textContent, Number(row.querySelector('[data-nanousd]').dataset.nanousd)
        ])"""
    )
    assert dict(shown) == {team["name"]: spent.get(team["name"], 0) for team in world.teams}


def test_a_team_is_made_blocked_and_deleted(show, page, world):
    show("teams")
    page.click("#new-team")
    page.get_by_label("Name", exact=True).fill("legal")
    page.get_by_label("Organisation", exact=True).select_option("umbra")
    page.click("dialog .button.primary")
    page.get_by_role("button", name="Block legal").click()
    assert world.teams[-1]["organisation"] == "umbra"
    page.click("dialog .button.danger")
    page.get_by_role("button", name="Unblock legal").wait_for()
    assert world.teams[-1]["is_blocked"]
    page.get_by_role("button", name="Delete legal").click()
    page.click("dialog .button.danger")
    page.get_by_role("button", name="Delete legal").wait_for(state="detached")
    assert "legal" not in [team["name"] for team in world.teams]


def test_an_organisation_is_made(show, page, world):
    show("teams")
    page.click("#new-organisation")
    page.get_by_label("Name", exact=True).fill("globex")
    page.click("dialog .button.primary")
    page.get_by_role("link", name="globex").wait_for()


def test_a_user_is_made_with_a_role_and_a_password_that_is_shown_nowhere(show, page, world):
    show("users")
    page.click("#new-user")
    page.get_by_label("Name", exact=True).fill("Noor")
    page.get_by_label("E-mail").fill("noor@example.com")
    page.get_by_label("Role", exact=True).select_option("billing")
    page.get_by_label("Where the role counts").select_option("team:payments")
    page.get_by_label("Password").fill("a long enough password")
    page.click("dialog .button.primary")
    page.get_by_role("button", name="Change Noor").wait_for()
    assert (world.users[-1]["role"], world.users[-1]["team"], world.users[-1]["email"]) == (
        "billing",
        "payments",
        "noor@example.com",
    )
    assert page.locator("text=a long enough password").count() == 0


def test_a_user_is_blocked(show, page, world):
    show("users")
    page.get_by_role("button", name="Block Maria").click()
    page.click("dialog .button.danger")
    page.get_by_role("button", name="Unblock Maria").wait_for()
    assert world.users[0]["is_blocked"] is True


def test_what_somebody_else_has_changed_meanwhile_is_told(show, page, world, watch):
    watch.expected.append("412")
    show("users")
    page.get_by_role("button", name="Change Maria").click()
    page.route(
        "**/admin/v1/users/user_0",
        lambda route: (world.versions.update(user_0=9) if route.request.method == "PATCH" else None, route.continue_()),
    )
    page.click("dialog .button.primary")
    page.wait_for_selector("dialog .form-error:not(:empty)")
    assert page.inner_text("dialog .form-error") == "somebody else has changed it"


def test_budgets_of_teams_are_bars(show):
    page = show("teams")
    assert page.get_by_role("img", name="Team research: 95.2% used").count() == 1


def signed_in(page, role, place=EVERYWHERE):
    """Whoever looks has this role from now on."""
    actor = Actor("user:vi", Role(role), place)
    may = [permission.name.lower() for permission in Permission if actor.may(permission)]
    user = {"name": "Vi", "role": role, "email": "vi@example.com", "organisation": "", "team": place.team, "may": may}
    page.route("**/admin/v1/session", lambda route: route.fulfill(json={"csrf_token": "x", "user": user}))


@pytest.mark.parametrize(
    ("path", "control", "by"),
    [
        ("keys", "#new-key", {"admin", "member"}),
        ("teams", "#new-team", {"admin"}),
        ("users", "text=Block", {"admin"}),
        ("budgets", "#new-budget", {"admin", "billing"}),
        ("settings", "#reload", {"admin"}),
    ],
)
@pytest.mark.parametrize("role", ["admin", "member", "viewer", "billing"])
def test_who_may_only_look_is_offered_nothing_that_changes(show, page, path, control, by, role):
    signed_in(page, role)
    show(path)
    assert page.locator(control).first.is_visible() is (role in by)


def test_a_teams_own_people_see_the_pages_that_they_may_see(show, page):
    signed_in(page, "member", Place("acme", "payments"))
    show("keys")
    shown = page.locator("#nav a").evaluate_all(
        "links => links.filter((link) => link.checkVisibility()).map((link) => link.dataset.page)"
    )
    assert shown == [
        "overview",
        "requests",
        "sessions",
        "playground",
        "costs",
        "caches",
        "budgets",
        "keys",
        "provider-keys",
        "teams",
        "users",
    ]
    assert page.locator(".nav-title:visible").all_inner_texts()[-1].lower() == "access"
    assert "payments" in page.inner_text("#who")


def test_a_budget_leads_to_the_requests_of_its_period(show):
    page = show("teams")
    page.get_by_role("link", name="Team research").click()
    page.wait_for_selector("#shown-count")
    assert "team=research" in page.url
    assert "from=" in page.url
