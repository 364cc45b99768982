from __future__ import annotations

import pytest

from weighbridge.config.completion import environment_key, environment_values, providers_from_environment
from weighbridge.config.load import load_config
from weighbridge.config.problems import ConfigError
from weighbridge.core.secret import Secret
from weighbridge.providers.catalog import load_catalog

CATALOG = load_catalog()


def test_without_a_file_providers_with_a_key_are_on_and_so_is_the_demo() -> None:
    entries = providers_from_environment(CATALOG, {"OPENAI_API_KEY": "sk-1", "GROQ_API_KEY": "", "PATH": "/bin"})
    assert entries == {"openai": {"api_key": Secret("sk-1")}, "demo": {}}


def test_a_base_url_of_the_environment_counts_without_a_file() -> None:
    environ = {"ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": "https://eu.test"}
    assert providers_from_environment(CATALOG, environ)["anthropic"] == {"api_key": Secret("k"), "base_url": "https://eu.test"}


def test_the_first_variable_that_is_set_gives_the_key() -> None:
    row = CATALOG["gemini"]
    assert environment_key(row, {"GOOGLE_API_KEY": "b"}) == Secret("b")
    assert environment_key(row, {"GOOGLE_API_KEY": "b", "GEMINI_API_KEY": "a"}) == Secret("a")
    assert environment_key(row, {"GOOGLE_API_KEY": " b\n"}) == Secret("b")
    assert environment_key(row, {"GOOGLE_API_KEY": " "}) is None


def test_a_silent_entry_takes_its_key_from_the_usual_variable(load) -> None:
    config = load("providers:\n  openai:\n  eu: {type: openai}\n", OPENAI_API_KEY="sk-1").config
    assert [entry.secrets for entry in config.providers.values()] == [(Secret("sk-1"),)] * 2


@pytest.mark.parametrize("entry", ["base_url: http://10.0.0.1/v1", "base_urls: {openai: http://10.0.0.1/v1}", "api_keys: []"])
def test_the_usual_key_goes_to_the_usual_address_only(load, entry: str) -> None:
    config = load("providers:\n  vllm: {type: openai, " + entry + "}\n", OPENAI_API_KEY="sk-1").config
    assert config.providers["vllm"].secrets == ()


def test_without_a_file_a_cloud_is_on_if_its_address_is_known_and_a_variant_never() -> None:
    key = {"AZURE_OPENAI_API_KEY": "k"}
    assert list(providers_from_environment(CATALOG, key)) == ["demo"]
    assert list(providers_from_environment(CATALOG, {**key, "AZURE_OPENAI_ENDPOINT": "https://mine.openai.azure.com/"})) == [
        "azure",
        "demo",
    ]
    assert list(providers_from_environment(CATALOG, {"DASHSCOPE_API_KEY": "k"})) == ["alibaba", "demo"]


def test_an_address_has_its_parts_from_the_environment_in_the_rows_order() -> None:
    environ = {"AZURE_OPENAI_ENDPOINT": "https://mine.openai.azure.com/", "OPENAI_API_VERSION": " 2025-01-01 "}
    assert environment_values(CATALOG["azure-deployments"], environ) == {"resource": "mine", "api_version": "2025-01-01"}
    assert environment_values(CATALOG["azure"], {"AZURE_RESOURCE_NAME": "b", "AZURE_OPENAI_RESOURCE": "a"}) == {"resource": "a"}
    assert environment_values(CATALOG["openai"], environ) == {}


def test_a_part_of_an_address_comes_from_the_file_or_else_from_the_environment(load) -> None:
    text = "providers:\n  bedrock: {region: eu-west-1}\n  vertex: {project: p}\n"
    providers = load(text, AWS_REGION="us-east-1", GOOGLE_CLOUD_PROJECT="q", GOOGLE_CLOUD_LOCATION="us-east5").config.providers
    assert providers["bedrock"].region == "eu-west-1"
    assert (providers["vertex"].project, providers["vertex"].location) == ("p", "us-east5")


def test_a_part_of_an_address_that_nobody_tells_is_a_problem_with_the_way_out(refused) -> None:
    assert refused("providers:\n  bedrock:\n") == [
        "2: providers.bedrock: has no `region`, which is part of its address; set AWS_REGION, or give it `region`"
    ]
    assert refused("providers:\n  azure: {api_key: k}\n") == [
        "2: providers.azure: has no `resource`, which is part of its address; set AZURE_OPENAI_RESOURCE, or give it `resource`"
    ]


def test_an_address_of_ones_own_needs_no_parts(load) -> None:
    load("providers:\n  azure: {api_key: k, base_url: 'https://proxy.test/openai/v1'}\n")


def test_a_setting_that_looks_like_a_key_is_none(load) -> None:
    text = "providers:\n  azure-deployments: {resource: r, api_version: '2024-10-21'}\n"
    config = load(text, AZURE_OPENAI_API_KEY="k").config
    assert config.providers["azure-deployments"].secrets == (Secret("k"),)


def test_a_cloud_without_a_key_is_asked_by_an_account(load) -> None:
    assert load("providers:\n  bedrock: {region: us-east-1}\n").config.providers["bedrock"].secrets == ()
    config = load("providers:\n  bedrock: {region: us-east-1}\n", AWS_BEARER_TOKEN_BEDROCK="t").config
    assert config.providers["bedrock"].secrets == (Secret("t"),)


def test_with_a_file_addresses_come_from_the_file_alone(load) -> None:
    config = load("providers:\n  openai:\n", OPENAI_API_KEY="sk-1", OPENAI_BASE_URL="https://elsewhere.test").config
    assert config.providers["openai"].base_url is None


def test_a_provider_without_a_key_is_refused(refused) -> None:
    assert refused("providers:\n  groq:\n") == ["2: providers.groq: has no key; set GROQ_API_KEY, or give it `api_keys`"]


def test_a_misspelt_key_field_is_one_problem_and_not_two(refused) -> None:
    assert refused("providers:\n  groq: {api_kees: [a]}\n") == [
        "2: providers.groq.api_kees: is not a setting; did you mean `api_keys`?"
    ]


def test_a_name_that_the_catalogue_does_not_know_needs_a_type(refused) -> None:
    assert refused("providers:\n  opanai:\n  mine:\n    type: grok\n  zzz: {base_url: http://h}\n") == [
        "2: providers.opanai: is no name of the catalogue, so the entry needs a `type`; did you mean `openai`?",
        "4: providers.mine.type: is not in the catalogue; did you mean `groq`?",
        (
            "5: providers.zzz: is no name of the catalogue, so the entry needs a `type`; "
            "`type: openai`, `anthropic` or `gemini` with a `base_url` fits every server that speaks so"
        ),
    ]


@pytest.mark.parametrize(
    ("server", "entry"),
    [
        ("", "llamacpp:"),
        ("server: {port: 9000}", "x: {type: openai, base_url: http://localhost:9000/v1}"),
        ("server: {port: 9000, host: 0.0.0.0}", 'x: {type: openai, base_urls: {anthropic: "http://[::1]:9000"}}'),
    ],
)
def test_a_gateway_that_would_call_itself_is_refused(refused, server: str, entry: str) -> None:
    (said,) = refused(f"{server}\nproviders:\n  {entry}\n")
    assert "would call the gateway itself" in said


def test_another_port_or_another_interface_is_somebody_else(load) -> None:
    load("server: {port: 9000}\nproviders:\n  llamacpp:\n")
    load("server: {host: 10.0.0.5}\nproviders:\n  llamacpp:\n")


def test_a_base_url_that_was_exported_for_the_applications_is_refused_with_the_way_out() -> None:
    environ = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://127.0.0.1:8080/v1"}
    with pytest.raises(ConfigError, match="would call the gateway itself; unset OPENAI_BASE_URL where the gateway is started"):
        load_config(None, environ=environ)


def test_a_route_cannot_hide_a_model_of_a_provider(refused) -> None:
    assert refused("providers:\n  demo:\nroutes:\n  demo/echo: [demo/lorem]\n") == [
        "4: routes.demo/echo: hides a model of the provider of that name; choose a name without `/`"
    ]


def test_a_slash_is_no_fault_where_no_provider_has_that_name(load) -> None:
    assert list(load("providers:\n  demo:\nroutes:\n  team/fast: [demo/lorem]\n").config.routes) == ["team/fast"]


def test_a_route_to_a_provider_that_is_not_configured_is_refused_in_both_spellings(refused) -> None:
    text = "providers:\n  demo:\nroutes:\n  a:\n    - demo/echo\n    - dmo/echo\n  b:\n    targets:\n      - xai/grok\n"
    assert refused(text) == [
        "6: routes.a[1]: names a provider that is not configured; did you mean `demo`?",
        "9: routes.b.targets[0]: names a provider that is not configured",
    ]


def test_two_keys_cannot_share_a_name_or_a_secret(refused) -> None:
    first, second = "wb-0123456789abcdef", "wb-0123456789abcdeX"
    text = f"keys:\n  - {{name: a, key: {first}}}\n  - {{name: a, key: {second}}}\n  - {{name: b, key: {first}}}\n"
    assert refused(text) == ["3: keys[1].name: is that of another key too", "4: keys[2].key: is that of another key too"]


def test_a_digest_is_the_same_in_upper_case(refused) -> None:
    text = f"keys:\n  - {{name: a, key_sha256: '{'ab' * 32}'}}\n  - {{name: b, key_sha256: '{'AB' * 32}'}}\n"
    assert refused(text) == ["3: keys[1].key_sha256: is that of another key too"]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("demo: {probe: 30s}", "has no list of models"),
        ("openai: {api_key: sk-aaaaaaaaaaaaaaaa, probe: 1s}", "between `5s` and `1d`"),
        ("openai: {api_key: sk-aaaaaaaaaaaaaaaa, probe: often}", "duration"),
    ],
)
def test_who_cannot_be_probed_or_not_so_is_told(tmp_path, entry, words) -> None:
    file = tmp_path / "weighbridge.yaml"
    file.write_text(f"providers: {{{entry}}}\n")
    with pytest.raises(ConfigError) as refused:
        load_config(file, environ={})
    assert words in "\n".join(problem.render(None) for problem in refused.value.problems)
