"""Customers' own provider keys on the dashboard."""

from __future__ import annotations

SECRET = "sk-planted-0123456789abcdef"


def act(page, owner: str, what: str) -> None:
    page.get_by_role("button", name=f"Actions for the key of {owner}").click()
    page.locator(".popover-panel:visible").get_by_text(what, exact=True).click()


def confirm(page, selector):
    """Press what closes a dialog, and wait until the page is drawn anew: what is opened on the old one goes with it."""
    page.locator("main table").first.evaluate("each => { each.dataset.old = ''; }")
    page.click(selector)
    page.wait_for_selector("dialog", state="detached")
    page.wait_for_selector("table[data-old]", state="detached")


def test_each_stands_with_whose_it_is_and_whether_it_is_used(show, world):
    page = show("provider-keys")
    rows = page.locator("#provider-keys tbody tr").all_inner_texts()
    assert len(rows) == len(world.provider_keys)
    assert sorted(word for row in rows for word in ("active", "disabled", "unreadable") if word in row) == [
        "active",
        "disabled",
        "unreadable",
    ]


def test_one_is_brought_and_its_secret_is_nowhere_on_the_page(show, page, world):
    show("provider-keys")
    page.click("#new-provider-key")
    page.get_by_label("Whose requests").select_option("team:support")
    page.get_by_label("Provider", exact=True).select_option("anthropic")
    page.get_by_label("The provider's key").fill(SECRET)
    page.get_by_label("Label").fill("Support")
    page.click("dialog .button.primary")
    page.get_by_role("rowheader", name="Team support").wait_for()
    made = world.provider_keys[0]
    assert (made["owner"], made["provider"], made["falls_back"]) == ({"kind": "team", "name": "support"}, "anthropic", False)
    assert SECRET not in page.content()
    assert "…cdef" in page.content()


def test_what_is_refused_is_told_beside_the_form(show, page, watch):
    watch.expected.append("400")
    show("provider-keys")
    page.click("#new-provider-key")
    page.get_by_label("The provider's key").fill("sk-...cdef")
    page.click("dialog .button.primary")
    page.wait_for_selector("dialog .form-error:not(:empty)")
    assert "mask" in page.inner_text("dialog .form-error")


def test_one_is_changed_disabled_enabled_and_deleted(show, page, world):
    show("provider-keys")
    act(page, "Organisation acme", "Change")
    page.get_by_label("the gateway's own keys may be used").check()
    confirm(page, "dialog .button.primary")
    assert world.provider_keys[0]["falls_back"] is True
    for word, state in (("Disable", "disabled"), ("Enable", "active")):
        act(page, "Organisation acme", word)
        confirm(page, f"dialog .dialog-foot >> text={word}")
        assert world.provider_keys[0]["state"] == state
    act(page, "Organisation acme", "Delete for good")
    page.click("dialog .button.danger")
    page.get_by_role("rowheader", name="Organisation acme").wait_for(state="detached")
    assert all(key["owner"]["name"] != "acme" for key in world.provider_keys)


def test_without_a_master_key_the_page_says_what_is_missing(show, world):
    world.can_bring = False
    page = show("provider-keys")
    assert "provider_keys.master_keys" in page.inner_text("#no-master-key")
    assert page.locator("#new-provider-key").count() == 0
