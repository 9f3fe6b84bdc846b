"""Benchmarks that tests say, over the host in memory."""

from msgspec.structs import replace

from kensho_tui.core import bench_contract as b
from kensho_tui.core import model_contract as mc
from kensho_tui.core.contract import TOPIC_MODELS, ModelInfo, ModelsFact
from kensho_tui.core.errors import UsageError
from kensho_tui.core.metrics_contract import Spread
from tests.ui.fake_host import GIB, MODEL, FakeHost

INFO = ModelInfo(name=MODEL, path="/m.gguf", size=GIB // 10, source="starter", default=True)


def spread(median: float, half: float = 2.0, count: int = 5) -> Spread:
    return Spread(
        count=count,
        median=median,
        lower=median - half,
        upper=median + half,
        least=median - 3 * half,
        most=median + 3 * half,
    )


def settings(threads: int, **changes: object) -> b.BenchSettings:
    base = b.BenchSettings(
        threads=threads, threads_batch=8, batch=512, flash=True, kv_type="f16", gpu_layers=0
    )
    return replace(base, **changes)


def point(condition: b.Condition, threads: int, tok_s: float, **changes: object) -> b.BenchPoint:
    base = b.BenchPoint(
        condition=condition,
        settings=settings(threads),
        prompt_tokens=512,
        completion_tokens=64,
        prompt=spread(tok_s * 5),
        decode=spread(tok_s),
    )
    return replace(base, **changes)


def run(**changes: object) -> b.BenchRun:
    """One that is complete: eight threads on a quiet machine, seven on a shared one."""
    base = b.BenchRun(
        id="b1",
        model=MODEL,
        state="complete",
        created="2026-11-21T09:00:00+00:00",
        quantisation="Q4_1",
        device="CPU",
        cores=8,
        done=40,
        total=40,
        before=settings(4),
        points=(
            point("quiet", 7, 140.0),
            point("quiet", 8, 162.0),
            point("shared", 7, 120.0),
            point("shared", 8, 61.0),
            point(
                "quiet", 8, 0.0, settings=settings(8, kv_type="q8_0"), prompt=None, decode=None,
                problem="the KV cache of this model cannot be q8_0",
            ),
        ),
        bare=(
            b.BareLoop(
                condition="quiet", settings=settings(8), prompt_tok_s=830, decode_tok_s=165,
                prompt_share=0.98, decode_share=0.982,
            ),
        ),
        recommendations=(
            b.Recommendation(
                condition="quiet", settings=settings(8), prompt_tok_s=812, decode_tok_s=162, gain=1.31
            ),
            b.Recommendation(
                condition="shared", settings=settings(7), prompt_tok_s=600, decode_tok_s=120, gain=1.0
            ),
        ),
    )  # fmt: skip
    return replace(base, **changes)


class Benches:
    """What the host answers about benchmarks; `kept` are those that it lists, newest first."""

    def __init__(self, host: FakeHost, *kept: b.BenchRun) -> None:
        self._host = host
        self.kept = list(kept)
        self.defaults = mc.Defaults(threads=4, temperature=0.2)
        host.replies[b.LIST_BENCHES.name] = lambda _: b.BenchList(runs=tuple(self.kept))
        host.replies[b.START_BENCH.name] = self._start
        host.replies[b.STOP_BENCH.name] = self._stop
        host.replies[b.APPLY_BENCH.name] = self._apply
        host.replies[b.UNDO_BENCH.name] = self._undo
        host.replies[mc.DETAILS.name] = lambda _: mc.Details(
            info=INFO, facts={}, defaults=self.defaults, fit=None
        )

    def post(self, now: b.BenchRun) -> None:
        self._host.board.touch(b.TOPIC_BENCH, b.BenchFact(run=now))

    def killed(self, *kept: b.BenchRun) -> None:
        """The host is gone and another one is there, which knows of these alone."""
        self._host.vanish()
        self._host.board.touch(b.TOPIC_BENCH, b.BenchFact())
        self.kept = list(kept)

    def end(self, now: b.BenchRun) -> None:
        self.kept.insert(0, now)
        self.post(now)

    def _start(self, request: b.StartBench) -> b.BenchRun:
        begun = run(id="b2", state="running", done=0, points=(), bare=(), recommendations=())
        self.post(begun)
        return begun

    def _stop(self, request: b.BenchRef) -> object:
        from kensho_tui.core.contract import Empty

        self.end(run(id=request.bench, state="stopped", done=17, recommendations=(), bare=()))
        return Empty()

    def _apply(self, request: b.ApplyBench) -> mc.Defaults:
        found = next(one for one in self.kept if one.id == request.bench)
        chosen = next(one for one in found.recommendations if one.condition == request.condition).settings
        before = found.change.before if found.change is not None else self.defaults
        self.defaults = replace(
            self.defaults, threads=chosen.threads, threads_batch=chosen.threads_batch, flash=chosen.flash
        )
        change = b.Applied(at="", before=before, after=self.defaults) if before != self.defaults else None
        now = replace(found, applied=request.condition, in_use=(request.condition,), change=change)
        self.kept[self.kept.index(found)] = now
        self._tell_models()
        return self.defaults

    def set_elsewhere(self, *in_use: b.Condition) -> None:
        """Somebody set the model's defaults from elsewhere: this advice of all runs is in use now."""
        self.kept = [replace(one, in_use=in_use) for one in self.kept]
        self._tell_models()

    def _tell_models(self) -> None:
        """As the host does when the defaults of a model are others."""
        self._host.board.touch(TOPIC_MODELS, ModelsFact())

    def _undo(self, request: b.BenchRef) -> mc.Defaults:
        found = next(one for one in self.kept if one.id == request.bench)
        if found.change is None:
            raise UsageError("this benchmark changed nothing that is left to take back")
        self.kept[self.kept.index(found)] = replace(found, applied=None, in_use=(), change=None)
        self.defaults = found.change.before
        self._tell_models()
        return self.defaults
