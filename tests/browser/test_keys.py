from __future__ import annotations

from tests.browser.conftest import span_of
from tests.control.dashboard.fake_traffic import HOSTILE_KEY


def act(page, key: str, what: str) -> None:
    page.get_by_role("button", name=f"Actions for key {key}", exact=True).click()
    page.locator(".popover-panel:visible").get_by_text(what, exact=True).click()


def test_each_key_stands_with_what_it_spent(show, api, world):
    span = span_of(world)
    page = show(f"keys?{span}")
    spent = {row["group"]["key"]: row["cost_nanousd"] for row in api.get(f"/usage?{span}&group_by=key").json()["data"]}
    shown = page.locator("#keys tbody tr").evaluate_all(
        """rows => rows.map((row) => [
            new URL(row.querySelector("a").href).searchParams.get("key"),
            Number(row.querySelector('[data-nanousd]').dataset.nanousd)
        ])"""
    )
    assert dict(shown) == {key["id"]: spent.get(key["id"], 0) for key in world.keys}


def test_a_new_key_shows_its_secret_once(show, page, world):
    show("keys")
    page.click("#new-key")
    page.get_by_label("Name").fill("a new one")
    page.get_by_label("Models").fill("openai/*\n\ngemini/gemini-2.5-flash")
    page.get_by_label("Team").select_option("support")
    page.click("dialog .button.primary")
    assert page.inner_text("#new-secret") == "wb-secret-of-a-new-key"
    page.click("dialog .button.primary")
    page.get_by_role("link", name="a new one").wait_for()
    assert page.locator("text=wb-secret-of-a-new-key").count() == 0
    made = world.keys[0]
    assert (made["models"], made["team"], made["is_admin"]) == (["openai/*", "gemini/gemini-2.5-flash"], "support", False)


def test_a_name_that_is_taken_is_told_beside_the_form(show, page, watch):
    watch.expected.append("409")
    show("keys")
    page.click("#new-key")
    page.get_by_label("Name").fill("support-bot")
    page.click("dialog .button.primary")
    page.wait_for_selector("dialog .form-error:not(:empty)")
    assert page.inner_text("dialog .form-error") == "there is a key named support-bot already"
    assert page.input_value("dialog input") == "support-bot"


def test_rotating_shows_the_new_secret(show, page):
    show("keys")
    act(page, "support-bot", "Rotate")
    page.click("dialog .button.primary")
    assert page.inner_text("#new-secret") == "wb-secret-of-a-rotated-key"


def test_a_key_is_blocked_and_unblocked(show, page, world):
    show("keys")
    for word, state in (("Block", True), ("Unblock", False)):
        act(page, "support-bot", word)
        page.click(f"dialog .dialog-foot >> text={word}")
        page.wait_for_selector("dialog", state="detached")
        assert next(key for key in world.keys if key["name"] == "support-bot")["is_blocked"] is state
        page.get_by_text("blocked").wait_for(state="visible" if state else "detached")


def test_revoking_asks_first_and_hides_the_key(show, page, world):
    show("keys")
    act(page, HOSTILE_KEY, "Revoke for good")
    assert page.inner_text("dialog h2") == f"Revoke {HOSTILE_KEY}?"
    page.click("dialog >> text=Cancel")
    assert all(key["state"] == "active" for key in world.keys)
    act(page, HOSTILE_KEY, "Revoke for good")
    page.click("dialog .button.danger")
    page.get_by_role("link", name=HOSTILE_KEY).wait_for(state="detached")
    page.click("#show-revoked")
    page.get_by_role("link", name=HOSTILE_KEY).wait_for()


def test_a_change_is_made_to_what_was_seen(show, page, world):
    show("keys")
    act(page, "checkout-web", "Change")
    page.get_by_label("Models").fill("")
    page.click("dialog .button.primary")
    page.wait_for_selector("text=Key checkout-web was changed.")
    assert next(key for key in world.keys if key["name"] == "checkout-web")["models"] == []


def test_escape_closes_a_dialog_and_gives_the_focus_back(show, page):
    show("keys")
    page.focus("#new-key")
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog[open]")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="detached")
    assert page.evaluate("document.activeElement.id") == "new-key"
