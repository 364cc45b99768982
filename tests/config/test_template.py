from __future__ import annotations

import re

from weighbridge.config.template import initial_config


def test_the_first_configuration_loads_as_it_stands_and_needs_nothing(load) -> None:
    config = load(initial_config()).config
    assert list(config.providers) == ["demo"]
    assert [target.target for target in config.routes["fast"].targets] == ["demo/echo"]


def test_every_commented_line_loads_too(load) -> None:
    text = initial_config()
    # A setting that is commented out stands after `# `, at its own depth.
    live = re.sub(r"^( *)# (?=(  )*(- )?[{a-z_]+: ?[\[{\w]|local:|keys:|(  )*- \{)", r"\1", text, flags=re.MULTILINE)
    live = re.sub(r"^  tls: .*\n", "", live, flags=re.MULTILINE)
    variables = {name: f"the-key-of-{name.lower()}" for name in re.findall(r"\$\{([A-Z_]+_KEY)\}", text)}
    config = load(live, **variables).config
    assert set(config.providers) == {"demo", "openai", "anthropic", "gemini", "local"}
    assert config.access_log.format == "json"
    assert [key.name for key in config.keys] == ["ci"]
    assert config.server.limits.max_in_flight == 4000


def test_editors_find_the_json_schema_where_it_is_named(load) -> None:
    text = initial_config(schema_reference="weighbridge.schema.json")
    assert text.startswith("# yaml-language-server: $schema=weighbridge.schema.json\n")
    assert load(text).config == load(initial_config()).config
