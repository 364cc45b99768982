"""Takes the documentation's pictures of the dashboard anew, before a fake gateway. Run by `make pictures`; needs Chromium."""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from tests.control.dashboard.fake_gateway import World, fake_gateway  # noqa: E402
from tests.control.dashboard.fake_traffic import HOSTILE_KEY, HOSTILE_MODEL  # noqa: E402

from weighbridge.control.dashboard.pages import PAGES, SIGN_IN  # noqa: E402

WIDE, NARROW = (1360, 800), (390, 844)
PLACES = {"costs": "costs?from=-7d&by=team&and=model"}
"""What of a page is shown, where that is not what its name alone leads to."""
THEMES = ("light", "dark")
SHOWN = {
    HOSTILE_KEY: "field-lab",
    HOSTILE_MODEL: "llama-3.3-70b",
    "<img src=x onerror=alert(1)>": "Staging",
    "**and** <b>found</b> not": "and found not",
}
"""Names and answers that try to run something are for tests."""
MOST_NANOUSD = 10**15
"""And so are budgets that no double can hold."""
TAMED = """(pairs) => {
  document.body.normalize();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    for (const [from, to] of pairs) walker.currentNode.data = walker.currentNode.data.replaceAll(from, to);
  }
}"""
"""What puts the words of `SHOWN` in their place."""


def main() -> None:
    """Write docs/images/*.png."""
    world = World()
    world.sessions.add("pictures")
    world.budgets = [each for each in world.budgets if each["amount"] < MOST_NANOUSD]
    server = uvicorn.Server(uvicorn.Config(fake_gateway(world), port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not (server.started and server.servers):
        pass
    base = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    retried = next(each["id"] for each in world.requests if each["attempts"] > 1 and each["key_name"] == "code-review")
    try:
        take(base, f"requests/{retried}")
    finally:
        server.should_exit = server.force_exit = True
        thread.join()


def take(base: str, request: str) -> None:
    """Each picture, in a browser of its own size and theme."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for name, place, theme, (width, height) in pictures(request):
            context = browser.new_context(base_url=base, viewport={"width": width, "height": height}, color_scheme=theme)
            if name != SIGN_IN.name:
                context.add_cookies([{"name": "session", "value": "pictures", "url": base}])
            page = shown(context.new_page(), place)
            if name == "playground":
                ask(page)
            page.evaluate(TAMED, list(SHOWN.items()))
            page.screenshot(path=IMAGES / f"dashboard-{name}-{theme}.png")
            context.close()
        browser.close()


def pictures(request: str) -> Iterator[tuple[str, str, str, tuple[int, int]]]:
    """Name, place, theme and size of each: every page in both themes."""
    places = {page.name: PLACES.get(page.name, page.name) for page in (*PAGES, SIGN_IN)} | {"request": request}
    last = places.pop("playground")  # which makes a key
    for theme in THEMES:
        for name, place in places.items():
            yield name, place, theme, WIDE
        yield "overview-narrow", "overview", theme, NARROW
    for theme in THEMES:
        yield "playground", last, theme, WIDE


def ask(page: Page) -> None:
    """The same words to two models."""
    page.click("#make-key")
    page.wait_for_selector(".pane")
    page.click("#add-pane")
    for number, model in enumerate(("smart", "openai/gpt-5-mini"), 1):
        page.get_by_label(f"Model {number}", exact=True).last.fill(model)
    page.get_by_label("Message", exact=True).fill("Weigh this")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector(".pane >> nth=1 >> text=$0.00123")


def shown(page: Page, place: str) -> Page:
    """The page, when it stands."""
    page.goto(f"/dashboard/{place}")
    page.wait_for_selector("main:not([aria-busy=true])")
    page.wait_for_load_state("networkidle")
    return page


if __name__ == "__main__":
    main()
