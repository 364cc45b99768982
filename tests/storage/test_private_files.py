from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from weighbridge.storage.errors import StorageError
from weighbridge.storage.private_files import create_private_file, make_file_private, make_private_directory, only_process


def mode(path) -> int:
    return path.stat().st_mode & 0o777


def test_a_new_directory_is_for_the_owner_only(tmp_path):
    make_private_directory(tmp_path / "a" / "b")
    assert mode(tmp_path / "a" / "b") == 0o700


def test_a_directory_that_others_use_keeps_its_mode(tmp_path):
    (tmp_path / "shared").mkdir(mode=0o755)
    make_private_directory(tmp_path / "shared")
    assert mode(tmp_path / "shared") == 0o755


def test_a_file_is_written_once_and_for_the_owner_only(tmp_path):
    create_private_file(tmp_path / "key", b"one")
    with pytest.raises(FileExistsError):
        create_private_file(tmp_path / "key", b"two")
    assert (tmp_path / "key").read_bytes() == b"one"
    assert mode(tmp_path / "key") == 0o600


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        create_private_file(tmp_path / "key", b"secret")
    assert not (tmp_path / "elsewhere").exists()


def test_a_place_that_cannot_be_written_is_named_with_a_way_out(tmp_path):
    (tmp_path / "file").touch()
    for act in (
        lambda: make_private_directory(tmp_path / "file" / "data"),
        lambda: create_private_file(tmp_path / "missing" / "key", b""),
        lambda: make_file_private(tmp_path / "missing" / "db"),
    ):
        with pytest.raises(StorageError, match="--data-dir"):
            act()


def test_a_file_in_use_keeps_its_content_when_it_is_made_private(tmp_path):
    path = tmp_path / "db"
    path.write_bytes(b"content")
    path.chmod(0o644)
    make_file_private(path)
    assert (path.read_bytes(), mode(path)) == (b"content", 0o600)


def test_only_one_at_a_time_holds_a_lock_file(tmp_path):
    inside: list[int] = []

    def enter(number: int) -> int:
        with only_process(tmp_path / "lock"):
            inside.append(number)
            crowd = len(inside)
            inside.remove(number)
            return crowd

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(enter, range(100))) == {1}
    assert mode(tmp_path / "lock") == 0o600


def test_a_lock_outlives_no_failure(tmp_path):
    with pytest.raises(KeyError), only_process(tmp_path / "lock"):
        raise KeyError
    with only_process(tmp_path / "lock"):
        pass
