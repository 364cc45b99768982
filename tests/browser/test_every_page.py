"""What holds for each page: nothing hostile runs, nothing leaves the host, everybody can use it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page
from tests.browser.conftest import N_REQUESTS, WIDE, Stage, Watch, opened, settled, signed_in
from tests.control.dashboard.fake_gateway import World

from weighbridge.control.dashboard.pages import PAGES

NAMES = [page.name for page in PAGES]
MANY = [
    *NAMES,
    "requests?from=-7d&failed=1&team=R%26D+%22north%22",
    "costs?from=-30d&by=key&and=model",
    "overview?by=model&from=-7d",
    "sessions/run-1?from=-16d",
]
TELEPHONE = {"width": 360, "height": 740}
AXE_RULES = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
COLOUR_RULES = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
"""What another theme can break: the rest of a page is the same in both."""


def violations(page: Page, rules: dict[str, object] = AXE_RULES) -> list[str]:
    # What passed is told in half of the time if nobody wants to know each place where it did.
    found = Axe().run(page, options={"runOnly": rules, "resultTypes": ["violations"]}).response
    return [
        f"{each['id']}: {node['html'][:120]} {node['failureSummary'][:200]}"
        for each in found["violations"]
        for node in each["nodes"]
    ]


@contextmanager
def kept_open(chromium: Browser, stage: Stage, path: str, viewport: dict[str, int]) -> Iterator[Page]:
    """A page that several tests look at, one after another: to open one takes as long as most of them."""
    world = World(N_REQUESTS)
    stage.show(world)
    watching = Watch(stage.address)
    with closing(signed_in(chromium, stage.address, world, viewport)) as context:
        page = context.new_page()
        watching.over(page)
        yield opened(page, path)
    assert watching.wrong == []


@pytest.fixture(scope="module")
def wide(chromium, stage, request) -> Iterator[Page]:
    with kept_open(chromium, stage, request.param, WIDE) as page:
        yield page


@pytest.fixture(scope="module")
def narrow(chromium, stage, request) -> Iterator[Page]:
    with kept_open(chromium, stage, request.param, TELEPHONE) as page:
        yield page


@pytest.mark.parametrize("narrow", MANY, indirect=True)
def test_every_page_is_shown_by_the_strict_policy_and_nothing_that_a_key_or_a_model_is_called_runs(narrow):
    page = narrow
    assert page.locator("h1").count() == 1
    assert page.locator(".notice.bad").count() == 0
    assert page.locator("h1").inner_text() in page.title()
    assert page.locator("main img, main script, main iframe").count() == 0


@pytest.mark.parametrize("wide", MANY, indirect=True)
def test_every_page_passes_axe_in_both_themes(wide):
    assert violations(wide) == []
    wide.emulate_media(color_scheme="dark")
    assert violations(wide, COLOUR_RULES) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_one_request_passes_axe(show, page, world, theme):
    page.emulate_media(color_scheme=theme)
    show(f"requests/{next(each['id'] for each in world.requests if each['attempts'] > 1)}")
    assert violations(page) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_sign_in_page_passes_axe(chromium, base, watch, theme):
    context = chromium.new_context(base_url=base, color_scheme=theme)
    page = context.new_page()
    watch.over(page)
    page.goto("/dashboard/sign-in")
    assert violations(page) == []
    context.close()


@pytest.mark.parametrize("opener", ["#new-key", "#new-budget", "#new-user", "#new-team", "#add-filter", "#range-custom"])
def test_dialogs_and_popovers_pass_axe(show, opener):
    path = {"#new-key": "keys", "#new-budget": "budgets", "#new-user": "users", "#new-team": "teams"}.get(opener, "overview")
    page = show(path)
    page.click(opener)
    assert violations(page) == []


@pytest.mark.parametrize("narrow", MANY, indirect=True)
def test_no_page_is_wider_than_a_telephone(narrow):
    assert narrow.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0


def test_the_menu_of_a_narrow_screen_opens_and_closes_again(show, page):
    page.set_viewport_size({"width": 390, "height": 800})
    show("overview")
    assert not page.is_visible("#nav")
    page.click("#menu-button")
    assert page.get_attribute("#menu-button", "aria-expanded") == "true"
    page.click("#nav >> text=Costs")
    page.wait_for_selector("h1:text-is('Costs')")
    assert not page.is_visible("#nav")


def test_the_first_tab_stop_leads_past_the_navigation(show, page):
    show("overview")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


@pytest.mark.parametrize("wide", NAMES, indirect=True)
def test_every_control_is_reached_by_tab_and_shows_that_it_has_the_focus(wide):
    page = wide
    wanted = page.evaluate(
        """() => [...document.querySelectorAll('a[href], button, input, select, textarea, [tabindex="0"]')]
            .filter((each) => each.checkVisibility() && !each.disabled && each.tabIndex >= 0).length"""
    )
    page.focus(".skip")
    page.evaluate("document.activeElement.dataset.reached = 1")
    reached, unseen = 1, []
    for _ in range(wanted + 5):
        page.keyboard.press("Tab")
        told = page.evaluate(
            """() => {
                const at = document.activeElement;
                if (at === document.body || at.dataset.reached) return null;
                at.dataset.reached = "1";
                const style = getComputedStyle(at);
                const outline = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
                return { text: at.outerHTML.slice(0, 80), outline };
            }"""
        )
        if told is None:
            break
        reached += 1
        if not told["outline"]:
            unseen.append(told["text"])
    assert unseen == []
    assert reached == wanted


def test_pages_are_changed_without_loading_anew_and_back_leads_back(show, page):
    show("overview")
    page.evaluate("window.stays = true")
    for link, heading in (("Costs", "Costs"), ("Keys", "Keys")):
        page.click(f"#nav >> text={link}")
        page.wait_for_selector(f"h1:text-is('{heading}')")
    page.go_back()
    page.wait_for_selector("h1:text-is('Costs')")
    assert page.evaluate("window.stays") is True
    assert page.get_attribute("#nav a[aria-current]", "data-page") == "costs"


def test_the_chosen_theme_stays_and_can_be_given_back_to_the_system(show, page):
    show("overview")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.click("#theme-button")
    page.click("#theme-button")
    assert page.inner_text("#theme-button") == "Theme: dark"
    dark = page.evaluate(ground)
    assert dark != light
    page.reload()
    settled(page)
    assert page.evaluate(ground) == dark
    page.click("#theme-button")
    assert page.evaluate(ground) == light


def test_a_gateway_that_fails_is_told_and_can_be_asked_again(show, page, world, watch):
    watch.expected.append("500")
    broken = True
    page.route(
        "**/admin/v1/usage?*",
        lambda route: (
            route.fulfill(status=500, json={"error": {"message": "the gateway has failed"}}) if broken else route.continue_()
        ),
    )
    show("overview")
    assert "the gateway has failed" in page.inner_text("main [role=alert]")
    broken = False
    page.click("text=Try again")
    page.wait_for_selector("#tile-spend")


PAIRS = [
    *(
        (text, ground, 4.5)
        for text in ("text", "text-soft", "text-faint", "accent", "bad", "good", "warn", "info")
        for ground in ("ground", "surface", "raised", "hover")
    ),
    *((text, "sunken", 4.5) for text in ("text", "text-soft", "text-faint")),
    ("accent-strong", "accent-wash", 4.5),
    ("on-accent", "accent", 4.5),
    ("on-accent", "accent-strong", 4.5),
    ("text", "chosen", 4.5),
    ("good", "good-wash", 4.5),
    ("warn", "warn-wash", 4.5),
    ("bad", "bad-wash", 4.5),
    ("info", "info-wash", 4.5),
    ("text", "bad-wash", 4.5),
    *((f"series-{n}", "surface", 3.0) for n in range(1, 9)),
    ("control-line", "surface", 3.0),
    ("control-line", "ground", 3.0),
    ("focus", "surface", 3.0),
]


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_pair_of_colours_is_told_apart_also_in_charts(show, page, theme):
    # axe cannot judge text and lines inside SVG, so that the colours themselves are measured (WCAG 2.2, 1.4.3 and 1.4.11).
    page.emulate_media(color_scheme=theme)
    show("overview")
    names = sorted({name for pair in PAIRS for name in pair[:2]})
    colours = page.evaluate(
        """(names) => {
            const style = getComputedStyle(document.documentElement);
            return Object.fromEntries(names.map((name) => [name, style.getPropertyValue('--' + name)]));
        }""",
        names,
    )
    poor = []
    for front, back, least in PAIRS:
        low, high = sorted((luminance(colours[front]), luminance(colours[back])))
        if (ratio := (high + 0.05) / (low + 0.05)) < least:
            poor.append(f"{front} on {back}: {ratio:.2f}, {least} wanted")
    assert poor == []
