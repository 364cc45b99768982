"""What the dashboard's own scripts and styles may not do. What a page makes of a hostile name is tested in `tests/browser`."""

from __future__ import annotations

import re

import pytest

from weighbridge.auth.identities import Refusal
from weighbridge.control.dashboard.assets import load_assets

SCRIPTS = {path: asset.body.decode() for path, asset in load_assets().by_path.items() if path.endswith(".js")}
STYLES = {path: asset.body.decode() for path, asset in load_assets().by_path.items() if path.endswith(".css")}
MAX_LINES = 300


def code_of(script: str) -> str:
    """Without its comments."""
    return re.sub(r"^\s*(//|\*|/\*).*$", "", script, flags=re.MULTILINE)


@pytest.mark.parametrize(
    "forbidden",
    [
        r"innerHTML",
        r"outerHTML",
        r"insertAdjacentHTML",
        r"document\.write",
        r"\beval\b",
        r"new Function",
        r"setAttribute\(.style",
        r"srcdoc",
        r"DOMParser",
        r"createContextualFragment",
        r"javascript:",
        r"https?://(?!www\.w3\.org/2000/svg)",
        r"\.cssText",
    ],
)
def test_no_script_reads_text_as_markup_or_code_or_calls_another_host(forbidden):
    assert [path for path, text in SCRIPTS.items() if re.search(forbidden, code_of(text))] == []


@pytest.mark.parametrize("forbidden", [r"@import", r"url\(", r"https?://"])
def test_no_style_loads_anything(forbidden):
    assert [path for path, text in STYLES.items() if re.search(forbidden, text)] == []


def test_every_script_says_what_it_is():
    assert [path for path, text in SCRIPTS.items() if not text.startswith("// ")] == []


def test_scripts_are_short_enough_to_read():
    assert [path for path, text in SCRIPTS.items() if text.count("\n") > MAX_LINES] == []


def test_every_import_leads_to_a_file():
    lost = []
    for path, text in SCRIPTS.items():
        for found in re.findall(r"(?:^import .* from |^} from |import\()\s*\"([^\"]+)\"", text, re.MULTILINE):
            parts = path.split("/")[:-1]
            for step in found.split("/"):
                if step == "..":
                    parts.pop()
                elif step != ".":
                    parts.append(step)
            if "/".join(parts) not in SCRIPTS:
                lost.append(f"{path}: {found}")
    assert lost == []


def test_no_import_is_left_unused():
    unused = []
    for path, text in SCRIPTS.items():
        for names in re.findall(r"^import \{ ([^}]*) \} from", text, re.MULTILINE):
            rest = re.sub(r"^import .*$", "", text, flags=re.MULTILINE)
            unused += [f"{path}: {name}" for name in names.split(", ") if not re.search(rf"(?<![\w.]){re.escape(name)}\b", rest)]
    assert unused == []


def dark_values(selector: str) -> list[str]:
    found = re.search(re.escape(selector) + r" \{([^}]*)\}", STYLES["style/tokens.css"])
    assert found
    return sorted(line.strip() for line in found[1].splitlines() if line.strip())


def test_the_chosen_dark_theme_is_the_systems():
    # They stand in two places, as a media query and an attribute cannot share a rule.
    assert dark_values(':root:not([data-theme="light"])') == dark_values(':root[data-theme="dark"]')


def test_the_sign_in_page_has_a_sentence_for_every_refusal():
    assert set(re.findall(r"^  (\w+): \"", SCRIPTS["sign_in.js"], re.MULTILINE)) == set(Refusal)
