from __future__ import annotations

import json

import jsonschema
import pytest

from weighbridge.config.document import parse_document
from weighbridge.config.json_schema import config_json_schema
from weighbridge.config.template import initial_config

SCHEMA = json.loads(config_json_schema())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def faults(text: str) -> list[str]:
    value = parse_document(text, "f").value
    return [error.json_path for error in VALIDATOR.iter_errors(json.loads(json.dumps(value, default=str)))]


def test_it_is_a_valid_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_it_accepts_the_first_configuration() -> None:
    assert faults(initial_config()) == []


GOOD = [
    "",
    "server:\nproviders:\n  demo:\n",
    "server: {port: '${PORT:-1}', auth: '${AUTH}', drain_timeout: '${T}', limits: {max_body: '${S}', max_url: 7}}",
    "x-base: &b {connect: 1s}\nproviders: {openai: {timeouts: *b, api_keys: ['${K}'], base_url: '${URL}'}}",
    "routes: {a: [demo/echo], b: {targets: [demo/echo]}}\nproviders: {demo: {}}",
    "access_log: {format: off, path: a.log}",
    "keys: [{name: ci, key: wb-0123456789abcdef, expires: 2030-01-01, models: ['a/*']}]",
]


@pytest.mark.parametrize("text", GOOD)
def test_it_refuses_nothing_that_loads(load, text: str) -> None:
    load(text, PORT="1", AUTH="required", T="1s", S="1kB", K="k", URL="https://h/v1")
    assert faults(text) == []


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("sever: {}", "$"),
        ("server: {prt: 1}", "$.server"),
        ("server: {port: eighty}", "$.server.port"),
        ("server: {auth: maybe}", "$.server.auth"),
        ("server: {drain_timeout: 30}", "$.server.drain_timeout"),
        ("server: {limits: {max_body: 64mb}}", "$.server.limits.max_body"),
        ("access_log: {format: xml}", "$.access_log.format"),
        ("providers: {x: {api_keys: k}}", "$.providers.x.api_keys"),
        ("providers: {x: {base_url: 'ftp://h'}}", "$.providers.x.base_url"),
        ("providers: {x: {models: [1.5]}}", "$.providers.x.models"),
        ("routes: {a: 5}", "$.routes.a"),
        ("routes: {a: [5]}", "$.routes.a"),
        ("routes: {a: []}", "$.routes.a"),
        ("keys: [{key: k}]", "$.keys[0]"),
        ("keys: [{name: a, key_sha256: zz}]", "$.keys[0].key_sha256"),
    ],
)
def test_editors_see_the_same_faults_as_the_loader(refused, text: str, path: str) -> None:
    assert refused(text)
    assert path in faults(text)


def test_every_setting_has_a_description() -> None:
    silent = []
    for name, definition in {"Config": SCHEMA, **SCHEMA["$defs"]}.items():
        for field, schema in definition.get("properties", {}).items():
            # A reference without a description of its own shows that of what it refers to.
            target = SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else {}
            if not (schema.get("description") or target.get("description")):
                silent.append(f"{name}.{field}")
    assert silent == []
