from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.envelope import apply_splices
from weighbridge.wire.multipart import MAX_PART_HEADER_BYTES, MAX_PARTS, boundary_of, find_field

TYPE = "multipart/form-data; boundary=XyZ"


def part(disposition: str, value: bytes, *more: str) -> bytes:
    lines = [f"Content-Disposition: form-data; {disposition}", *more]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + value


def form(*parts: bytes, boundary: bytes = b"XyZ") -> bytes:
    return b"".join(b"--" + boundary + b"\r\n" + one + b"\r\n" for one in parts) + b"--" + boundary + b"--\r\n"


def refused(body: bytes, content_type: str = TYPE) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        find_field(content_type, body, "model")
    assert caught.value.kind is ErrorKind.INVALID_REQUEST
    return caught.value


MODEL = part('name="model"', b"whisper-1")
AUDIO = part('name="file"; filename="a.mp3"', bytes(range(256)) * 8, "Content-Type: audio/mpeg")


@pytest.mark.parametrize("parts", [(MODEL, AUDIO), (AUDIO, MODEL), (MODEL,)])
def test_model_is_found_and_replaced_in_place(parts: tuple[bytes, ...]) -> None:
    body = form(*parts)
    field = find_field(TYPE, body, "model")
    assert field is not None
    assert field.text() == "whisper-1"
    pieces, length = apply_splices(body, field.replace(b"gpt-4o-transcribe"))
    assert b"".join(pieces) == body.replace(b"whisper-1", b"gpt-4o-transcribe")
    assert length == len(b"".join(pieces))


def test_absent_field_is_none_and_an_empty_one_is_empty() -> None:
    assert find_field(TYPE, form(AUDIO), "model") is None
    field = find_field(TYPE, form(part('name="model"', b"")), "model")
    assert field is not None
    assert field.value == b""
    assert find_field(TYPE, b"--XyZ--\r\n", "model") is None


@given(st.binary(max_size=60) | st.lists(st.sampled_from([b"\r\n", b"--", b"Xy", b"Z", b"XyZ", b"-", b"\r", b"x"])).map(b"".join))
def test_contents_of_a_file_never_move_the_field(contents: bytes) -> None:
    body = form(part('name="file"; filename="f"', contents), MODEL)
    try:
        field = find_field(TYPE, body, "model")
    except GatewayError:
        assert b"\n--XyZ" in b"\r\n" + contents + b"\r\n--"
    else:
        assert field is not None
        assert body[slice(*field.spans[0])] == b"whisper-1"
        assert field.spans[0][0] == body.rindex(b"whisper-1")


@pytest.mark.parametrize(
    "contents",
    [
        b"x--XyZ\r\ny",
        b"--XyZ",
        b"\r\n--Xy",
        b"\r\n-XyZ--",
        b"\r--XyZ\r\n",
        b'\r\nContent-Disposition: form-data; name="model"\r\n\r\nevil',
    ],
)
def test_text_within_a_file_that_is_no_delimiter_is_just_bytes(contents: bytes) -> None:
    field = find_field(TYPE, form(part('name="file"; filename="f"', b"a" + contents), MODEL), "model")
    assert field is not None
    assert field.value == b"whisper-1"


@pytest.mark.parametrize("contents", [b"\n--XyZ\r\n", b"\r\n--XyZq\r\n", b"\n--XyZ--", b"\r\n--XyZ"])
def test_text_that_some_parsers_take_for_a_delimiter_is_refused(contents: bytes) -> None:
    refused(form(part('name="file"; filename="f"', b"a" + contents + b"b"), MODEL))


@pytest.mark.parametrize(
    "value",
    [
        TYPE,
        'multipart/form-data; boundary="XyZ"',
        "Multipart/Form-Data ; charset=utf-8;Boundary=XyZ;",
        r'multipart/form-data; boundary="X\yZ"',
    ],
)
def test_boundary_parameter_spellings(value: str) -> None:
    assert boundary_of(value) == b"XyZ"


def test_boundary_may_hold_what_rfc_2046_allows() -> None:
    assert boundary_of("multipart/form-data; boundary=----a/b=c?d") == b"----a/b=c?d"
    assert boundary_of('multipart/form-data; boundary="a b\'():,"') == b"a b'():,"


@pytest.mark.parametrize(
    "value",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/mixed; boundary=XyZ",
        "",
        "multipart/form-data; boundary=a; boundary=b",
        "multipart/form-data; boundary*=utf-8''a; boundary=b",
        "multipart/form-data; boundary=" + "a" * 71,
        'multipart/form-data; boundary="a ',
        'multipart/form-data; boundary="a "',
        'multipart/form-data; boundary="a\nb"',
        "multipart/form-data; boundary=é",
    ],
)
def test_missing_doubled_or_impossible_boundary_is_refused(value: str) -> None:
    refused(form(MODEL), value)


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ("name=model", "model"),
        ('NAME="model"', "model"),
        (r'name="mo\del"', "model"),
        (r'name="a\"b\\"', 'a"b\\'),
        ("filename*=utf-8''x; name=\"m\"", "other"),
        ('name="日本"', "日本"),
        ('name="a;name=b"', "a;name=b"),
        ('name="timestamp_granularities[]"', "timestamp_granularities[]"),
    ],
)
def test_field_names_quoted_escaped_and_bare(disposition: str, name: str) -> None:
    field = find_field(TYPE, form(part(disposition, b"v")), name)
    assert (field is None) == (name == "other")


def test_name_is_case_sensitive_as_in_every_form() -> None:
    assert find_field(TYPE, form(part('name="Model"', b"v")), "model") is None


def test_same_value_twice_gives_both_places_and_different_values_are_refused() -> None:
    body = form(MODEL, AUDIO, MODEL)
    field = find_field(TYPE, body, "model")
    assert field is not None
    assert [body[start:end] for start, end in field.spans] == [b"whisper-1"] * 2
    error = refused(form(MODEL, part('name="model"', b"gpt-4o")))
    assert error.param == "model"
    assert "gpt-4o" not in error.public


@pytest.mark.parametrize(
    "one",
    [
        part('name="model"; filename="m"', b"x"),
        part('name="model"', b"eA==", "Content-Transfer-Encoding: base64"),
        part("name=\"model\"; filename*=utf-8''m", b"x"),
    ],
)
def test_model_as_a_file_or_encoded_is_refused(one: bytes) -> None:
    assert refused(form(one)).param == "model"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--XyZ",
        b"--XyZ\r\n",
        b"{}",
        b"preamble\r\n" + form(MODEL),
        form(MODEL) + b"more",
        form(MODEL)[:-4],
        form(MODEL)[:-8],
        form(b"no headers"),
        form(b"\r\nvalue"),
        form(b"Content-Type: text/plain\r\n\r\nx"),
        form(MODEL).replace(b"\r\n", b"\n"),
        form(b'Content-Disposition: form-data; name="model"\nX: y\r\n\r\nv'),
        form(b'Content-Disposition: form-data;\r\n name="model"\r\n\r\nv'),
        form(b'Content-Disposition : form-data; name="model"\r\n\r\nv'),
        form(part('name="model"; name="other"', b"v")),
        form(part("filename=x", b"v")),
        form(b'Content-Disposition: attachment; name="model"\r\n\r\nv'),
        form(part('name="model"', b"v", 'Content-Disposition: form-data; name="other"')),
        form(part('name="model', b"v")),
        form(part('name="model" x', b"v")),
        form(part("name=\"model\"; name*=utf-8''other", b"v")),
        form(part('name="model"', b"v", "X: a\0b")),
        b'--XyZ\r\nContent-Disposition: form-data; name="model"\r\n\r\n--XyZ--\r\n',
    ],
)
def test_malformed_forms_are_refused(body: bytes) -> None:
    refused(body)


def test_last_boundary_without_line_end_and_padded_boundaries_are_fine() -> None:
    body = form(MODEL).removesuffix(b"\r\n").replace(b"--XyZ\r\n", b"--XyZ \t\r\n")
    assert find_field(TYPE, body, "model") is not None


def test_number_of_parts_and_size_of_headers_are_bounded() -> None:
    assert find_field(TYPE, form(*[part("name=a", b"")] * MAX_PARTS), "model") is None
    refused(form(*[part("name=a", b"")] * (MAX_PARTS + 1)))
    refused(form(part('name="model"', b"v", "X: " + "y" * MAX_PART_HEADER_BYTES)))


def test_field_that_is_not_utf8_has_no_text() -> None:
    field = find_field(TYPE, form(part('name="model"', b"\xff")), "model")
    assert field is not None
    with pytest.raises(GatewayError):
        field.text()


def test_model_behind_a_large_file_is_found() -> None:
    body = form(part('name="file"; filename="f"', b"\r\n--Xy" * 4_000_000), MODEL)
    field = find_field(TYPE, body, "model")
    assert field is not None
    assert field.value == b"whisper-1"
