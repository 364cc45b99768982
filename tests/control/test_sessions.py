from __future__ import annotations

from weighbridge.auth.virtual_keys import digest_of
from weighbridge.control.sessions import Sessions
from weighbridge.core.terms import VirtualKey

KEY = VirtualKey("key_1", "root", digest_of(b"wb-root"), is_admin=True)


def test_only_a_hash_of_the_cookie_is_kept(clock):
    sessions = Sessions(clock)
    token, session = sessions.open(KEY)
    assert token.encode() not in b"".join(sessions._sessions)
    assert sessions.find(token) is session


def test_there_is_room_for_a_thousand_and_the_idlest_goes_first(clock):
    sessions = Sessions(clock)
    first, second = sessions.open(KEY)[0], sessions.open(KEY)[0]
    sessions.find(first)
    for _ in range(999):
        sessions.open(KEY)
    assert sessions.find(second) is None
    assert sessions.find(first) is not None


def test_addresses_are_forgotten_before_they_fill_the_memory(clock):
    sessions = Sessions(clock)
    for number in range(10_050):
        sessions.failed(f"host-{number}")
    assert len(sessions._failures) == 10_000


def test_tokens_are_compared_whole(clock):
    _, session = Sessions(clock).open(KEY)
    assert session.allows(session.csrf_token)
    assert not session.allows(session.csrf_token[:-1])
