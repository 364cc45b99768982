"""One port, several sets of sockets, and an error that says what to do."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from weighbridge.app import listeners
from weighbridge.app.listeners import ListenError


@pytest.fixture
def first() -> Iterator[list[socket.socket]]:
    sockets = listeners.bind("127.0.0.1", 0)
    yield sockets
    listeners.close(sockets)


def test_a_free_port_is_found_and_workers_inherit_the_socket(first) -> None:
    assert first[0].getsockname()[1] > 0
    assert first[0].get_inheritable()


def test_a_sibling_shares_the_port(first) -> None:
    sibling = listeners.bind_sibling(first)
    assert sibling[0].getsockname() == first[0].getsockname()
    assert sibling[0].get_inheritable()
    listeners.close(sibling)


def test_connections_wait_once_it_listens(first) -> None:
    listeners.listen(first)
    with socket.create_connection(first[0].getsockname(), timeout=5):
        accepted, _ = first[0].accept()
        accepted.close()


def test_a_port_that_another_program_has_is_explained(first) -> None:
    port = first[0].getsockname()[1]
    listeners.listen(first)
    with pytest.raises(ListenError, match=f"cannot listen on 127.0.0.1:{port}.*choose a port"):
        listeners.bind("127.0.0.1", port)


def test_all_addresses_of_a_name_get_the_same_port() -> None:
    sockets = listeners.bind("localhost", 0)
    assert len({each.getsockname()[1] for each in sockets}) == 1
    listeners.close(sockets)


def test_a_host_that_does_not_exist_is_explained() -> None:
    with pytest.raises(ListenError, match=r"cannot listen on no-such-host\.invalid:80"):
        listeners.bind("no-such-host.invalid", 80)
