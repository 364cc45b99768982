from __future__ import annotations

from weighbridge.http import connection_state
from weighbridge.http.connection_state import State


def test_every_state_is_explained_and_has_its_own_name():
    explained = [line.split()[0] for line in connection_state.__doc__.splitlines()[2:] if line]
    assert explained == [state.name for state in State]
    for state in State:
        assert getattr(connection_state, state.name) is state
