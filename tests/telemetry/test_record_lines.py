from tests.control.conftest import record

from weighbridge.core.codec import decode_json
from weighbridge.telemetry.record_lines import RecordLines


def test_records_come_back_as_they_were_in_their_order():
    records = [record("req_1"), record("req_2")]
    batch = RecordLines.of(records)
    assert batch.n_records == 2
    assert batch.records() == records


def test_each_record_is_a_line_of_json():
    lines = RecordLines.of([record("req_1"), record("req_2")]).lines
    assert [decode_json(line)["request_id"] for line in lines.splitlines()] == ["req_1", "req_2"]
    assert lines.endswith(b"\n")


def test_no_records_are_no_lines():
    assert RecordLines.of([]).records() == []
