"""Models of a machine as the host would tell of them, and answers to what is asked of them."""

from msgspec.structs import replace

from kensho_tui.core import contract as c
from kensho_tui.core import model_contract as m
from kensho_tui.core.errors import KenshoError, NotFoundError
from tests.ui.fake_host import GIB, MODEL, FakeHost, worker

MIB = 1024**2
FREE = int(7.1 * GIB)
QWEN, GEMMA, LLAMA, BROKEN = "Qwen2.5-Coder-1.5B", "Gemma-3-4B-it", "Llama-3.1-8B-Instruct", "Phi-3-mini"


def footprint(
    weights: int, context: int = 8192, source: str = "estimated", half: bool = False
) -> c.Footprint:
    """Grows with the context as a dense model's does; a q8_0 cache takes half."""
    kv = int(weights * 0.2 * context / 8192) // (2 if half else 1)
    base = c.Footprint(weights=weights, kv=kv, compute=300 * MIB, overhead=60 * MIB)
    return replace(base, source=source)


def model(name: str, size: float, kind: str, **changes: object) -> c.ModelInfo:
    weights = int(size * GIB)
    need = footprint(weights).total
    verdict = c.Verdict(kind=kind, need=need, free=FREE, reason=f"It takes {need / GIB:.1f} GB of RAM")
    base = c.ModelInfo(
        name=name,
        path=f"/home/me/kensho/data/models/{name}.gguf",
        size=weights,
        source="folder",
        quantisation="Q4_K_M",
        architecture="qwen2",
        context=32768,
        removable=True,
        verdict=verdict,
    )
    return replace(base, **changes)


def a_few() -> tuple[c.ModelInfo, ...]:
    """One of each kind: resident, fits, fits after another, does not fit, broken."""
    smollm = model(MODEL, 0.1, "resident", quantisation="Q4_1", source="starter", removable=False)
    qwen = model(QWEN, 1.1, "fits", load_s=2.3, tok_s=41.0, tags=("code",), favourite=True)
    gemma = model(GEMMA, 2.3, "after", architecture="gemma3", last_used="2026-11-18T08:00:00+00:00")
    llama = model(LLAMA, 8.5, "too large", quantisation="Q8_0", source="ollama", removable=False)
    remedies = (
        c.Remedy(what="a context of 4,096 tokens", context=4096),
        c.Remedy(what="a q8_0 KV cache", kv_type="q8_0"),
    )
    assert gemma.verdict is not None and llama.verdict is not None
    return (
        replace(
            smollm,
            default=True,
            resident=True,
            tok_s=148.0,
            load_s=0.3,
            context=8192,
            architecture="llama",
            last_used="2026-11-21T09:14:00+00:00",
        ),
        replace(qwen, last_used="2026-11-20T08:00:00+00:00"),
        replace(gemma, verdict=replace(gemma.verdict, unload=(MODEL,), free=GIB)),
        replace(llama, verdict=replace(llama.verdict, remedies=remedies)),
        model(BROKEN, 2.2, "unknown", problem="the file is cut short: 1.1 of 2.2 GB are there", verdict=None),
    )


class FakeModels:
    """Answers the methods of `core.model_contract` on `host`, and changes its models as the host would."""

    def __init__(self, host: FakeHost, models: tuple[c.ModelInfo, ...] | None = None) -> None:
        self.host = host
        self.defaults: dict[str, m.Defaults] = {}
        self.bin: dict[str, c.ModelInfo] = {}
        host.models_now = a_few() if models is None else models
        host.post_status(workers=(replace(worker(), footprint=footprint(GIB // 10, source="measured")),))
        host.replies = {
            m.DETAILS.name: self.details,
            m.FIT.name: self.fit,
            m.CHANGE.name: self.change,
            m.PREFETCH.name: c.Empty(),
            m.CANCEL_LOAD.name: self.cancel,
            m.UNLOAD.name: self.unload,
            m.DELETE.name: self.delete,
            m.RESTORE.name: self.restore,
        }

    def named(self, name: str) -> c.ModelInfo:
        found = next((model for model in self.host.models_now if model.name == name), None)
        if found is None:
            raise NotFoundError(f"there is no model {name!r}")
        return found

    def put(self, *models: c.ModelInfo) -> None:
        self.host.models_now = models
        self.host.board.touch(c.TOPIC_MODELS, c.ModelsFact())

    # --- the methods ----------------------------------------------------------------------------------

    def details(self, request: m.ModelRef) -> m.Details:
        info = self.named(request.model)
        defaults = self.defaults.get(info.name, m.Defaults())
        if info.problem:
            return m.Details(info=info, facts={}, defaults=defaults, fit=None)
        facts = {
            "Architecture": f"{info.architecture}, 28 blocks",
            "Parameters": "1.54 B",
            "Quantisation": f"{info.quantisation}, 4.85 bits per weight",
            "Context": f"{info.context:,} tokens",
            "Attention": "12 heads, 2 for keys and values",
            "Vocabulary": "151,936 tokens (gpt2)",
            "Template": "yes",
            "Licence": "apache-2.0",
        }
        fit = self.fit(m.FitModel(model=info.name, context=defaults.context, kv_type=defaults.kv_type))
        return m.Details(info=info, facts=facts, defaults=defaults, fit=fit)

    def fit(self, request: m.FitModel) -> m.Fit:
        info = self.named(request.model)
        context, kind = request.context or 8192, request.kv_type or "f16"
        source = "dry run" if request.exact else "estimated"
        found = footprint(info.size, context, source, half=kind != "f16")
        assert info.verdict is not None
        fits = found.total <= FREE
        judged = (
            info.verdict
            if context == 8192 and kind == "f16"
            else c.Verdict(kind="fits" if fits else "too large", need=found.total, free=FREE, reason="")
        )
        return m.Fit(
            model=info.name,
            context=context,
            kv_type=kind,
            gpu_layers=0,
            footprint=found,
            verdict=replace(judged, need=found.total),
            max_context=20480 if info.context > 20480 else info.context,
            kensho=int(info.size * 1.2),
        )

    def change(self, request: m.ChangeModel) -> c.ModelInfo:
        info = self.named(request.model)
        given = {name: getattr(request, name) for name in ("favourite", "pinned", "tags")}
        changed = replace(info, **{name: value for name, value in given.items() if value is not None})
        if request.defaults is not None:
            self.defaults[info.name] = request.defaults
        self.put(*(changed if model is info else model for model in self.host.models_now))
        return changed

    def cancel(self, request: c.Empty) -> c.Empty:
        self.host.post_status(workers=())
        return c.Empty()

    def unload(self, request: m.Unload) -> m.Unloaded:
        workers = self.host.status_now.workers
        gone = [one for one in workers if request.model in (None, one.model) and one.state != "busy"]
        self.host.post_status(workers=tuple(one for one in workers if one not in gone))
        busy = tuple(one.model for one in workers if request.model in (None, one.model) and one not in gone)
        freed = sum(one.footprint.total for one in gone if one.footprint is not None)
        return m.Unloaded(models=tuple(one.model for one in gone), busy=busy, freed=freed)

    def delete(self, request: m.ModelRef) -> m.Deleted:
        info = self.named(request.model)
        self.bin[f"bin-{info.name}"] = info
        self.put(*(model for model in self.host.models_now if model is not info))
        return m.Deleted(token=f"bin-{info.name}", model=info.name, size=info.size)

    def restore(self, request: m.RestoreModel) -> c.ModelInfo:
        info = self.bin.pop(request.token, None)
        if info is None:
            raise KenshoError("the bin was emptied", hint="Download the model again")
        self.put(*self.host.models_now, info)
        return info


def loading(
    name: str, phase: c.PhaseName, done: int = 0, total: int = 100, **changes: object
) -> c.WorkerInfo:
    """A worker on its way."""
    state: c.WorkerState = "starting" if phase in ("starting", "unloading", "waiting") else "loading"
    base = c.WorkerInfo(pid=77, model=name, state=state, phase=c.Phase(name=phase, done=done, total=total))
    return replace(base, elapsed_s=1.4, expected_s=2.3, **changes)
