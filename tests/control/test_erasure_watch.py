from __future__ import annotations

from weighbridge.control.erasure_watch import ErasureWatch
from weighbridge.core.erasure import SubjectKind
from weighbridge.storage.erasure_store import KNOWN_FOR_NS
from weighbridge.storage.transactions import Act

ACT = Act("test")


async def test_each_erasure_is_told_once_wherever_it_was_asked_for(store, clock):
    told = []
    watch = ErasureWatch(store.erasures, told.append, clock)
    await watch.look()
    assert told == []
    first = store.erasures.erase(SubjectKind.END_USER, "ann", ACT).erasure  # by the command line, say
    await watch.look()
    await watch.look()
    second = store.erasures.erase(SubjectKind.USER, "ada", ACT).erasure
    await watch.look()
    assert told == [[first], [second]]


async def test_a_start_tells_of_the_last_weeks_since_rows_may_have_waited_as_long(store, clock):
    store.erasures.erase(SubjectKind.END_USER, "ann", ACT)
    clock.wall += KNOWN_FOR_NS + 1
    recent = store.erasures.erase(SubjectKind.END_USER, "bob", ACT).erasure
    told = []
    await ErasureWatch(store.erasures, told.append, clock).look()
    assert told == [[recent]]
