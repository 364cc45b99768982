from __future__ import annotations

from html.parser import HTMLParser

import pytest

from weighbridge.control.dashboard.assets import load_assets
from weighbridge.control.dashboard.pages import PAGES, page_of, render_pages


@pytest.mark.parametrize("path", ["overview", "requests/req_1", "sessions/a%20run", "sign-in", "settings"])
def test_paths_of_pages(path):
    assert page_of(path) == path.partition("/")[0]


@pytest.mark.parametrize("path", ["", "nothing", "overview/x", "requests/a/b", "keys/key_1", "sign-in/x", "../overview"])
def test_other_paths(path):
    assert page_of(path) is None


class Shell(HTMLParser):
    """What a page loads and says in its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.script_text = ""
        self._in_script = False
        self.current: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        told = dict(attrs)
        self.tags.append(tag)
        self.attributes += told
        if tag in ("script", "link", "img"):
            self.loaded.append(told.get("src") or told.get("href"))
        if told.get("aria-current"):
            self.current.append(told["href"])
        self._in_script = tag in ("script", "style")

    def handle_endtag(self, tag):
        self._in_script = False

    def handle_data(self, data):
        if self._in_script:
            self.script_text += data


@pytest.fixture(scope="module")
def shells() -> dict[str, Shell]:
    return {name: Shell(asset.body.decode()) for name, asset in render_pages(load_assets()).items()}


def test_every_page_has_its_shell(shells):
    assert shells.keys() == {page.name for page in PAGES} | {"sign-in"}


def test_whatever_a_shell_loads_is_one_of_our_files(shells):
    assets = load_assets()
    top = f"/dashboard/static/{assets.version}/"
    for shell in shells.values():
        assert shell.loaded
        assert all(path.startswith(top) and path.removeprefix(top) in assets.by_path for path in shell.loaded)


def test_no_shell_has_a_script_a_style_or_a_handler_inside(shells):
    for shell in shells.values():
        assert shell.script_text.strip() == ""
        assert not [name for name in shell.attributes if name == "style" or name.startswith("on")]


def test_the_navigation_says_where_one_is(shells):
    assert shells["costs"].current == ["/dashboard/costs"]


def test_every_module_that_most_pages_need_is_preloaded(shells):
    assert any(path.endswith("/charts/time_chart.js") for path in shells["overview"].loaded)
