from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("region: 'evil.test/x'", "region: has 1 to 128 letters, digits"),
        ("resource: 'a@b'", "resource: has 1 to 128 letters, digits"),
        ("project: ''", "project: has 1 to 128 letters, digits"),
        ("formats: [openai]", "formats[0]: must be one of openai-chat, openai-completions"),
        ("formats: []", "formats: "),
        ("quirks: {imagez: none}", "quirks: knows no `imagez`; did you mean `images`?"),
        ("quirks: {images: some}", "quirks: has a value for `images` that it cannot have"),
        ("quirks: [a]", "quirks: must be a mapping of quirks"),
    ],
)
def test_what_a_provider_cannot_have_is_refused_with_a_reason(refused, setting: str, said: str) -> None:
    lines = refused("providers:\n  x: {type: openai, base_url: http://h/v1, " + setting + "}\n")
    assert len(lines) == 1
    assert f"providers.x.{said}" in lines[0]


def test_numbers_and_truths_may_come_as_text(load) -> None:
    text = "providers:\n  x: {type: openai, base_url: http://h/v1, quirks: {max_stop: '${N}', tools: 'false'}}\n"
    assert load(text, N="4").config.providers["x"].quirks == {"max_stop": 4, "tools": False}


@pytest.mark.parametrize("part", ["us-east-1", "adb-123.4.azuredatabricks.net", "my_project", "2024-10-21-preview"])
def test_parts_of_addresses_are_what_clouds_have(load, part: str) -> None:
    assert (
        load("providers:\n  x: {type: openai, base_url: http://h/v1, region: " + f"'{part}'" + "}\n").config.providers["x"].region
        == part
    )
