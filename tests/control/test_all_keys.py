"""Keys of the file stand before those of the store."""

from __future__ import annotations

from weighbridge.auth.virtual_keys import digest_of
from weighbridge.control.all_keys import AllKeys
from weighbridge.control.key_registry import KeyRegistry
from weighbridge.core.terms import VirtualKey


def of_file(secret: str) -> VirtualKey:
    return VirtualKey("file_1", "of the file", digest_of(secret.encode()))


async def test_keys_of_both_are_found_and_others_are_not(store, make_key) -> None:
    keys = AllKeys(KeyRegistry(store))
    secret = make_key("stored")
    keys.set_file_keys([of_file("wb-file")])
    await keys.poll()
    found = [await keys.find(digest_of(text.encode())) for text in (secret, "wb-file", "wb-nobody")]
    assert [key and key.name for key in found] == ["stored", "of the file", None]
    assert [key.name for key in keys.stored] == ["stored"]


async def test_a_key_that_the_file_declares_too_is_the_files(store, make_key) -> None:
    keys = AllKeys(KeyRegistry(store))
    secret = make_key("stored")
    keys.set_file_keys([of_file(secret)])
    delta = await keys.poll()
    assert delta is not None
    assert delta.upserted == ()
    found = await keys.find(digest_of(secret.encode()))
    assert found is not None
    assert found.name == "of the file"


async def test_nothing_new_is_told_as_nothing(store, make_key) -> None:
    keys = AllKeys(KeyRegistry(store))
    make_key("stored")
    assert await keys.poll() is not None
    assert await keys.poll() is None


async def test_a_key_that_left_the_file_is_no_longer_known(store) -> None:
    keys = AllKeys(KeyRegistry(store))
    keys.set_file_keys([of_file("wb-file")])
    keys.set_file_keys([])
    assert await keys.find(digest_of(b"wb-file")) is None
