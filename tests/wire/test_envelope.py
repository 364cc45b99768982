from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.envelope import JOINED_BODY_BYTES, MAX_MEMBERS, Envelope, Splice, apply_splices

CHAT = b'{"model":"openai/gpt-4o","messages":[{"role":"user","content":"hi \\"model\\": x"}],"temperature":1.0,"stream":true}'
BLANKS = st.sampled_from(["", "", "", " ", "\n", "\t\r\n  "])
NUMBERS = st.sampled_from(["0", "-0", "1.0", "1e2", "1E+02", "0.1000", "12345678901234567890123", "1", "12", "-1", "1.5e-7"])
STRINGS = st.sampled_from(
    [
        '""',
        '"x"',
        '"model"',
        '"\\"model\\":1"',
        '"\\\\"',
        '"\\\\\\"model"',
        '"}"',
        '",\\"model\\":"',
        '"\\u006dodel"',
        '"\\ud83d\\ude00"',
        '"\\ud83d"',
        '"\\uDC00 x"',
        '"\\\\ud83d"',
        '"é日😀"',
        '"\\/"',
        '"a\\nb"',
        '"\\u0000"',
    ]
)
KEYS = st.sampled_from(
    [
        '"model"',
        '"model"',
        '"mod\\u0065l"',
        '"\\u006D\\u006f\\u0064\\u0065\\u006C"',
        '"Model"',
        '"models"',
        '"\\"model"',
        '"model\\\\"',
        '""',
        '"a"',
        '"b"',
        '"stream"',
        '"é"',
        '"\\ud800"',
        '"\\ud801"',
        '"\\t"',
        '"x y"',
    ]
)


@st.composite
def objects(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    members = draw(st.lists(st.tuples(BLANKS, KEYS, BLANKS, BLANKS, inner, BLANKS), max_size=6))
    if not members:
        return "{" + draw(BLANKS) + "}"
    return "{" + ",".join(f"{a}{key}{b}:{c}{value}{d}" for a, key, b, c, value, d in members) + "}"


SCALARS = NUMBERS | STRINGS | st.sampled_from(["true", "false", "null"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: objects(inner) | st.lists(inner, max_size=3).map(lambda items: "[" + ", ".join(items) + "]"),
    max_leaves=8,
)
BODIES = st.tuples(BLANKS, objects(VALUES), BLANKS).map(lambda parts: "".join(parts).encode())
# As an encoder writes it: no blanks, each key once. These take the shortest way to a span.
COMPACT = st.dictionaries(st.sampled_from(["model", "messages", "stream", "a", "é"]), VALUES.map(json.loads))


def pairs(body: bytes) -> Any:
    # Numbers stay text, so that 1.0, 1 and 1e0 differ.
    return json.loads(body, object_pairs_hook=list, parse_int=str, parse_float=str)


def spliced(body: bytes, splices: list[Splice]) -> bytes:
    pieces, length = apply_splices(body, splices)
    joined = b"".join(pieces)
    assert len(joined) == length
    return joined


def check_replaced(body: bytes) -> None:
    envelope = Envelope.read(body)
    before = pairs(body)
    assert envelope.has("model") == any(key == "model" for key, _ in before)
    splices = envelope.replace("model", b'"new"')
    after = spliced(body, splices)
    assert pairs(after) == [(key, "new" if key == "model" else value) for key, value in before]
    position = shift = 0
    for splice in splices:
        assert body[position : splice.start] == after[position + shift : splice.start + shift]
        shift += len(splice.replacement) - (splice.end - splice.start)
        position = splice.end
    assert body[position:] == after[position + shift :]


@given(BODIES)
def test_only_the_top_level_occurrences_change_whatever_the_spelling(body: bytes) -> None:
    check_replaced(body)


@given(BODIES.map(lambda body: body[:-1] + b" " * 5000 + body[-1:] if body.endswith(b"}") else body))
def test_the_same_holds_for_bodies_that_are_too_long_to_be_searched(body: bytes) -> None:
    check_replaced(body)


@given(COMPACT, st.sampled_from([(",", ":"), (", ", ": ")]))
def test_the_same_holds_for_what_encoders_write(value: dict[str, Any], separators: tuple[str, str]) -> None:
    check_replaced(json.dumps(value, separators=separators).encode())
    check_replaced(json.dumps(value, separators=separators, ensure_ascii=False).encode("utf-8", "replace"))


@given(BODIES)
def test_put_leaves_exactly_one_meaning_in_first_wins_and_last_wins_decoders(body: bytes) -> None:
    after = pairs(spliced(body, Envelope.read(body).put("model", b'"new"')))
    assert {value for key, value in after if key == "model"} == {"new"}
    assert [pair for pair in after if pair[0] != "model"] == [pair for pair in pairs(body) if pair[0] != "model"]


@given(BODIES)
def test_values_are_those_of_the_standard_decoder(body: bytes) -> None:
    envelope = Envelope.read(body)
    for name, expected in dict(pairs(body)).items():
        raw = envelope.raw(name) if name.isascii() else None
        if raw is not None:
            assert json.loads(bytes(raw), object_pairs_hook=list, parse_int=str, parse_float=str) == expected


@given(BODIES, st.sampled_from(["a", "b", "stream"]))
def test_put_nested_writes_into_every_occurrence(body: bytes, name: str) -> None:
    envelope = Envelope.read(body)
    before = pairs(body)
    if any(key == name and not isinstance(value, list | None) for key, value in before):
        with pytest.raises(GatewayError):
            envelope.put_nested(name, "include_usage", b"true")
        return
    try:
        after = pairs(spliced(body, envelope.put_nested(name, "include_usage", b"true")))
    except GatewayError:  # an array
        return
    if not any(key == name for key, _ in before):
        assert after == [(name, [("include_usage", True)]), *before]
        return
    assert after == [(key, [("include_usage", True), *(value or [])]) if key == name else (key, value) for key, value in before]


def test_one_of_each_way_to_a_span() -> None:
    padding = b'"z":"' + b"x" * 5000 + b'"'
    for body in (
        CHAT,  # compact
        CHAT.replace(b",", b", "),  # mentioned once
        b'{ "model" : "openai/gpt-4o", ' + padding + b"}",  # walked
        b'{"model":1, "model" : "openai/gpt-4o", ' + padding + b"}",  # duplicates
    ):
        start, end = Envelope.read(body).locate("model")[-1]
        assert body[start:end] == b'"openai/gpt-4o"'
        assert Envelope.read(body).string("model") == "openai/gpt-4o"


def test_last_duplicate_is_read_and_all_are_replaced() -> None:
    body = b'{"model":"cheap","mod\\u0065l":"dear","x":{"model":"nested"}}'
    envelope = Envelope.read(body)
    assert envelope.string("model") == "dear"
    assert spliced(body, envelope.replace("model", b'"m"')) == b'{"model":"m","mod\\u0065l":"m","x":{"model":"nested"}}'


def test_number_that_begins_like_another_is_not_taken_for_it() -> None:
    body = b'{"model": 12, "a": 0, "model": 1}'
    assert [body[start:end] for start, end in Envelope.read(body).locate("model")] == [b"12", b"1"]


def test_value_that_holds_a_copy_of_the_members_behind_it_does_not_mislead() -> None:
    body = b'{"a":1,"model":"x","a":{"q":1,"model":"y"},"z":{"model":0,"a":2}}'
    assert [body[start:end] for start, end in Envelope.read(body).locate("model")] == [b'"x"']


def test_typed_reads() -> None:
    envelope = Envelope.read(b'{"s":"a","b":false,"i":7,"n":null,"o":{"b":true}}')
    assert (envelope.string("s"), envelope.boolean("b"), envelope.integer("i")) == ("a", False, 7)
    assert (envelope.string("n"), envelope.boolean("n"), envelope.integer("missing"), envelope.nested("n")) == (
        None,
        None,
        None,
        None,
    )
    assert (envelope.has("n"), envelope.has("missing"), envelope.raw("missing")) == (True, False, None)
    nested = envelope.nested("o")
    assert nested is not None
    assert nested.boolean("b") is True


@pytest.mark.parametrize(
    ("read", "field"),
    [
        ("string", "i"),
        ("string", "o"),
        ("boolean", "i"),
        ("boolean", "s"),
        ("integer", "f"),
        ("integer", "b"),
        ("nested", "s"),
        ("nested", "l"),
        ("string", "half"),
    ],
)
def test_field_of_another_type_is_named_and_its_value_is_not_echoed(read: str, field: str) -> None:
    body = b'{"s":"sesame","b":false,"i":1729,"f":1729.0,"l":["sesame"],"o":{"x":"sesame"},"half":"\\ud83d"}'
    with pytest.raises(GatewayError) as caught:
        getattr(Envelope.read(body), read)(field)
    assert (caught.value.kind, caught.value.param) == (ErrorKind.INVALID_REQUEST, field)
    assert "sesame" not in caught.value.public
    assert "1729" not in caught.value.public


def test_error_in_a_nested_field_gives_its_path() -> None:
    nested = Envelope.read(b'{"stream_options":{"include_usage":"yes"}}').nested("stream_options")
    assert nested is not None
    with pytest.raises(GatewayError) as caught:
        nested.boolean("include_usage")
    assert caught.value.param == "stream_options.include_usage"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty"),
        (b"  ", "empty"),
        (b'{"a":', "ends before"),
        (b"[]", "object"),
        (b'"sesame"', "object"),
        (b"null", "object"),
        (b"sesame", "not valid JSON"),
        (b'{"a":1}x', "at byte 8"),
        (b'{"a":01}', "at byte 6"),
        (b'{"a":"\xff"}', "not UTF-8 (at byte 6)"),
        (b'{"\xff":1}', "not UTF-8"),
        (b'{"a":"\xc0\xa2"}', "not UTF-8"),
        (b'{"a":' + b"[" * 200_000, "nested too deep"),
        (b'{"a":"\\ud800",}', "at byte 14"),
        (b'{"a":"\\ud800","b":' + b"[" * 200_000, "nested too deep"),
        (b'["\\ud800"]', "object"),
        (b"\xef\xbb\xbf{}", "not valid JSON"),
        (b'{"a":NaN}', "not valid JSON"),
    ],
)
def test_unreadable_bodies_say_what_is_wrong_without_an_echo(body: bytes, words: str) -> None:
    with pytest.raises(GatewayError) as caught:
        Envelope.read(body)
    assert caught.value.kind is ErrorKind.INVALID_REQUEST
    assert words in caught.value.public
    assert "sesame" not in caught.value.public


def test_lone_surrogates_pass_untouched() -> None:
    body = b'{"messages":"cut \\ud83d","model":"a","x\\udc00":"\\\\ud83d"}'
    envelope = Envelope.read(body)
    assert spliced(body, envelope.replace("model", b'"b"')) == body.replace(b'"a"', b'"b"')
    assert bytes(envelope.raw("messages") or b"") == b'"cut \\ud83d"'


@pytest.mark.parametrize("body", [b"{}", b" { \n } ", b'{"a":1}', b'{ "a":1}'])
def test_insert_makes_the_first_field(body: bytes) -> None:
    after = spliced(body, [Envelope.read(body).insert("model", b'"m"')])
    assert pairs(after) == [("model", "m"), *pairs(body)]


def test_two_insertions_and_a_replacement_go_together_in_any_order() -> None:
    envelope = Envelope.read(CHAT)
    splices = [
        *envelope.replace("model", b'"m"'),
        envelope.insert("a", b"1"),
        *envelope.put_nested("stream_options", "include_usage", b"true"),
    ]
    expected = b'{"a":1,"stream_options":{"include_usage":true},"model":"m"' + CHAT[len(b'{"model":"openai/gpt-4o"') :]
    assert spliced(CHAT, splices) == expected
    assert spliced(CHAT, list(reversed(splices))).endswith(expected[-40:])


def test_nested_offsets_are_those_of_the_whole_body() -> None:
    body = b' {"x":[1], "stream_options" : { "include_usage" : false , "model":0}, "model":"m"}'
    after = spliced(body, Envelope.read(body).put_nested("stream_options", "include_usage", b"true"))
    assert after == body.replace(b"false", b"true")


@pytest.mark.parametrize(
    "splices", [[Splice(3, 2, b"")], [Splice(0, 5, b""), Splice(4, 6, b"")], [Splice(2, 1000, b"")], [Splice(-1, 2, b"")]]
)
def test_impossible_splices_are_a_programming_error(splices: list[Splice]) -> None:
    with pytest.raises(ValueError, match="splices"):
        apply_splices(CHAT, splices)


def test_small_bodies_are_one_piece_and_large_ones_are_views_of_the_original() -> None:
    small, _ = apply_splices(CHAT, Envelope.read(CHAT).replace("model", b'"m"'))
    assert [type(piece) for piece in small] == [bytes]
    body = b'{"model":"a","x":"' + b"y" * JOINED_BODY_BYTES + b'"}'
    pieces, length = apply_splices(body, Envelope.read(body).replace("model", b'"bc"'))
    assert b"".join(pieces) == body.replace(b'"a"', b'"bc"')
    assert length == len(body) + 1
    assert [piece.obj is body for piece in pieces if isinstance(piece, memoryview)] == [True, True]
    assert apply_splices(CHAT, []) == ([CHAT], len(CHAT))


def test_number_of_fields_is_bounded_duplicates_included() -> None:
    many = ",".join(f'"k{i}":0' for i in range(MAX_MEMBERS + 1))
    with pytest.raises(GatewayError, match="fields"):
        Envelope.read(f"{{{many}}}".encode())
    envelope = Envelope.read(b'{"model":1' + b',"model":2' * MAX_MEMBERS + b"}")
    with pytest.raises(GatewayError, match="fields"):
        envelope.locate("model")


def test_five_megabytes_with_deep_nesting_and_odd_spelling() -> None:
    deep = b"[" * 300 + b"1.00e+1" + b"]" * 300
    body = (
        b'{"messages":['
        + b",".join([b'{"model": "x", "content":"\\u00e9\\ud83d \\\\"}'] * 100_000)
        + b'], "model" :"a","d":'
        + deep
        + b',"model":"b"}'
    )
    after = spliced(body, Envelope.read(body).replace("model", b'"new"'))
    assert len(body) > 4_000_000
    assert after == body.replace(b'"model" :"a"', b'"model" :"new"').replace(b'"model":"b"', b'"model":"new"')


@given(BODIES, st.sets(st.sampled_from(["a", "b", "stream", "model"])))
def test_removed_fields_are_gone_and_all_others_stay_as_they_were_spelled(body, names):
    pieces, length = apply_splices(body, Envelope.read(body).remove(names))
    left = b"".join(pieces)
    assert len(left) == length
    before, after = json.loads(body), json.loads(left)
    assert after == {name: value for name, value in before.items() if name not in names}


def test_removing_takes_one_comma_wherever_the_field_stands():
    for body, left in (
        (b'{"a": 1, "b" : 2 , "a":3}', b'{ "b" : 2}'),
        (b'{"a":1}', b"{}"),
        (b'{ "b":2}', b'{ "b":2}'),
        (b'{"a":1,"b":2}', b'{"b":2}'),
        (b'{"b":2,"a":1}', b'{"b":2}'),
    ):
        pieces, _ = apply_splices(body, Envelope.read(body).remove(("a",)))
        assert b"".join(pieces) == left
