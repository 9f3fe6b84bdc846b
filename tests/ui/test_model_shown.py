"""The model that is shown is the one that answers, in the chat that is open and in a new one."""

import pytest
from msgspec.structs import replace

from kensho_tui.core import contract as c
from kensho_tui.core.errors import LoadError
from kensho_tui.ui.model_choice import ModelChoice
from kensho_tui.ui.open_chat import Place
from tests.ui.conftest import Started, app_of, shown, until
from tests.ui.fake_host import DATE, MODEL, FakeHost
from tests.ui.fake_models import GEMMA, QWEN, FakeModels


@pytest.fixture(autouse=True)
def models(host: FakeHost) -> FakeModels:
    host.add_chat("REST", host.message("user", "What is REST?"), host.message("assistant", "An interface."))
    return FakeModels(host)


def asked(host: FakeHost) -> list[tuple[str | None, str | None]]:
    """Chat and model of each prompt."""
    requests = [request for request in host.called("submit") if isinstance(request, c.Submit)]
    return [(request.chat, request.model) for request in requests]


async def test_a_new_chat_goes_on_with_the_model_that_was_chosen_whether_it_answered_or_not(
    host: FakeHost, start: Started
) -> None:
    async with start() as pilot:
        session = app_of(pilot).session
        await shown(pilot, "An interface.")
        await pilot.press("ctrl+l", "enter")
        await until(pilot, lambda: session.model == QWEN)
        await pilot.press("ctrl+n")
        await shown(pilot, f"{QWEN}  loads when you start to type", f"○ {QWEN} · cold")
        await pilot.press(*"hello", "enter")
        await until(pilot, lambda: bool(session.live))
        assert session.chat_id is not None
        host.chats_now[session.chat_id] = replace(host.chats_now[session.chat_id], model=QWEN)
        await session.refresh()
        await pilot.press("ctrl+n")
        await shown(pilot, f"{QWEN}  loads when you start to type", f"○ {QWEN} · cold")
        await pilot.press(*"again", "enter")
        await until(pilot, lambda: asked(host) == [(None, QWEN), (None, QWEN)])


async def test_a_choice_that_could_not_be_loaded_is_none_for_new_chats_either(
    host: FakeHost, start: Started
) -> None:
    async with start(size=(160, 30)) as pilot:
        await shown(pilot, "An interface.")
        host.fail["prepare"] = LoadError("out of memory")
        await pilot.press("ctrl+l", "enter")
        await shown(pilot, "out of memory", f"{MODEL} answers as before")
        await pilot.press("ctrl+n")
        await shown(pilot, f"{MODEL}  is warm", f"● {MODEL}")
        await pilot.press(*"hello", "enter")
        await until(pilot, lambda: asked(host) == [(None, MODEL)])


async def test_a_new_chat_has_the_model_that_answered_last_wherever_that_was(
    host: FakeHost, models: FakeModels, start: Started
) -> None:
    async with start() as pilot:
        await shown(pilot, "An interface.")
        await pilot.press("ctrl+n")
        await shown(pilot, f"● {MODEL}")
        host.models_now = tuple(replace(one, default=one.name == GEMMA) for one in host.models_now)
        elsewhere = host.add_chat("From elsewhere", host.message("user", "x"))
        host.chats_now[elsewhere.id] = replace(elsewhere, model=GEMMA)
        host.board.touch(c.TOPIC_CHATS, c.ChatsFact())
        await shown(pilot, "From elsewhere", f"○ {GEMMA} · cold")
        await pilot.press(*"hello", "enter")
        await until(pilot, lambda: asked(host) == [(None, GEMMA)])
        assert host.called("prepare") == [c.Prepare(model=GEMMA)]


async def test_a_model_that_is_gone_is_not_said_to_answer(
    host: FakeHost, models: FakeModels, start: Started
) -> None:
    old = host.add_chat("Old", host.message("user", "x"), host.message("assistant", "Yes."))
    host.chats_now[old.id] = replace(old, model="long-gone")
    async with start() as pilot:
        await shown(pilot, "Yes.", f"● {MODEL}")
        await pilot.press(*"more", "enter")
        await until(pilot, lambda: asked(host) == [(old.id, MODEL)])


async def test_a_chat_that_is_being_opened_has_its_own_model_already(
    host: FakeHost, models: FakeModels, start: Started
) -> None:
    old = host.add_chat("Old", host.message("user", "x"), updated=DATE)
    host.chats_now[old.id] = replace(old, model=GEMMA)
    async with start() as pilot:
        session = app_of(pilot).session
        session.place, session.chat = Place(old.id), None
        assert (session.model, session.asked_model) == (GEMMA, None)
        session.place = Place("unknown")
        assert session.asked_model is None


def test_a_choice_is_taken_back_wherever_it_waits_for_its_first_answer() -> None:
    choice = ModelChoice()
    choice.choose("one", "a", None)
    choice.settle("one", "a")
    choice.choose(None, "b", "a")
    choice.got_id("two")
    assert (choice.of("one"), choice.of("two"), choice.of(None)) == (None, "b", "b")
    assert choice.take_back("two", "b")
    assert (choice.of("two"), choice.of(None)) == ("a", "a")
    assert not choice.take_back("two", "b")
    choice.settle("two", "a")
    assert not choice.take_back("two", "a")
    assert choice.of(None) == "a"  # it has answered: it can be had
