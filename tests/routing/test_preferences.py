from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.terms import DataDemand
from weighbridge.routing.members import Preferences
from weighbridge.routing.preferences import read_models, read_provider


@pytest.mark.parametrize(
    ("text", "preferences", "demand"),
    [
        ("{}", Preferences(), DataDemand()),
        ('{"order":["openai","azure/gpt-5"]}', Preferences(order=("openai", "azure/gpt-5")), DataDemand()),
        (
            '{"only":["a"],"ignore":["b"],"allow_fallbacks":false}',
            Preferences((), ("a",), ("b",), allow_fallbacks=False),
            DataDemand(),
        ),
        ('{"sort":"price"}', Preferences(sort="price"), DataDemand()),
        ('{"sort":{"by":"latency","partition":"none"}}', Preferences(sort="latency"), DataDemand()),
        ('{"max_price":{"prompt":1,"completion":"2.5"}}', Preferences(max_input_rate=1000.0, max_output_rate=2500.0), DataDemand()),
        ('{"data_collection":"deny","zdr":true}', Preferences(), DataDemand(zdr=True, no_training=True)),
        ('{"quantizations":["fp8"],"require_parameters":true}', Preferences(), DataDemand()),
    ],
)
def test_openrouters_object_is_understood(text, preferences, demand):
    assert read_provider(msgspec.Raw(text.encode())) == (preferences, demand)


@pytest.mark.parametrize(
    "text",
    ["3", '{"order":"openai"}', '{"sort":"cheap"}', '{"max_price":{"prompt":-1}}', '{"max_price":{"prompt":"x"}}', '{"only":[""]}'],
)
def test_what_it_is_not_is_refused(text):
    with pytest.raises(GatewayError) as caught:
        read_provider(msgspec.Raw(text.encode()))
    assert (caught.value.kind, caught.value.param) == (ErrorKind.INVALID_REQUEST, "provider")


def test_a_list_of_models():
    assert read_models(msgspec.Raw(b'["a","b/c"]')) == ("a", "b/c")
    for text in (b'"a"', b"[1]", b'["' + b'","'.join([b"m"] * 17) + b'"]'):
        with pytest.raises(GatewayError) as caught:
            read_models(msgspec.Raw(text))
        assert caught.value.param == "models"


SCALARS = st.none() | st.booleans() | st.floats() | st.text()
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


@given(JSON)
def test_any_json_is_understood_or_refused(value):
    raw = msgspec.Raw(msgspec.json.encode(value))
    for read in (read_provider, read_models):
        try:
            read(raw)
        except GatewayError as error:
            assert error.kind is ErrorKind.INVALID_REQUEST  # noqa: PT017 - either outcome is right
