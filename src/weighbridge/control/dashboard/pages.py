"""The pages of the dashboard by their paths, as the HTML shells that scripts fill. A shell holds no figure and no name, so that it
needs no signing in; what it shows comes from the admin API, which does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from weighbridge.control.dashboard.assets import Asset, Assets

PREFIX: Final = "/dashboard"


@dataclass(frozen=True, slots=True)
class Page:
    """A page. `group` is the heading under which the navigation has it; empty: the navigation does not."""

    name: str
    title: str
    group: str = ""

    @property
    def path(self) -> str:
        """Where it is."""
        return f"{PREFIX}/{self.name}"


PAGES: Final = (
    Page("overview", "Overview", "Watch"),
    Page("requests", "Requests", "Watch"),
    Page("sessions", "Sessions", "Watch"),
    Page("models", "Models", "Traffic"),
    Page("routes", "Routes", "Traffic"),
    Page("playground", "Playground", "Traffic"),
    Page("costs", "Costs", "Money"),
    Page("caches", "Caches", "Money"),
    Page("budgets", "Budgets and limits", "Money"),
    Page("ledger", "Ledger", "Money"),
    Page("keys", "Keys", "Access"),
    Page("provider-keys", "Provider keys", "Access"),
    Page("teams", "Teams", "Access"),
    Page("users", "Users", "Access"),
    Page("settings", "Settings", "Gateway"),
)
HOME: Final = PAGES[0]
SIGN_IN: Final = Page("sign-in", "Sign in")
_OF_ONE_THING: Final = frozenset(("requests", "sessions"))
"""Pages below which each thing has a path of its own: `/dashboard/requests/req_1`."""


def render_pages(assets: Assets) -> dict[str, Asset]:
    """Each page's HTML by its name, `sign-in` among them."""
    templates = Environment(loader=PackageLoader(__package__), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    shell, sign_in = templates.get_template("shell.html"), templates.get_template("sign_in.html")
    static = f"{PREFIX}/static/{assets.version}"
    preloaded = sorted(path for path in assets.by_path if path.startswith(("core/", "parts/", "charts/")))
    rendered = {
        page.name: shell.render(page=page, groups=_groups(), static=static, preloaded=preloaded, home=HOME) for page in PAGES
    }
    rendered[SIGN_IN.name] = sign_in.render(page=SIGN_IN, static=static, preloaded=[])
    return {name: Asset.of(html.encode(), ".html") for name, html in rendered.items()}


def page_of(path: str) -> str | None:
    """The name of the page that a path below `/dashboard/` shows; None: there is none."""
    name, _, thing = path.partition("/")
    if name not in {page.name for page in (*PAGES, SIGN_IN)}:
        return None
    if thing and (name not in _OF_ONE_THING or "/" in thing):
        return None
    return name


def _groups() -> dict[str, list[Page]]:
    groups: dict[str, list[Page]] = {}
    for page in PAGES:
        groups.setdefault(page.group, []).append(page)
    return groups
