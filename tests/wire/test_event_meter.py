from __future__ import annotations

from weighbridge.core.terms import NO_USAGE, Provenance, Usage, UsageApart
from weighbridge.wire.event_meter import EventMeter
from weighbridge.wire.events import Choice, Ended, Failed, Finished, FinishReason, Reply, Started, UsageReported

USAGE = Usage(3, output=2)


def test_events_tell_what_a_forwarded_reply_would_have_told():
    meter = EventMeter()
    meter.take([Started("id", "served"), Finished(0, FinishReason.STOP, "end_turn"), UsageReported(USAGE, "standard"), Ended()])
    meter.finish()
    assert (meter.response_id, meter.served_model, meter.finish_reason) == ("id", "served", "end_turn")
    assert (meter.usage, meter.service_tier, meter.is_complete) == (USAGE, "standard", True)


def test_what_a_price_hangs_on_is_known_of_a_reply_that_breaks_off():
    meter, apart = EventMeter(), (UsageApart("claude-wise", USAGE),)
    meter.take([Started("id", "served", 0, "priority")])
    assert meter.service_tier == "priority"
    meter.take([UsageReported(USAGE, region="us", apart=apart)])
    meter.finish()
    assert (meter.service_tier, meter.region, meter.apart) == ("priority", "us", apart)


def test_the_first_choices_end_is_the_replys():
    meter = EventMeter()
    meter.take([Finished(1, FinishReason.LENGTH), Finished(0, FinishReason.STOP)])
    assert meter.finish_reason == "stop"


def test_what_a_broken_reply_counted_is_a_floor_and_nothing_stays_unknown():
    meter, silent = EventMeter(), EventMeter()
    meter.take([UsageReported(USAGE)])
    meter.finish()
    silent.finish()
    assert meter.usage.provenance is Provenance.DERIVED
    assert silent.usage is NO_USAGE


def test_an_error_inside_of_a_stream_is_noted_by_its_finest_word():
    meter = EventMeter()
    meter.take([Failed("text", type="overloaded_error", code="529")])
    assert (meter.stream_error, meter.is_complete) == ("529", False)


def test_a_whole_reply_tells_the_same():
    meter = EventMeter()
    choice = Choice((), FinishReason.STOP, "STOP")
    meter.take_reply(Reply((choice,), "id", "served", usage=USAGE, service_tier="flex"))
    meter.finish()
    assert (meter.response_id, meter.served_model, meter.finish_reason) == ("id", "served", "STOP")
    assert (meter.usage, meter.service_tier, meter.is_complete) == (USAGE, "flex", True)
