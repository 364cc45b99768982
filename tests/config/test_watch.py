from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from weighbridge.config import watch
from weighbridge.config.watch import watch_config

# A change that the watch has not reported within this time is lost.
PATIENCE_S = 10


class Watched:
    """A running watch that counts what it reports."""

    def __init__(self) -> None:
        self.changes: asyncio.Queue[None] = asyncio.Queue()

    async def saw(self) -> None:
        await self.changes.put(None)

    async def next(self) -> None:
        await asyncio.wait_for(self.changes.get(), PATIENCE_S)


@asynccontextmanager
async def watching(path: Path) -> AsyncIterator[Watched]:
    stop = asyncio.Event()
    watched = Watched()
    task = asyncio.create_task(watch_config(path, watched.saw, stop=stop))
    await asyncio.sleep(0)
    try:
        yield watched
    finally:
        stop.set()
        await asyncio.wait_for(task, PATIENCE_S)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_DEBOUNCE_MS", 50)
    monkeypatch.setattr(watch, "_LOOK_AGAIN_MS", 300)


async def test_a_file_that_is_written_to_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "wb.yaml"
    path.write_text("a")
    async with watching(path) as watched:
        path.write_text("b")
        await watched.next()
        path.write_text("c")
        await watched.next()


async def test_a_file_that_is_replaced_by_rename_is_noticed_each_time(tmp_path: Path) -> None:
    path = tmp_path / "wb.yaml"
    path.write_text("0")
    async with watching(path) as watched:
        for text in ("1", "2"):
            new = tmp_path / ".wb.yaml.swp"
            new.write_text(text)
            new.replace(path)
            await watched.next()


async def test_a_swapped_symbolic_link_of_kubernetes_is_noticed_each_time(tmp_path: Path) -> None:
    def publish(version: str) -> None:
        directory = tmp_path / f"..{version}"
        directory.mkdir()
        (directory / "wb.yaml").write_text(version)
        link = tmp_path / "..data_tmp"
        link.symlink_to(directory.name)
        link.replace(tmp_path / "..data")

    publish("1")
    path = tmp_path / "wb.yaml"
    path.symlink_to("..data/wb.yaml")
    async with watching(path) as watched:
        for version in ("2", "3"):
            publish(version)
            await watched.next()


async def test_a_file_that_is_gone_for_a_while_is_one_change(tmp_path: Path) -> None:
    path = tmp_path / "wb.yaml"
    path.write_text("a")
    async with watching(path) as watched:
        path.unlink()
        path.write_text("b")
        await watched.next()
    assert watched.changes.empty()


async def test_the_same_contents_and_other_files_are_no_change(tmp_path: Path) -> None:
    path = tmp_path / "wb.yaml"
    path.write_text("a")
    async with watching(path) as watched:
        path.touch()
        path.write_text("a")
        (tmp_path / "other.yaml").write_text("b")
        path.write_text("c")
        await watched.next()
    assert watched.changes.empty()


async def test_a_change_that_no_event_tells_of_is_found_by_looking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    path = tmp_path / "wb.yaml"
    path.write_text("a")
    monkeypatch.setattr(watch, "_directories", lambda path: [elsewhere])
    async with watching(path) as watched:
        path.write_text("b")
        await watched.next()


async def test_a_link_that_leads_elsewhere_is_followed_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Without looking: only events can tell.
    monkeypatch.setattr(watch, "_LOOK_AGAIN_MS", 600_000)
    for name in ("etc", "one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "target.yaml").write_text(name)
    path = tmp_path / "etc" / "wb.yaml"
    path.symlink_to(tmp_path / "one" / "target.yaml")
    async with watching(path) as watched:
        await noticed(watched, tmp_path / "one" / "target.yaml")
        path.unlink()
        path.symlink_to(tmp_path / "two" / "target.yaml")
        await watched.next()
        await noticed(watched, tmp_path / "two" / "target.yaml")


async def noticed(watched: Watched, path: Path) -> None:
    """Write until it is noticed: a watch that is only being set up cannot report what happened before."""
    for i in range(40):
        path.write_text(f"{i}")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(watched.changes.get(), PATIENCE_S / 40)
            return
    pytest.fail("not noticed")


async def test_a_watch_ends_when_it_is_told_to(tmp_path: Path) -> None:
    stop = asyncio.Event()
    stop.set()
    await asyncio.wait_for(watch_config(tmp_path / "wb.yaml", Watched().saw, stop=stop), PATIENCE_S)


async def test_what_the_reload_raises_is_not_swallowed(tmp_path: Path) -> None:
    path = tmp_path / "wb.yaml"
    path.write_text("a")

    async def fail() -> None:
        raise RuntimeError("reload")

    task = asyncio.create_task(watch_config(path, fail, stop=asyncio.Event()))
    await asyncio.sleep(0)
    path.write_text("b")
    with pytest.raises(RuntimeError, match="reload"):
        await asyncio.wait_for(task, PATIENCE_S)
