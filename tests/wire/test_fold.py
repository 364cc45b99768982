"""Events as a whole reply, and back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.terms import NO_USAGE, Usage
from weighbridge.wire.conversation import (
    Audio,
    Citation,
    Image,
    MediaBytes,
    Reasoning,
    Refusal,
    Seal,
    SealKind,
    ServerTool,
    Text,
    ToolCall,
)
from weighbridge.wire.events import (
    AudioDelta,
    Choice,
    Ended,
    Failed,
    Finished,
    FinishReason,
    KeepAlive,
    PartEnded,
    PartKind,
    PartStarted,
    Reply,
    Started,
    SummaryDelta,
    TextDelta,
    UsageReported,
)
from weighbridge.wire.fold import Folder, fold, unfold

SEAL = Seal("gemini", SealKind.SIGNATURE, "S")
CITATION = Citation("anthropic", {"type": "x"}, "https://a.b", "A")
TOKEN = {"token": "a", "logprob": -1.0, "bytes": [97], "top_logprobs": []}
WORDS = st.text(max_size=6)
PARTS = st.one_of(
    st.builds(lambda text, seal, cites: Text(text, citations=cites, seal=seal), WORDS, st.none() | st.just(SEAL),
              st.sampled_from([(), (CITATION,)])),
    st.builds(lambda name, text, is_custom: ToolCall("c", name, text, is_custom, SEAL, "item"), WORDS, WORDS, st.booleans()),
    st.builds(lambda text, summary, made: Reasoning(text, tuple(summary), SEAL, made), WORDS,
              st.lists(WORDS.filter(bool), max_size=3), st.none() | WORDS),
    st.builds(Refusal, WORDS),
    st.just(Audio(MediaBytes("QUI=", "audio/*"), "id", "said", 5)),
    st.just(Image(MediaBytes("QQ==", "image/png"))),
    st.just(ServerTool("openai", "web_search", {"type": "x"})),
)  # fmt: skip
CHOICES = st.builds(
    lambda parts, reason, tokens: Choice(tuple(parts), reason, "native", "stop", tokens, tokens),
    st.lists(PARTS, max_size=4),
    st.sampled_from(FinishReason),
    st.sampled_from([(), (TOKEN,)]),
)
REPLIES = st.builds(
    lambda choices, usage, tier: Reply(tuple(choices), "id", "model", 7, usage, tier),
    st.lists(CHOICES, max_size=3),
    st.sampled_from([NO_USAGE, Usage(1, output=2)]),
    st.sampled_from([None, "flex"]),
)


@given(reply=REPLIES)
def test_a_reply_is_the_fold_of_its_events(reply):
    assert fold(unfold(reply)) == reply


@given(reply=REPLIES)
def test_events_come_in_the_order_that_writers_rely_on(reply):
    events = list(unfold(reply))
    assert isinstance(events[0], Started)
    assert isinstance(events[-1], Ended)
    is_open: set[tuple[int, int]] = set()
    finished: set[int] = set()
    for event in events:
        if isinstance(event, PartStarted):
            assert event.choice not in finished
            is_open.add((event.choice, event.part))
        elif isinstance(event, PartEnded):
            is_open.remove((event.choice, event.part))
        elif isinstance(event, Finished):
            assert not any(choice == event.choice for choice, _ in is_open)
            finished.add(event.choice)
    assert not is_open


def test_parts_may_overlap():
    events = [
        PartStarted(0, 0, PartKind.TEXT),
        PartStarted(0, 1, PartKind.TEXT),
        TextDelta(0, 1, "b"),
        TextDelta(0, 0, "a"),
        PartEnded(0, 1),
        PartEnded(0, 0),
        Finished(0, FinishReason.STOP),
    ]
    assert fold(events).choices[0].parts == (Text("a"), Text("b"))


def test_pieces_of_sound_are_joined_after_decoding():
    events = [PartStarted(0, 0, PartKind.AUDIO), AudioDelta(0, 0, "QQ==", "x"), AudioDelta(0, 0, "Qg==", "y"), PartEnded(0, 0)]
    assert fold(events).choices[0].parts == (Audio(MediaBytes("QUI=", "audio/*"), None, "xy"),)


def test_paragraphs_of_a_summary_may_come_in_pieces():
    deltas = [SummaryDelta(0, 0, 1, "b"), SummaryDelta(0, 0, 0, "a"), SummaryDelta(0, 0, 1, "c")]
    events = [PartStarted(0, 0, PartKind.REASONING), *deltas, PartEnded(0, 0)]
    assert fold(events).choices[0].parts == (Reasoning("", ("a", "bc")),)


def test_the_last_counts_replace_those_before():
    reply = fold([UsageReported(Usage(1), "flex"), KeepAlive(), UsageReported(Usage(2))])
    assert (reply.usage, reply.service_tier) == (Usage(2), "flex")


def test_a_choice_that_never_finished_has_no_reason_of_its_own():
    folder = Folder()
    folder.take(PartStarted(1, 0, PartKind.TEXT))
    folder.take(TextDelta(1, 0, "a"))
    assert folder.reply.choices == (Choice((Text("a"),), FinishReason.OTHER),)


def test_a_stream_that_broke_off_folds_to_what_was_said_and_has_not_ended():
    reply = fold([Started("i"), PartStarted(0, 0, PartKind.TEXT), TextDelta(0, 0, "half")])
    assert reply == Reply((Choice((Text("half"),), FinishReason.OTHER, ""),), "i")


def test_a_failure_adds_nothing():
    assert fold([Started("i"), Failed("broken")]) == Reply((), "i")
