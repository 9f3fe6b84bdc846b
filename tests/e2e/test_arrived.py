"""A download as a person meets it in the app: its tray, the notice when it is done, the key that uses it."""

from pathlib import Path

import pytest

from kensho_tui.client.facade import Kensho
from kensho_tui.core.hub_contract import START_DOWNLOAD, StartDownload
from tests.support.loopback_hub import MIB, Generated, LoopbackHub
from tests.support.terminal import READY, Terminal

pytestmark = pytest.mark.slow

F7, CTRL_Q, ENTER = "\x1b[18~", "\x11", "\r"
REPO = "owner/other-GGUF"


async def fetch(what: str) -> None:
    async with Kensho() as kensho:
        await kensho.call(START_DOWNLOAD, StartDownload(what=what))


@pytest.mark.usefixtures("home")
async def test_it_is_fetched_and_used_with_one_key(loopback_hub: LoopbackHub, smollm: Path) -> None:
    loopback_hub.add(REPO, {"other-Q4_1.gguf": smollm})
    loopback_hub.knobs.rate = 40e6
    with Terminal(columns=80, lines=24) as terminal:
        terminal.wait_for(READY)
        terminal.wait_for("the starter chats meanwhile")
        terminal.send("What is a REST")
        await fetch(f"{REPO}/other-Q4_1.gguf")
        terminal.wait_for(r"↓ \d+ % \d:\d\d")
        terminal.wait_for("✓ other-Q4_1 is here · F7 uses it")
        terminal.send(F7)
        terminal.wait_for("other-Q4_1 answers from here on")
        terminal.wait_for("● other-Q4_1")
        terminal.send(" API?" + ENTER)
        terminal.wait_for("What is a REST API\\?")
        terminal.wait_for("┃ other-Q4_1")
        terminal.wait_for(r"tok/s")
        terminal.send(F7)
        terminal.wait_for("no model has arrived")
        terminal.send(CTRL_Q)
        assert terminal.wait_end() == 0
    assert b"Traceback" not in terminal.written


@pytest.mark.usefixtures("home")
async def test_leaving_while_it_comes_says_that_it_goes_on(loopback_hub: LoopbackHub) -> None:
    loopback_hub.add(REPO, {"other-Q4_K_M.gguf": Generated(64 * MIB)})
    loopback_hub.knobs.rate = 2e6
    with Terminal() as terminal:
        terminal.wait_for(READY)
        await fetch(f"{REPO}/other-Q4_K_M.gguf")
        terminal.wait_for(r"↓ \d+ % \d:\d\d")
        terminal.send(CTRL_Q)
        assert terminal.wait_end() == 0
        assert "A download goes on in the background; kensho-tui host status shows it." in terminal.text()


@pytest.mark.usefixtures("home")
async def test_a_failure_is_said_where_the_person_is(loopback_hub: LoopbackHub) -> None:
    loopback_hub.add(REPO, {"other-Q4_K_M.gguf": b"this is no model, whatever its name says" * 1000})
    with Terminal() as terminal:
        terminal.wait_for(READY)
        await fetch(f"{REPO}/other-Q4_K_M.gguf")
        terminal.wait_for("✗ other-Q4_K_M was not fetched: .*")
        terminal.wait_for("✗ 1 failed")
