from __future__ import annotations

import pytest

from weighbridge.storage.stored_keys import KeyState, NewKey, StoredKey, newly_stored

NOW = 1_000


@pytest.mark.parametrize(
    ("expires", "revoked", "state"),
    [
        (None, None, KeyState.ACTIVE),
        (NOW + 1, None, KeyState.ACTIVE),
        (NOW, None, KeyState.EXPIRED),
        (None, NOW - 1, KeyState.REVOKED),
        (NOW - 1, NOW - 1, KeyState.REVOKED),
    ],
)
def test_a_key_works_until_it_expires_or_is_revoked(expires, revoked, state):
    key = newly_stored(NewKey(name="ci", digest=b"d", hint="h", expires_wall_ns=expires), 0).key
    assert StoredKey(key, 0, revoked).state_at(NOW) is state


def test_every_stored_key_has_its_own_id():
    new = NewKey(name="ci", digest=b"d", hint="h")
    assert newly_stored(new, 0).key.id != newly_stored(new, 0).key.id
