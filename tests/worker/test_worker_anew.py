"""A loaded worker is set up anew for a benchmark, and measured runs all do the same work."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from kensho_tui.core.contract import Sampling
from kensho_tui.core.errors import LoadError
from kensho_tui.core.frames import Error, Generate, Load, Loaded, Turn
from kensho_tui.worker import main
from kensho_tui.worker.job import Job
from kensho_tui.worker.reading import ReadAhead
from tests.support.worker_process import GREEDY, WorkerProcess

PROMPT = "Hi"
CONTEXT = 1024


def ask(worker: WorkerProcess, tokens: int, number: int) -> tuple[str, int, int, int]:
    """A measured run: its text, and its tokens in the prompt, cached of it and written."""
    worker.send(
        Generate(
            id=f"m{number}",
            turns=(Turn("user", PROMPT),),
            sampling=Sampling(temperature=0.0, max_tokens=tokens),
            measured=True,
        )
    )
    text, end = worker.finish(f"m{number}")
    usage = end.usage
    return text, usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens


def test_measured_runs_read_all_and_write_all(worker: WorkerProcess, smollm: Path) -> None:
    worker.load(smollm, context=CONTEXT, threads=1, threads_batch=1)
    usual, end = worker.ask(PROMPT, Sampling(temperature=0.0, max_tokens=100))
    assert end.stop_reason == "end"
    more = end.usage.completion_tokens + 10
    first, again = ask(worker, more, 1), ask(worker, more, 2)
    assert first == again
    assert first[2:] == (0, more)
    assert first[0].startswith(usual)
    assert worker.ask(PROMPT, GREEDY)[1].usage.cached_tokens > 0


@pytest.mark.parametrize(
    "settings",
    [
        {"threads": 2, "threads_batch": 2, "threads_most": 2},
        {"flash": False},
        {"kv_type": "q8_0", "flash": True},
        {"batch": 64, "gpu_layers": 0},
    ],
    ids=["threads", "unfused", "quantised cache", "batch and place"],
)
def test_settings_change_and_the_weights_stay(
    chat: WorkerProcess, smollm: Path, settings: dict[str, object]
) -> None:
    before = chat.load(smollm, context=CONTEXT)
    text, _ = chat.ask(PROMPT)
    loaded = chat.load(smollm, context=CONTEXT, **settings)
    again, end = chat.ask(PROMPT)
    assert again[:6] == text[:6] == "Hello!"
    assert end.usage.completion_tokens > 0
    assert loaded.buffers.weights == before.buffers.weights > 0
    if settings.get("kv_type") == "q8_0":
        assert loaded.buffers.kv < before.buffers.kv * 0.6
    if settings.get("flash") is False:
        assert loaded.buffers.compute > before.buffers.compute


def test_after_settings_that_cannot_be_the_worker_takes_others(worker: WorkerProcess, smollm: Path) -> None:
    load = Load(path=str(smollm), context=CONTEXT)
    worker.send(load)
    assert isinstance(worker.until(Loaded, Error), Loaded)
    worker.send(msgspec.structs.replace(load, kv_type="q8_0", flash=False))
    refused = worker.until(Loaded, Error)
    assert isinstance(refused, Error) and refused.code in ("load", "no_memory")
    worker.send(load)
    assert isinstance(worker.until(Loaded, Error), Loaded)
    assert worker.ask(PROMPT)[1].usage.completion_tokens > 0


@pytest.mark.parametrize("fails", ["__init__", "warm_up"])
def test_a_model_that_computes_nothing_does_not_stay_in_memory(
    fails: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_back: list[bool] = []
    nothing: Any = SimpleNamespace(send=print, try_send=lambda frame: None, clear=print)
    model = SimpleNamespace(free=lambda: given_back.append(True))

    class Engine:
        def __init__(self, *of: object) -> None:
            self.do("__init__")

        def warm_up(self) -> None:
            self.do("warm_up")

        def do(self, what: str) -> None:
            if what == fails:
                raise LoadError("the model computes nothing")

    monkeypatch.setattr(main, "load_model", lambda *of: model)
    monkeypatch.setattr(main, "Engine", Engine)
    load = Load(path="a.gguf", context=CONTEXT)
    job = Job(load, 0.0)
    job.reading = cast(ReadAhead, SimpleNamespace(wait=lambda: None))
    worker = main.Worker(nothing)
    with pytest.raises(LoadError, match="computes nothing"):
        worker._set_up(job, load, nothing, nothing)
    assert given_back == [True]
    assert worker._engine is None
