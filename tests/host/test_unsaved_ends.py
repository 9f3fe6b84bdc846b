"""Answers whose end the database does not take, by a host in this process."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec.structs import replace

from kensho_tui.core.contract import Message, Submit
from kensho_tui.core.errors import DiskFullError
from kensho_tui.dialogue import service
from kensho_tui.dialogue.service import Dialogue
from kensho_tui.host.rooms import Host
from kensho_tui.storage.turns import Turns
from tests.support.home import Home
from tests.support.scripted_host import SCRIPTED_WORKER
from tests.support.turns import script


class Disk:
    """Takes the ends of answers unless it is `full`; then `asked` tells that one came, and `go` holds it."""

    def __init__(self) -> None:
        self.full = False
        self.asked, self.go = asyncio.Event(), asyncio.Event()
        self.go.set()


@pytest.fixture
async def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk, finish = Disk(), Turns.finish

    async def finish_there(turns: Turns, *what: Any) -> None:
        if disk.full:
            disk.asked.set()
            await disk.go.wait()
            raise DiskFullError("the end of the answer was not saved")
        await finish(turns, *what)

    monkeypatch.setattr(Turns, "finish", finish_there)
    monkeypatch.setattr(service, "SAVE_AGAIN_S", 3600.0)
    return disk


@pytest.fixture
async def host(home: Home, disk: Disk) -> AsyncIterator[Host]:
    host = await Host.build(home.paths, SCRIPTED_WORKER)
    yield host
    disk.full = False
    await host.close()


@pytest.fixture
def dialogue(host: Host) -> Dialogue:
    return host._dialogue


async def ended(host: Host, stream: str) -> Message:
    """The message with its text, as its stream ended."""
    live = host._hub.get(stream)
    while live.result is None:
        await live.read(live.length, 10)
    return replace(live.result, content=live.text)


async def unsaved(host: Host, disk: Disk, prompt: str) -> str:
    """The chat of an answer whose end is in memory alone."""
    disk.full = True
    submitted = await host._dialogue.submit(Submit(prompt=prompt))
    assert (await ended(host, submitted.stream)).unsaved
    disk.full = False
    return submitted.chat


async def test_what_follows_is_asked_after_the_whole_answer(
    host: Host, dialogue: Dialogue, disk: Disk
) -> None:
    chat = await unsaved(host, disk, "one")
    asked = await dialogue.submit(Submit(prompt=script(turns=True), chat=chat))
    told = (await ended(host, asked.stream)).content
    assert json.loads(told) == ["one", "You said: one", script(turns=True)]


async def test_what_follows_is_not_the_question_that_it_would_be_without_that_answer(
    host: Host, dialogue: Dialogue, disk: Disk
) -> None:
    await ended(host, (await dialogue.submit(Submit(prompt="two"))).stream)
    chat = await unsaved(host, disk, "one")
    asked = await dialogue.submit(Submit(prompt="two", chat=chat))
    assert not (await ended(host, asked.stream)).cached


async def test_its_prompt_can_be_asked_anew(host: Host, dialogue: Dialogue, disk: Disk) -> None:
    chat = await unsaved(host, disk, "one")
    prompt = (await dialogue.show(chat, False)).messages[0]
    asked = await dialogue.submit(Submit(prompt="one", anew=prompt.id))
    assert (await ended(host, asked.stream)).content == "You said: one"
    assert len((await dialogue.show(chat, True)).messages) == 3


async def test_one_that_is_refused_while_the_host_ends_is_written_beside_the_database(
    host: Host, dialogue: Dialogue, disk: Disk, home: Home
) -> None:
    disk.full = True
    disk.go.clear()
    await dialogue.submit(Submit(prompt="one"))
    await disk.asked.wait()
    closing = asyncio.create_task(dialogue.close())
    await asyncio.wait({closing}, timeout=0.2)
    disk.go.set()
    await closing
    (path,) = home.paths.data.glob("unsaved-*.txt")
    assert path.read_text(encoding="utf-8") == "You said: one"
