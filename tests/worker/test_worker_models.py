"""A full context, and a base model with a sliding window."""

from collections.abc import Callable
from pathlib import Path

import pytest

from kensho_tui.core.contract import Sampling
from tests.support.worker_process import WorkerProcess

GREEDY = Sampling(temperature=0.0, max_tokens=10)
STORY = "".join(f"Person {number} has {number * 7} apples and {number + 3} pears.\n" for number in range(90))


@pytest.mark.slow
def test_a_full_context_stops_with_the_text_kept(worker: WorkerProcess, smollm: Path) -> None:
    worker.load(smollm, context=256)
    sampling = Sampling(temperature=0.0, max_tokens=10_000)
    text, end = worker.ask("Write a very long story about a dragon.", sampling)
    assert end.stop_reason == "context"
    assert text
    # The last token was sampled from the full context and needs no place in it.
    assert end.usage.prompt_tokens + end.usage.completion_tokens == 257
    again, _ = worker.ask("Write a very long story about a dragon.", sampling)
    assert again.startswith(text[:40])


def test_a_base_model_completes_plain_text(worker: WorkerProcess, gemma: Path) -> None:
    loaded = worker.load(gemma, context=2048)
    assert not loaded.has_template
    text, end = worker.ask("1, 2, 3, 4, 5, 6, 7,", GREEDY)
    assert text.replace(" ", "").startswith("8,9")
    # The next prompt goes on after the completion, whose ids are kept.
    _, later = worker.ask(
        [("user", "1, 2, 3, 4, 5, 6, 7,"), ("assistant", text), ("user", "a, b, c,")], GREEDY
    )
    assert later.usage.cached_tokens >= end.usage.prompt_tokens + end.usage.completion_tokens - 1


@pytest.mark.slow
def test_a_diverging_prompt_on_a_sliding_window_answers_like_a_fresh_worker(
    spawn: Callable[[], WorkerProcess], gemma: Path
) -> None:
    """The window's cache has dropped what the shorter prompt needs: reusing it would be silently wrong."""
    long, short = STORY, STORY[:900] + "\nQuestion: how many apples has Person 4? Answer:"
    used, fresh = spawn(), spawn()
    for one in (used, fresh):
        one.load(gemma, context=4096)
    _, end = used.ask(long, GREEDY)
    assert end.usage.prompt_tokens > 1200
    text, end = used.ask(short, GREEDY)
    assert end.usage.cached_tokens == 0
    assert text == fresh.ask(short, GREEDY)[0]
    # Going on with the same text stays inside the window: everything is kept.
    _, more = used.ask(short, Sampling(temperature=0.0, max_tokens=4), prefix=text)
    assert more.usage.cached_tokens >= more.usage.prompt_tokens - 2
