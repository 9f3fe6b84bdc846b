"""Figures of a scripted host: models with settings, days and generations that scatter as real ones do."""

import asyncio
from typing import Any

from msgspec.structs import replace

from kensho_tui.core import contract as c
from kensho_tui.core import metrics_contract as mc
from kensho_tui.ui.metrics.figures.said import ended
from tests.ui.fake_host import MODEL, FakeHost

QWEN, GONE = "Qwen2.5-Coder-1.5B-Instruct", "Mistral-7B-Instruct-v0.3"


def spread(median: float, half: float = 0.0, count: int = 31) -> mc.Spread:
    return mc.Spread(
        count=count,
        median=median,
        lower=median - half,
        upper=median + half,
        least=median - 2 * half,
        most=median + 3 * half,
    )


def figures(runs: int, ttft: float, prompt: float, decode: float, weights: float) -> mc.Figures:
    measured = max(runs - runs // 10, 1)
    return mc.Figures(
        runs=runs,
        ttft=spread(ttft, ttft / 10, runs),
        load=spread(ttft * 4, ttft / 3, max(runs // 10, 1)),
        prompt=spread(prompt, prompt / 20, measured),
        decode=spread(decode, decode / 30, measured),
        bandwidth=spread(decode * weights, decode * weights / 30, measured),
    )


def setup(figures: mc.Figures, last: str, **changes: object) -> mc.SetupMetrics:
    base = mc.SetupMetrics(
        device="CPU",
        gpu_layers=-1,
        context=8192,
        kv_type="f16",
        threads=3,
        threads_batch=4,
        batch=256,
        flash="on",
        active_weights=80_000_000,
        last=last,
        figures=figures,
    )
    return replace(base, **changes)


def days(decode: float, count: int = 14, *, but: tuple[int, ...] = ()) -> tuple[mc.DayMetrics, ...]:
    """Days up to the tests' today, some of them without runs."""
    return tuple(
        mc.DayMetrics(
            day=f"2026-11-{22 - back:02}",
            runs=7,
            ttft=spread(0.2 + 0.01 * (back % 3), 0.01, 7),
            decode=spread(decode * (1 - 0.3 * (back % 4 == 3)), decode / 30, 6),
        )
        for back in range(count, 0, -1)
        if back not in but
    )


SMALL = mc.ModelMetrics(
    model=MODEL,
    quantisation="Q4_1",
    last="2026-11-21T09:14:00.000Z",
    figures=figures(1234, 0.034, 2410.0, 148.2, 97e6),
    from_cache=12,
    settings=(
        setup(figures(1200, 0.034, 2410.0, 148.9, 97e6), "2026-11-21T09:14:00.000Z"),
        setup(figures(31, 0.041, 2100.0, 121.0, 97e6), "2026-11-18T09:14:00.000Z", kv_type="q8_0"),
        setup(figures(3, 0.052, 1900.0, 99.5, 97e6), "2026-11-02T09:14:00.000Z", threads=2, context=2048),
    ),
    days=days(148.0),
)
CODER = mc.ModelMetrics(
    model=QWEN,
    quantisation="Q4_K_M",
    last="2026-11-20T18:02:00.000Z",
    figures=figures(86, 0.412, 212.0, 41.3, 1.1e9),
    settings=(setup(figures(86, 0.412, 212.0, 41.3, 1.1e9), "2026-11-20T18:02:00.000Z"),),
    days=days(41.0, 9, but=(3, 4)),
)
OLD = mc.ModelMetrics(
    model=GONE,
    quantisation="Q8_0",
    last="2026-10-02T08:00:00.000Z",
    figures=figures(2, 2.31, 40.0, 6.4, 7.7e9),
    settings=(setup(figures(2, 2.31, 40.0, 6.4, 7.7e9), "2026-10-02T08:00:00.000Z"),),
)


def generation(number: int, **changes: object) -> mc.Generation:
    base = mc.Generation(
        id=f"g{number}",
        message=f"m{number}",
        chat="c1",
        model=MODEL,
        state="complete",
        stop_reason="end",
        created=f"2026-11-{21 - number // 24 % 20:02}T{9 - number % 9:02}:{59 - number % 60:02}:00.000Z",
        usage=c.Usage(prompt_tokens=812 + number, cached_tokens=640, completion_tokens=233),
        timings=c.Timings(ttft_s=0.034, prompt_tok_s=2410.0, decode_tok_s=148.2 - number % 7, total_s=1.6),
        quantisation="Q4_1",
        context=8192,
        kv_type="f16",
        threads=3,
        threads_batch=4,
        batch=256,
        flash="on",
        gpu_layers=-1,
        device="CPU",
        memory=412 << 20,
    )
    return replace(base, **changes)


RUNS = (
    generation(0),
    generation(1, from_cache=True, usage=None, timings=c.Timings(ttft_s=0.004), memory=0),
    generation(2, state="failed", stop_reason="error", usage=None, timings=None),
    generation(3, stop_reason="length"),
    generation(4, state="stopped", stop_reason="abort"),
    generation(5, timings=c.Timings(queue_s=31.2, ttft_s=31.234, decode_tok_s=147.0, total_s=33.0)),
    *(generation(number) for number in range(6, 450)),
)


def figure(one: mc.Generation, order: mc.GenerationOrder) -> Any:
    """What it is listed by; nothing: it has none of it."""
    return next((value for of in (one, one.usage, one.timings) if (value := getattr(of, order, None))), None)


class ScriptedFigures:
    """Answers both methods as the host does; ``asked`` has every request."""

    def __init__(
        self, host: FakeHost, *models: mc.ModelMetrics, runs: tuple[mc.Generation, ...] = RUNS
    ) -> None:
        self.models = models
        self.runs = runs
        self.held: asyncio.Event | None = None
        """Answers wait for it."""
        self.asked: list[mc.ListModelMetrics | mc.ListGenerations] = []
        coder = c.ModelInfo(name=QWEN, path="/q.gguf", size=1 << 30, source="folder")
        host.models_now = (*host.models_now, coder)
        host.replies[mc.MODEL_METRICS.name] = self._models
        host.replies[mc.GENERATIONS.name] = self._generations

    async def _models(self, request: mc.ListModelMetrics) -> mc.ModelMetricsList:
        self.asked.append(request)
        if self.held is not None:
            await self.held.wait()
        found = [
            replace(model, days=model.days[-request.days :] if request.days else ())
            for model in self.models
            if request.model in (None, model.model) and (request.since is None or model.last >= request.since)
        ]
        return mc.ModelMetricsList(models=tuple(found), least_prompt=32, least_completion=8)

    async def _generations(self, request: mc.ListGenerations) -> mc.Generations:
        self.asked.append(request)
        if self.held is not None:
            await self.held.wait()
        found = [one for one in self.runs if request.since is None or one.created >= request.since]
        found = [one for one in found if request.ended in ended(one)]
        if request.order != "created" or request.rising:
            measured = [one for one in found if figure(one, request.order)]
            measured.sort(key=lambda one: figure(one, request.order), reverse=not request.rising)
            found = measured + [one for one in found if not figure(one, request.order)]
        first = int(request.cursor or 0)
        page = tuple(found[first : first + request.limit])
        following = str(first + request.limit) if first + request.limit < len(found) else ""
        return mc.Generations(generations=page, next=following)
