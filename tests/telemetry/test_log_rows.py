from __future__ import annotations

import json

import msgspec
import pytest
from tests.storage.test_ledger_store import attempt, record

from weighbridge.core.erasure import Erasure, SubjectKind, digest_of_name
from weighbridge.telemetry.log_rows import PERSONAL, LogRow, Redaction, is_of_erased, lines_of, row_of

AT = record(0).start_wall_ns
WHO = {"user": "ann", "organisation": "acme", "end_user": "u-1", "session": "s-1", "tags": ("a", "b")}


def test_a_row_tells_what_was_used_what_it_cost_and_where_each_figure_is_from():
    failed = msgspec.structs.replace(attempt(None), error="timeout")
    row = row_of(record(1, failed, attempt(1_250_000_007), **WHO))
    assert (row.cost_nanousd, row.cost_usd) == (1_250_000_007, "1.250000007")
    assert (row.price_state, row.usage_provenance) == ("known", "reported")
    assert (row.attempts, row.failed_attempts) == (2, ("openai/gpt-5;timeout",))
    assert (row.input_tokens, row.output_tokens) == (30, 14)  # of both attempts: both are paid for
    assert row.at == "2027-01-15T08:00:00.000000Z"
    assert (row.tags, row.duration_ms, row.first_byte_ms) == (("a", "b"), 2_000, 1_000)


def test_a_cost_that_nobody_knows_is_null_and_never_nothing():
    told = json.loads(lines_of([record(1, attempt(None), cost_nanousd=None)], Redaction())[0])
    assert (told["cost_nanousd"], told["cost_usd"], told["price_state"]) == (None, None, "known")
    assert set(told) == set(LogRow.__struct_fields__)


@pytest.mark.parametrize("name", sorted(PERSONAL))
def test_what_is_personal_can_be_left_out_or_hashed(name):
    row = row_of(record(1, **WHO))
    value = getattr(row, name)
    assert value
    left_out = getattr(Redaction(omitted=frozenset((name,))).applied(row), name)
    assert left_out in ("", ())
    one, same, other = (getattr(Redaction(hashed=frozenset((name,)), salt=salt).applied(row), name) for salt in ("x", "x", "y"))
    assert one == same != other
    assert value not in (one, other)
    others = msgspec.structs.replace(row, **{name: value})
    assert others == row


def test_nobody_is_not_hashed():
    row = Redaction(hashed=frozenset(("end_user", "tags")), salt="x").applied(row_of(record(1)))
    assert (row.end_user, row.tags) == ("", ())


@pytest.mark.parametrize(
    ("record_of", "redaction", "is_theirs"),
    [
        ({"end_user": "ann"}, Redaction(), True),
        ({"end_user": "bob", "user": "ann"}, Redaction(), False),
        ({"end_user": "ann", "start_wall_ns": AT + 2_000_000}, Redaction(), False),  # who came back afterwards
        ({"end_user": "ann"}, Redaction(hashed=frozenset({"end_user"}), salt="x"), False),
    ],
)
def test_a_waiting_row_of_somebody_erased_is_known_by_its_name(record_of, redaction, is_theirs):
    erasure = Erasure("era_1", AT + 1_000_000, SubjectKind.END_USER, b"s", digest_of_name("ann", b"s"))
    (line,) = lines_of([record(1, **record_of)], redaction)
    assert is_of_erased(line, erasure) is is_theirs
    assert not is_of_erased(line[:-1], erasure)
