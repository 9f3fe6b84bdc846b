"""Saved KV caches of real models: the same answer as without, or none of it used."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kensho_tui.core.contract import Sampling
from kensho_tui.core.frames import AbortWork, Chunk, Close, End, Error, FromWorker, Saved
from tests.support.worker_process import GREEDY, WorkerProcess

STORY = "".join(f"Person {number} has {number * 7} apples and {number + 3} pears.\n" for number in range(40))
SHORT = Sampling(temperature=0.0, max_tokens=4)
BRIEF = [
    ("user", "Name three animals that live in the sea, and say of each what it eats and where it lives.")
]

Spawn = Callable[[], WorkerProcess]


def same_load(worker: WorkerProcess, model: Path, **changes: object) -> WorkerProcess:
    worker.load(model, **{"context": 2048, "threads": 1, "threads_batch": 1, **changes})
    return worker


@pytest.mark.slow
@pytest.mark.parametrize("name", ["smollm", "gemma"])
def test_a_chat_goes_on_in_a_new_process_as_without_a_file(
    spawn: Spawn, name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Gemma's prompt is longer than its window of 512 tokens: what lies behind it is not in the file.

    A token evaluated alone and one evaluated among others differ in their last bits, so the cold answer is
    compared where the model has no doubt: it copies the next lines of the list.
    """
    model: Path = request.getfixturevalue(name)
    path = tmp_path / "chat.kv"
    turns = [("user", STORY)]
    first = same_load(spawn(), model)
    start = STORY[: STORY.index("Person 3")]
    text, end = first.ask(turns, prefix=start)
    saved = first.save(path, worth_s=0.01)
    assert isinstance(saved, Saved)
    # The answer's last token is evaluated only when another follows; what ended it never is.
    assert saved.tokens >= end.usage.prompt_tokens + end.usage.completion_tokens - 1
    assert saved.size == path.stat().st_size
    assert path.stat().st_mode & 0o777 == 0o600
    turns += [("assistant", start + text), ("user", "Go on with the next ones.")]
    prefix = "Person 7 has 49 apples and 10 pears.\nPerson 8 has"
    live, _ = first.ask(turns, prefix=prefix)
    first.close()
    restored, warm = same_load(spawn(), model).ask(turns, prefix=prefix, restore=str(path), key="key")
    fresh, cold = same_load(spawn(), model).ask(turns, prefix=prefix)
    assert restored == live
    assert restored == fresh
    assert warm.usage.completion_tokens == GREEDY.max_tokens
    assert (warm.restored, warm.refused) == (saved.tokens, "")
    assert warm.usage.cached_tokens == saved.tokens
    assert (cold.restored, cold.usage.cached_tokens) == (0, 0)


@pytest.mark.slow
def test_an_edit_far_back_on_a_sliding_window_is_cold_and_right(
    spawn: Spawn, gemma: Path, tmp_path: Path
) -> None:
    path = tmp_path / "chat.kv"
    first = same_load(spawn(), gemma)
    first.ask([("user", STORY)], SHORT)
    assert isinstance(first.save(path, worth_s=0.0), Saved)
    edited = [("user", STORY[:1200] + "\nQuestion: how many apples has Person 4? Answer:")]
    text, end = same_load(spawn(), gemma).ask(edited, restore=str(path), key="key")
    assert (end.restored, end.refused, end.usage.cached_tokens) == (0, "", 0)
    assert text == same_load(spawn(), gemma).ask(edited)[0]


# --- one worker for what needs no new process -------------------------------------------------------


@pytest.fixture(scope="module")
def saved(chat: WorkerProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The saved cache of `BRIEF`, answered by the module's worker."""
    path = tmp_path_factory.mktemp("saved") / "chat.kv"
    chat.ask(BRIEF, SHORT)
    assert isinstance(chat.save(path, worth_s=0.0), Saved)
    yield path


def cold(chat: WorkerProcess) -> None:
    """Have `chat` hold nothing of `BRIEF` but the model's own system prompt."""
    chat.ask("Hello", SHORT)


@pytest.fixture(scope="module")
def expected(chat: WorkerProcess, saved: Path) -> tuple[str, End]:
    cold(chat)
    return chat.ask(BRIEF, SHORT)


def test_a_file_is_used_where_it_spares_more_than_what_is_held(
    chat: WorkerProcess, saved: Path, expected: tuple[str, End]
) -> None:
    cold(chat)
    text, end = chat.ask(BRIEF, SHORT, restore=str(saved), key="key")
    assert text == expected[0]
    assert end.restored == end.usage.cached_tokens == end.usage.prompt_tokens - 1
    _, end = chat.ask(BRIEF, SHORT, restore=str(saved), key="key")
    assert (end.restored, end.refused) == (0, "")
    assert end.usage.cached_tokens == end.usage.prompt_tokens - 1
    _, end = chat.ask("Something else", SHORT, restore=str(saved), key="key")
    assert (end.restored, end.refused) == (0, "")


@pytest.mark.slow
def test_damaged_files_are_refused_and_the_answer_is_right(
    chat: WorkerProcess, saved: Path, expected: tuple[str, End], tmp_path: Path
) -> None:
    whole = saved.read_bytes()
    chosen = random.Random(3)
    damaged = [whole[:size] for size in (0, 8, 39, 40, 44, 200, 2000, len(whole) // 2, len(whole) - 33)]
    for place in chosen.sample(range(len(whole)), 30):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << chosen.randrange(8)
        damaged.append(bytes(flipped))
    path = tmp_path / "damaged.kv"
    for content in damaged:
        path.write_bytes(content)
        cold(chat)
        text, end = chat.ask(BRIEF, SHORT, restore=str(path), key="key")
        assert text == expected[0]
        assert end.refused and "\n" not in end.refused
        assert (end.restored, end.usage.cached_tokens) == (0, expected[1].usage.cached_tokens)


def test_another_key_or_no_file_is_refused(
    chat: WorkerProcess, saved: Path, expected: tuple[str, End]
) -> None:
    for path, key, reason in (
        (saved, "another build", "another model, build or context"),
        (saved.with_name("absent.kv"), "key", "No such file"),
    ):
        cold(chat)
        text, end = chat.ask(BRIEF, SHORT, restore=str(path), key=key)
        assert (text, end.restored) == (expected[0], 0)
        assert reason in end.refused


def test_a_key_that_lies_ends_in_a_cold_and_right_answer(spawn: Spawn, smollm: Path, saved: Path) -> None:
    """The key names the KV type; if it ever did not, llama.cpp knows its own cells."""
    one, other = (same_load(spawn(), smollm, kv_type="q8_0") for _ in range(2))
    text, end = one.ask(BRIEF, SHORT, restore=str(saved), key="key")
    assert (end.restored, end.refused) == (0, "llama.cpp refused the saved cache")
    assert text == other.ask(BRIEF, SHORT)[0]


def test_more_tokens_than_the_context_are_refused(
    spawn: Spawn, chat: WorkerProcess, smollm: Path, tmp_path: Path
) -> None:
    path = tmp_path / "chat.kv"
    chat.ask(BRIEF, Sampling(temperature=0.0, max_tokens=40))
    written = chat.save(path, worth_s=0.0)
    worker = spawn()
    loaded = worker.load(smollm, context=64)
    assert isinstance(written, Saved) and written.tokens > loaded.context
    _, end = worker.ask("Hello", SHORT, restore=str(path), key="key")
    assert "another model or context" in end.refused


def test_what_is_not_worth_a_file_is_not_written(chat: WorkerProcess, tmp_path: Path) -> None:
    path = tmp_path / "chat.kv"
    chat.ask(BRIEF, SHORT)
    assert chat.save(path, worth_s=1000.0) == Saved(tokens=0, size=0)
    assert chat.save(path, worth_s=0.0, limit=1000) == Saved(tokens=0, size=0)
    assert not path.exists()


def test_nothing_evaluated_nothing_saved(worker: WorkerProcess, smollm: Path, tmp_path: Path) -> None:
    refused = worker.save(tmp_path / "chat.kv")
    assert isinstance(refused, Error) and (refused.id, refused.code) == ("save", "engine")
    assert "no model" in refused.message
    worker.load(smollm, context=512)
    assert worker.save(tmp_path / "chat.kv", worth_s=0.0) == Saved(tokens=0, size=0)


def test_a_busy_worker_saves_nothing(chat: WorkerProcess, tmp_path: Path) -> None:
    name = chat.start(BRIEF, Sampling(temperature=0.0, max_tokens=100_000))
    chat.until(Chunk)
    refused = chat.save(tmp_path / "chat.kv", worth_s=0.0)
    assert isinstance(refused, Error) and (refused.id, refused.message) == ("save", "the worker is busy")
    chat.send(AbortWork(id=name))
    chat.until(End)
    assert list(tmp_path.iterdir()) == []


def test_an_answer_cut_off_is_saved_as_far_as_it_came(
    chat: WorkerProcess, expected: tuple[str, End], tmp_path: Path
) -> None:
    name = chat.start(BRIEF, Sampling(temperature=0.0, max_tokens=100_000))
    said = chat.until(Chunk).text
    chat.send(AbortWork(id=name))
    rest: list[FromWorker] = []
    chat.until(End, seen=rest)
    said += "".join(frame.text for frame in rest if isinstance(frame, Chunk))
    saved = chat.save(tmp_path / "chat.kv", worth_s=0.0)
    assert isinstance(saved, Saved)
    live, _ = chat.ask(BRIEF, SHORT, prefix=said)
    cold(chat)
    text, end = chat.ask(BRIEF, SHORT, prefix=said, restore=str(tmp_path / "chat.kv"), key="key")
    assert (text, end.restored) == (live, saved.tokens)


def test_what_cannot_be_written_is_said_and_harms_nothing(
    chat: WorkerProcess, expected: tuple[str, End], tmp_path: Path
) -> None:
    cold(chat)
    chat.ask(BRIEF, SHORT)
    error = chat.save(tmp_path / "absent" / "chat.kv", worth_s=0.0)
    assert isinstance(error, Error) and (error.id, error.code) == ("save", "storage")
    text, end = chat.ask(BRIEF, SHORT)
    assert text == expected[0] and end.usage.cached_tokens == end.usage.prompt_tokens - 1


def test_an_unknown_speed_does_not_lose_a_restored_chat(
    spawn: Spawn, smollm: Path, saved: Path, tmp_path: Path
) -> None:
    """After a restore this worker has evaluated a handful of tokens: too few to call prefill fast."""
    worker = same_load(spawn(), smollm, context=1024)
    _, end = worker.ask(BRIEF, SHORT, restore=str(saved), key="key")
    assert end.restored
    written = worker.save(tmp_path / "chat.kv", worth_s=0.05)
    assert isinstance(written, Saved) and written.tokens > end.restored
    worker.send(Close())
    assert worker.wait() == 0
