"""Cached answers in the app: the label, asking anew, forgetting."""

from kensho_tui.core import contract as c
from kensho_tui.core.errors import StorageError, UsageError
from kensho_tui.core.response_contract import PURGE, Purge, Purged
from tests.ui.conftest import Started, app_of, screen_text, shown, until
from tests.ui.fake_host import MODEL, FakeHost


async def send(pilot: object, text: str) -> None:
    app_of(pilot).chat_screen.prompt.put(text)  # type: ignore[arg-type]
    await pilot.press("enter")  # type: ignore[attr-defined]


def with_chat(host: FakeHost, *, cached: bool = False) -> c.Chat:
    asked = host.message("user", "//Why?")
    return host.add_chat("Sky", asked, host.message("assistant", "Rayleigh.", cached=cached))


async def test_a_cached_answer_is_labelled(host: FakeHost, start: Started) -> None:
    with_chat(host, cached=True)
    async with start() as pilot:
        await shown(pilot, "Rayleigh.", "cached   ")


async def test_a_cached_answer_longer_than_the_screen_is_called_so_in_the_status_bar(
    host: FakeHost, start: Started
) -> None:
    usage, timings = c.Usage(prompt_tokens=9, cached_tokens=9, completion_tokens=99), c.Timings(ttft_s=0.002)
    text = "\n\n".join(f"Line {number}" for number in range(60))
    asked = host.message("user", "Why?")
    answer = host.message("assistant", text, cached=True, usage=usage, timings=timings)
    host.add_chat("Sky", asked, answer)
    async with start() as pilot:
        await shown(pilot, "Line 59", "▪ TTFT 2 ms ▪ cached ▪")
        assert screen_text(pilot).count("cached") == 1  # the message's own label is above the screen


async def test_any_other_answer_is_not(host: FakeHost, start: Started) -> None:
    with_chat(host)
    async with start() as pilot:
        await shown(pilot, "Rayleigh.")
        assert "cached" not in screen_text(pilot)


async def test_the_label_comes_with_the_end_of_the_stream(host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        await send(pilot, "hello")
        await until(pilot, lambda: bool(app_of(pilot).session.live))
        stream = host.hub.get(next(m.stream or "" for m in host.chats_now["c1"].messages if m.stream))
        stream.append("Good morning.", 3, 10)
        host.end(stream, cached=True, timings=c.Timings(ttft_s=0.004, total_s=0.004))
        await shown(pilot, "Good morning.", "cached   ")


async def test_fresh_has_the_last_prompt_answered_once_more_in_its_place(
    host: FakeHost, start: Started
) -> None:
    chat = with_chat(host, cached=True)
    async with start() as pilot:
        await shown(pilot, "Rayleigh.")
        await send(pilot, "/fresh")
        await until(pilot, lambda: bool(app_of(pilot).session.live))
        asked = chat.messages[0]
        assert host.called("submit") == [
            c.Submit(prompt="//Why?", chat=chat.id, fresh=True, anew=asked.id, show=True)
        ]
        stream = host.hub.get(next(m.stream or "" for m in host.chats_now[chat.id].messages if m.stream))
        stream.append("Scattering.", 3, 36)
        host.end(stream)
        await shown(pilot, "Why?", "Scattering.", f"kensho-tui show {chat.id} --all shows it")
        text = screen_text(pilot)
        assert text.count("Why?") == 1 and "Rayleigh." not in text and "cached" not in text


async def test_a_prompt_that_cannot_be_asked_anew_leaves_the_command(host: FakeHost, start: Started) -> None:
    with_chat(host)
    host.fail["submit"] = UsageError("this prompt is being answered")
    async with start() as pilot:
        await shown(pilot, "Rayleigh.")
        await send(pilot, "/fresh")
        await shown(pilot, "this prompt is being answered", "› /fresh")
        assert "is kept" not in screen_text(pilot)


async def test_fresh_asks_what_follows_it(host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        await send(pilot, "/fresh Why not?")
        await until(pilot, lambda: bool(host.called("submit")))
        assert host.called("submit") == [c.Submit(prompt="Why not?", model=MODEL, fresh=True, show=True)]
        await send(pilot, "And now?")
        await until(pilot, lambda: len(host.called("submit")) == 2)
        last = host.called("submit")[-1]
        assert isinstance(last, c.Submit) and not last.fresh


async def test_fresh_without_anything_asked_says_so(host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        await send(pilot, "/fresh")
        await shown(pilot, "nothing was asked yet")
        assert host.called("submit") == []


async def test_a_fresh_prompt_that_is_not_taken_comes_back(host: FakeHost, start: Started) -> None:
    host.fail["submit"] = StorageError("the disk is full")
    async with start() as pilot:
        await send(pilot, "/fresh Why not?")
        await shown(pilot, "the disk is full")
        await until(pilot, lambda: app_of(pilot).chat_screen.prompt.text == "Why not?")


async def test_forgetting(host: FakeHost, start: Started) -> None:
    chat = with_chat(host)
    host.replies[PURGE.name] = Purged(entries=1, size=9)
    async with start() as pilot:
        await shown(pilot, "Rayleigh.")
        await send(pilot, "/purge-cache")
        await shown(pilot, "1 cached answer of this chat forgotten")
        host.replies[PURGE.name] = Purged(entries=2, size=9)
        await send(pilot, "/purge-cache model")
        await shown(pilot, f"2 cached answers of {MODEL} forgotten")
        await send(pilot, "/purge-cache all")
        await shown(pilot, "2 cached answers of all chats forgotten")
        assert host.called(PURGE.name) == [Purge(chat=chat.id), Purge(model=MODEL), Purge()]


async def test_forgetting_what_is_not_there(host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        await send(pilot, "/purge-cache")
        await shown(pilot, "there is no chat yet")
        await send(pilot, "/purge-cache everything")
        await shown(pilot, "no cached answers of 'everything'")
        assert host.called(PURGE.name) == []
