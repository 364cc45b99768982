"""Values of any shape."""

from __future__ import annotations

import pytest

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.loose_json import as_index, as_list, as_object, as_text, read_any_object


@pytest.mark.parametrize("value", [None, 1.5, "text", [1], {"a": 1}])
def test_what_is_of_another_type_reads_as_empty(value):
    assert as_object(value) == (value if isinstance(value, dict) else {})
    assert as_list(value) == (value if isinstance(value, list) else [])
    assert as_text(value) == (value if isinstance(value, str) else "")
    assert as_index(value) == 0


def test_a_document_that_is_no_object_reads_as_an_empty_one():
    assert read_any_object(b'{"a": 1}') == {"a": 1}
    assert read_any_object(b"[1]") == {}


@pytest.mark.parametrize("document", [b"", b"{", b'{"a": "\xff"}', b"[" * 100_000])
def test_what_is_no_json_is_the_providers_fault(document):
    with pytest.raises(GatewayError) as raised:
        read_any_object(document)
    assert raised.value.kind is ErrorKind.PROVIDER_MALFORMED
