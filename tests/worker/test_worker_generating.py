"""Answers of a real model: text, reasons to stop, and what is kept for the next prompt."""

import time
from pathlib import Path

import msgspec
import pytest

from kensho_tui.core.contract import Sampling
from kensho_tui.core.frames import AbortWork, Chunk, End, Error, Progress
from tests.support.worker_process import GREEDY, WorkerProcess

POEM = [("user", "Write a short poem about the sea.")]
LONG = "The quick brown fox jumps over the lazy dog. " * 60


def greedy(**changes: object) -> Sampling:
    return msgspec.structs.replace(GREEDY, **changes)


def test_an_answer_with_usage_and_timings(chat: WorkerProcess) -> None:
    text, end = chat.ask("Which animal says meow?", greedy(max_tokens=40))
    assert "cat" in text
    assert end.stop_reason == "end"
    assert end.usage.prompt_tokens > end.usage.cached_tokens
    assert end.usage.completion_tokens > 1
    assert end.prefill_s > 0
    assert end.decode_s > 0
    assert end.trimmed == 0


def test_chunks_carry_their_numbers(chat: WorkerProcess) -> None:
    name = chat.start(POEM)
    chunks: list[object] = []
    end = chat.until(End, seen=chunks)
    texts = [frame for frame in chunks if isinstance(frame, Chunk)]
    assert [frame.sequence for frame in texts] == list(range(len(texts)))
    assert all(frame.text for frame in texts)
    assert [frame.tokens for frame in texts] == sorted(frame.tokens for frame in texts)
    assert {frame.prompt_tokens for frame in texts} == {end.usage.prompt_tokens}
    assert {frame.id for frame in texts} == {name}


def test_a_seed_repeats_an_answer_and_is_reported(chat: WorkerProcess) -> None:
    sampling = Sampling(temperature=1.0, max_tokens=24)
    first, end = chat.ask(POEM, sampling)
    seeded = msgspec.structs.replace(sampling, seed=end.seed)
    # The same state of the KV cache for both: only the last token of the prompt is evaluated.
    again = [chat.ask(POEM, seeded)[0] for _ in range(2)]
    assert again[0] == again[1]
    assert first


def test_max_tokens(chat: WorkerProcess) -> None:
    _, end = chat.ask(POEM, greedy(max_tokens=7))
    assert (end.stop_reason, end.usage.completion_tokens) == ("length", 7)
    text, end = chat.ask(POEM, greedy(max_tokens=0))
    assert (text, end.stop_reason, end.usage.completion_tokens) == ("", "length", 0)


def test_a_stop_sequence_is_not_shown(chat: WorkerProcess) -> None:
    whole, _ = chat.ask(POEM, greedy(max_tokens=40))
    words = whole.split(" ")
    stop = f"{words[5]} {words[6]}"
    text, end = chat.ask(POEM, greedy(max_tokens=40, stop=(stop, "never said")))
    assert end.stop_reason == "stop_sequence"
    assert text == whole[: whole.index(stop)]


def test_continuing_says_what_the_uninterrupted_answer_says(chat: WorkerProcess) -> None:
    whole, _ = chat.ask(POEM, greedy(max_tokens=48))
    for size in (1, 11, 30):
        start, _ = chat.ask(POEM, greedy(max_tokens=size))
        assert whole.startswith(start)
        rest, end = chat.ask(POEM, greedy(max_tokens=48 - size), prefix=start)
        assert start + rest == whole
        assert end.usage.cached_tokens >= end.usage.prompt_tokens - 2


@pytest.mark.slow
def test_ids_are_kept_over_sampled_turns(chat: WorkerProcess) -> None:
    """However an answer was split into tokens when it was sampled, the next turn evaluates only new text."""
    for seed in range(3):
        turns = [("user", f"Tell me something about {('bees', 'Rome', 'rain')[seed]}.")]
        before = 0
        for question in ("Why?", "Who knows more?", "Is that so?"):
            text, end = chat.ask(turns, Sampling(temperature=0.8, max_tokens=60, seed=seed))
            assert end.usage.cached_tokens >= before
            # The end of the answer is never evaluated. At a limit neither is the last token, and a character
            # that was cut there is not part of the text: three tokens at most.
            cut = 1 + 3 if end.stop_reason == "length" else 0
            before = end.usage.prompt_tokens + end.usage.completion_tokens - cut
            turns += [("assistant", text), ("user", question)]


def test_an_earlier_turn_that_changed_keeps_what_stands_before_it(chat: WorkerProcess) -> None:
    turns = [
        ("system", "You are kind."),
        ("user", "Name a colour."),
        ("assistant", "Blue."),
        ("user", "Another?"),
    ]
    chat.ask(turns)
    turns[3] = ("user", "Now a number!")
    _, end = chat.ask(turns)
    assert end.usage.cached_tokens > end.usage.prompt_tokens // 2


def test_an_abort_in_decode_keeps_the_text(chat: WorkerProcess) -> None:
    name = chat.start(POEM, greedy(max_tokens=100_000))
    first = chat.until(Chunk)
    chat.send(AbortWork(id=name))
    rest: list[object] = []
    end = chat.until(End, seen=rest)
    assert end.stop_reason == "abort"
    assert end.sequence == len([frame for frame in rest if isinstance(frame, Chunk)]) + 1
    assert first.text
    assert end.usage.completion_tokens >= 1


@pytest.mark.slow
def test_an_abort_in_prefill_ends_it_and_the_next_prompt_goes_on_from_there(chat: WorkerProcess) -> None:
    name, began = chat.start(LONG), time.monotonic()
    progress = chat.until(Progress)
    while progress.done == 0:  # a first part is evaluated
        progress = chat.until(Progress, End)
    chat.send(AbortWork(id=name))
    read_s = time.monotonic() - began
    seen: list[object] = []
    end = chat.until(End, seen=seen)
    assert (end.stop_reason, end.usage.completion_tokens) == ("abort", 0)
    assert end.prefill_s >= read_s * 0.9, "the time until it was stopped"
    assert progress.done <= end.usage.prompt_tokens - end.usage.cached_tokens < progress.total
    assert not [frame for frame in seen if isinstance(frame, Chunk)]
    assert progress.done < progress.total
    _, end = chat.ask(LONG, greedy(max_tokens=2))
    assert end.usage.cached_tokens >= progress.done
    assert end.usage.completion_tokens > 0


@pytest.mark.slow
def test_prefill_progress_counts_to_its_total(chat: WorkerProcess) -> None:
    chat.start("Something else. " + LONG, greedy(max_tokens=1))
    seen: list[object] = []
    end = chat.until(End, seen=seen)
    progress = [frame for frame in seen if isinstance(frame, Progress)]
    assert {frame.phase for frame in progress} == {"prefill"}
    assert {frame.total for frame in progress} == {end.usage.prompt_tokens - end.usage.cached_tokens}
    assert [frame.done for frame in progress] == sorted({frame.done for frame in progress})


def test_a_prompt_larger_than_the_context_is_refused(chat: WorkerProcess) -> None:
    error = chat.fail(LONG * 4)
    assert error.code == "context"
    assert "1,024" in error.message
    assert error.hint
    assert chat.ask("Hello")[1].usage.completion_tokens > 0


def test_megabytes_are_refused_at_once(chat: WorkerProcess) -> None:
    assert chat.fail("many words " * 500_000).code == "context"


@pytest.mark.slow
def test_a_long_history_is_trimmed(chat: WorkerProcess) -> None:
    turns = [("system", "You are kind.")]
    for number in range(12):
        turns += [("user", f"Question {number}: {LONG[:450]}"), ("assistant", "Yes.")]
    turns.append(("user", "And the last?"))
    _, end = chat.ask(turns, greedy(max_tokens=4))
    assert end.trimmed > 0
    assert end.trimmed % 2 == 0
    assert end.usage.prompt_tokens < 1024
    turns += [("assistant", "No."), ("user", "Really?")]
    _, later = chat.ask(turns, greedy(max_tokens=4))
    assert later.trimmed == end.trimmed
    assert later.usage.cached_tokens > later.usage.prompt_tokens - 60


def test_text_in_any_script_comes_whole(chat: WorkerProcess) -> None:
    """Each of these characters is several tokens; an answer in their kind shows none cut."""
    row = "\U0001f600 漢字 é " * 12
    text, end = chat.ask("Go on with this row.", greedy(max_tokens=60), prefix=row)
    assert any(ord(character) > 0xFFFF for character in text) and "\ufffd" not in text
    assert end.usage.completion_tokens > len(text.split())


def test_hostile_text_in_a_prompt_does_no_harm(chat: WorkerProcess) -> None:
    before, _ = chat.ask(POEM, greedy(max_tokens=8))
    _, end = chat.ask("\x1b[31m \x00 <|im_end|><|endoftext|> \u202e " + "a" * 500, greedy(max_tokens=8))
    assert end.usage.prompt_tokens > 60
    after, _ = chat.ask(POEM, greedy(max_tokens=8))
    assert after == before


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(temperature=0.7, top_k=0, top_p=1.0, min_p=0.0, max_tokens=4),
        Sampling(temperature=2.0, top_k=1, top_p=0.5, min_p=0.5, max_tokens=4, seed=2**40),
        Sampling(temperature=-1.0, max_tokens=4, seed=-5),
    ],
)
def test_unusual_sampling(chat: WorkerProcess, sampling: Sampling) -> None:
    assert chat.ask(POEM, sampling)[1].usage.completion_tokens == 4


def test_an_error_leaves_the_worker_usable(chat: WorkerProcess) -> None:
    for _ in range(3):
        assert isinstance(chat.fail(LONG * 4), Error)
    assert chat.ask(POEM)[0]


def test_an_answer_that_filled_the_context_goes_on_with_its_later_part(smollm: Path) -> None:
    worker = WorkerProcess()
    try:
        context = worker.load(smollm, context=256).context
        text, end = worker.ask("What is the capital of France?", Sampling(temperature=0.0, max_tokens=1000))
        assert end.stop_reason == "context" and end.usage.completion_tokens > context // 2
        more, end = worker.ask(
            "What is the capital of France?", Sampling(temperature=0.0, max_tokens=20), prefix=text
        )
        assert more and end.usage.prompt_tokens < context
    finally:
        worker.close()
