"""Verdicts on cards: one, eight, shared with others, unified, and with a driver that goes away."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from kensho_tui.core.model_contract import Fit, FitModel
from kensho_tui.hardware.pools import pools
from tests.models.stage import OPTIONS, Stage, stage
from tests.support.gguf import write_model
from tests.support.nvml import GIB, LOST, NOT_SUPPORTED, Card, ScriptedNvml, eight, installed

MODEL = "Llama-3.1-8B"
ON_CARDS = replace(OPTIONS, device="CUDA", context=32768)
Cards = Callable[[ScriptedNvml], AbstractAsyncContextManager[Stage]]


@pytest.fixture
def cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cards:
    """A stage on scripted cards with an 8B model of 4.9 GB."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    @asynccontextmanager
    async def on(library: ScriptedNvml) -> AsyncIterator[Stage]:
        with installed(monkeypatch, library):
            async with stage(tmp_path, options=ON_CARDS, ask=pools) as on:
                write_model(on.paths.models / f"{MODEL}.gguf", MODEL)
                yield on

    return on


async def fit(on: Stage, **wish: object) -> Fit:
    return await on.fitting.fit(FitModel(model=MODEL, **wish))  # type: ignore[arg-type]


async def test_one_card_that_is_free(cards: Cards) -> None:
    async with cards(ScriptedNvml(Card(total=24 * GIB))) as on:
        found = await fit(on)
    assert (found.verdict.kind, found.verdict.memory, found.context) == ("fits", "VRAM", 32768)
    assert 8 * GIB < found.footprint.total < 10 * GIB
    assert found.footprint.overhead > 300 << 20, "CUDA's context is a line of its own"
    assert found.footprint.host > 0, "the token embedding stays in RAM"
    assert found.memory == 24 * GIB and found.max_context > 65536


async def test_a_small_card_gets_a_smaller_context(cards: Cards) -> None:
    async with cards(ScriptedNvml(Card(total=8 * GIB))) as on:
        found = await fit(on)
        assert found.verdict.kind == "fits" and 2048 <= found.context < 32768
        wished = await fit(on, context=65536)
    assert wished.verdict.kind == "too large"
    contexts = [remedy.context for remedy in wished.verdict.remedies]
    assert any(context and context < 65536 for context in contexts)
    assert "VRAM" in wished.verdict.reason


async def test_a_card_that_holds_not_even_the_weights(cards: Cards) -> None:
    async with cards(ScriptedNvml(Card(total=4 * GIB))) as on:
        found = await fit(on)
    assert found.verdict.kind == "too large" and found.max_context == 0
    layers = [remedy.gpu_layers for remedy in found.verdict.remedies if remedy.gpu_layers is not None]
    assert layers and 0 < layers[0] < 32


async def test_what_others_use_counts(cards: Cards) -> None:
    async with cards(ScriptedNvml(Card(total=24 * GIB, used=18 * GIB, users={77: 18 * GIB}))) as on:
        found = await fit(on, context=32768)
    assert found.others == 18 * GIB
    assert found.verdict.kind == "too large" and found.verdict.free < 6 * GIB


async def test_eight_cards_hold_together_what_one_could_not(cards: Cards) -> None:
    async with cards(ScriptedNvml(*(Card(total=2 * GIB) for _ in range(8)))) as on:
        found = await fit(on, context=8192)
    assert found.verdict.kind == "fits" and found.memory == 16 * GIB


async def test_eight_cards_in_use_by_others(cards: Cards) -> None:
    async with cards(eight(used=(79 * GIB,) * 8)) as on:
        found = await fit(on)
    assert found.verdict.kind == "too large" and found.others == 8 * 79 * GIB


async def test_unified_memory_is_ram(cards: Cards) -> None:
    async with cards(ScriptedNvml(Card(error=NOT_SUPPORTED))) as on:
        assert (await fit(on, context=1024)).verdict.memory == "RAM"


@pytest.mark.parametrize("gone", ["lost card", "driver unloaded"])
async def test_a_driver_that_goes_away_refuses_nothing(cards: Cards, gone: str) -> None:
    library = ScriptedNvml(Card(total=24 * GIB))
    async with cards(library) as on:
        assert (await fit(on)).verdict.kind == "fits"
        if gone == "lost card":
            library.cards[0].error = LOST
        else:
            library.unload()
        found = await fit(on)
    assert found.verdict.kind == "unknown" and found.verdict.reason
