from __future__ import annotations

import pytest
from tests.pipeline.conftest import Pipe

from weighbridge.pipeline.inlet import Inlet


@pytest.mark.parametrize(
    ("calls", "is_paused"),
    [
        (["pause"], True),
        (["pause", "resume"], False),
        (["shut"], True),
        (["shut", "open"], False),
        (["shut", "pause", "resume"], True),
        (["pause", "shut", "open"], True),
        (["pause", "shut", "open", "resume"], False),
        (["shut", "pause", "open", "resume"], False),
    ],
)
def test_a_source_is_read_only_when_neither_wants_it_paused(calls, is_paused):
    pipe = Pipe(None)
    inlet = Inlet(pipe)
    for call in calls:
        getattr(inlet, call)()
    assert pipe.is_paused is is_paused
