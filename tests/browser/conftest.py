"""A real Chromium before the dashboard of a fake gateway. Every test fails that leaves an error on the console, lets a script of
somebody else run, or asks another host for anything."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from tests.control.dashboard.fake_gateway import CSRF, World, fake_gateway

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
N_REQUESTS = 900
WIDE = {"width": 1440, "height": 900}


# Not for the whole session: while Playwright runs, its event loop is in the way of tests that bring their own.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"no browser: install one of {', '.join(BROWSERS)}")
    with sync_playwright() as playwright:
        # Without its sandbox, which a container's root cannot set up: it opens nothing but our own pages.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


@pytest.fixture
def world() -> World:
    return World(N_REQUESTS)


class Stage:
    """An address at which one fake gateway after another is served: to start a server for each test took a third of its time."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.app = None

    def show(self, world: World) -> None:
        self.app = fake_gateway(world)


@contextmanager
def staged() -> Iterator[Stage]:
    """A server for whatever is shown on it."""
    stage = Stage("")

    async def shown(scope, receive, send):
        await stage.app(scope, receive, send)

    server = uvicorn.Server(uvicorn.Config(shown, port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not (server.started and server.servers):
        assert thread.is_alive()
    stage.address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    yield stage
    server.should_exit = True
    server.force_exit = True
    thread.join()


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with staged() as made:
        yield made


@pytest.fixture
def base(stage: Stage, world: World) -> str:
    """The fake gateway's address."""
    stage.show(world)
    return stage.address


class Watch:
    """What a page did that it must not, and how to look at it."""

    def __init__(self, base: str) -> None:
        self.host = urlsplit(base).netloc
        self.wrong: list[str] = []
        self.expected: list[str] = []

    def over(self, page: Page) -> None:
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.wrong.append(f"uncaught: {error}"))
        page.on("request", self._asked)

    def _heard(self, message) -> None:
        is_expected = any(part in message.text for part in self.expected)
        if message.type in ("error", "warning") and not is_expected:
            self.wrong.append(f"{message.type}: {message.text}")

    def _asked(self, request) -> None:
        url = urlsplit(request.url)
        if url.scheme not in ("data", "blob") and url.netloc != self.host:
            self.wrong.append(f"asked {request.url}")


@pytest.fixture
def watch(base: str) -> Iterator[Watch]:
    watching = Watch(base)
    yield watching
    assert watching.wrong == []


def signed_in(chromium: Browser, base: str, world: World, viewport: dict[str, int] = WIDE) -> BrowserContext:
    """A browser in which somebody is signed in."""
    made = chromium.new_context(base_url=base, viewport=viewport, color_scheme="light", reduced_motion="reduce", timezone_id="UTC")
    made.set_default_timeout(10_000)
    world.sessions.add("ses_test")
    made.add_cookies([{"name": "session", "value": "ses_test", "url": base, "httpOnly": True}])
    return made


@pytest.fixture
def context(chromium: Browser, base: str, world: World) -> Iterator[BrowserContext]:
    with closing(signed_in(chromium, base, world)) as made:
        yield made


@pytest.fixture
def page(context: BrowserContext, watch: Watch) -> Page:
    opened = context.new_page()
    watch.over(opened)
    return opened


@pytest.fixture
def show(page: Page):
    """Open a path of the dashboard and wait until it is shown."""
    return lambda path: opened(page, path)


def opened(page: Page, path: str) -> Page:
    page.goto(f"/dashboard/{path}")
    settled(page)
    return page


def settled(page: Page) -> None:
    """Until what is shown is what the address says: it stands there before the page does, and only a slow page is busy."""
    page.wait_for_function(
        """() => {
          const main = document.querySelector("main");
          return main?.ariaBusy === "false" && (main.dataset.shows ?? here()) === here();
          function here() { return location.pathname + location.search; }
        }"""
    )


@pytest.fixture
def api(base: str, world: World) -> Iterator[httpx.Client]:
    """The admin API, past the dashboard."""
    world.sessions.add("ses_api")
    with httpx.Client(base_url=f"{base}/admin/v1", cookies={"session": "ses_api"}, headers={"x-csrf-token": CSRF}) as client:
        yield client


def span_of(world: World, hours: int = 24) -> str:
    """A span that stands still, as parameters: what is relative to now would give page and test different figures."""

    start = (world.now - timedelta(hours=hours)).isoformat().replace("+00:00", "Z")
    end = (world.now + timedelta(seconds=1)).isoformat().replace("+00:00", "Z")
    return f"from={start}&to={end}"
