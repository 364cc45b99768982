from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.codec import decode_json, encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.envelope import Envelope, apply_splices
from weighbridge.wire.gemini_body import inner_models


def found(body):
    return [(item.name, body[item.start : item.end]) for item in inner_models(Envelope.read(body))]


def replaced(body, requested, model):
    splices = [splice for item in inner_models(Envelope.read(body)) if (splice := item.replaced(requested, model))]
    pieces, length = apply_splices(body, splices)
    result = b"".join(pieces)
    assert len(result) == length
    return result


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (b"{}", []),
        (b'{"model":"models/a"}', ["models/a"]),
        (b'{"model":"a","model":"a"}', ["a", "a"]),
        (b'{"generateContentRequest":{"model":"models/a","contents":[{"model":"x"}]}}', ["models/a"]),
        (b'{"generateContentRequest":null}', []),
        (b'{"requests":[{"model":"a"},{"content":{"model":"x"}},{ "model" : "b" }]}', ["a", "b"]),
        (b'{"requests":[]}', []),
        (b'{"requests":{"model":"x"}}', []),
        (b'{"requests":[1,"{\\"model\\":\\"x\\"}",null,[{"model":"x"}]]}', []),
        (b'{"contents":[{"model":"x"}]}', []),
    ],
)
def test_every_model_of_a_request_and_no_other(body, names):
    assert [name for name, _ in found(body)] == names
    assert all(decode_json(raw) == name for name, raw in found(body))


def test_equal_requests_are_each_found_in_their_own_place():
    body = b'{"requests":[{"model":"a"} , {"model":"a"},\n{"model":"a"}]}'
    items = inner_models(Envelope.read(body))
    assert len({item.start for item in items}) == 3
    assert replaced(body, "a", "bb") == body.replace(b'"a"', b'"bb"')


@pytest.mark.parametrize(
    "body",
    [b'{"model":7}', b'{"requests":[{"model":[]}]}', b'{"generateContentRequest":{"model":{}}}', b'{"generateContentRequest":[]}'],
)
def test_model_that_is_no_string_is_refused(body):
    with pytest.raises(GatewayError) as caught:
        inner_models(Envelope.read(body))
    assert caught.value.kind is ErrorKind.INVALID_REQUEST


def test_only_the_requested_name_is_replaced_and_its_prefix_stays():
    body = b'{"requests":[{"model":"models/a"},{"model":"a"},{"model":"models/other"}]}'
    assert replaced(body, "a", "b") == b'{"requests":[{"model":"models/b"},{"model":"b"},{"model":"models/other"}]}'


def test_same_name_needs_no_splice():
    body = b'{"model": "models\\/a"}'
    assert replaced(body, "a", "a") == body


def test_duplicate_lists_are_read_like_decoders_do():
    body = b'{"requests":[{"model":"a"}],"requests":[{"model":"a"}]}'
    assert replaced(body, "a", "b").endswith(b'"requests":[{"model":"b"}]}')


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "models/a", "other"]), st.sampled_from(["", " ", "\n"]), st.text(max_size=5)), max_size=5
    )
)
def test_nothing_but_the_models_changes(requests):
    def body(name):
        items = [
            f'{blank}{{{blank}"content":{encode_json({"model": text}).decode()},"model"{blank}:{blank}"{given}"}}{blank}'
            for (given, blank, text) in ((name(given), blank, text) for given, blank, text in requests)
        ]
        return ('{"requests":[' + ",".join(items) + "]}").encode()

    expected = body(lambda given: {"a": "new", "models/a": "models/new"}.get(given, given))
    assert replaced(body(lambda given: given), "a", "new") == expected
