"""What a recommendation makes of a model's defaults, and what is left of it later. Pure."""

import msgspec
from msgspec.structs import asdict, replace

from kensho_tui.core.bench_contract import Applied, BenchRun, BenchSettings
from kensho_tui.core.model_contract import Defaults
from kensho_tui.models.estimate import usual_batch
from kensho_tui.models.plan import EngineOptions


def with_settings(
    settings: BenchSettings, before: Defaults, options: EngineOptions, *, gpu: bool
) -> Defaults:
    """``before`` with ``settings``: what the program would choose by itself is left to it."""
    usual = usual_batch(on_gpu=gpu and settings.gpu_layers != 0)
    threads = (settings.threads, settings.threads) if settings.threads else options.paying
    changed = {
        "threads": None if threads == options.decoding(None) else settings.threads,
        "threads_batch": None if settings.threads_batch == options.threads_batch else settings.threads_batch,
        "batch": None if settings.batch == usual else settings.batch,
        "flash": None if settings.flash else False,
        "kv_type": None if settings.kv_type == options.kv_type else settings.kv_type,
        "gpu_layers": before.gpu_layers,
    }
    if gpu:
        changed["gpu_layers"] = None if settings.gpu_layers == options.gpu_layers else settings.gpu_layers
    return msgspec.convert({**asdict(before), **changed}, Defaults)


def taken_back(now_set: Defaults, change: Applied) -> Defaults:
    """``now_set`` without what ``change`` gave: what was set otherwise since stays."""
    before, after, found = asdict(change.before), asdict(change.after), asdict(now_set)
    back = {
        name: before[name] for name in found if before[name] != after[name] and found[name] == after[name]
    }
    return replace(now_set, **back)


def as_now(run: BenchRun, now_set: Defaults | None, options: EngineOptions, *, gpu: bool) -> BenchRun:
    """A kept run beside the defaults that its model has now; None: the model is gone."""
    if now_set is None:
        return replace(run, applied=None, in_use=(), change=None)
    in_use = tuple(
        one.condition
        for one in run.recommendations
        if with_settings(one.settings, now_set, options, gpu=gpu) == now_set
    )
    left = run.change is not None and taken_back(now_set, run.change) != now_set
    return replace(
        run,
        applied=run.applied if run.applied in in_use else None,
        in_use=in_use,
        change=run.change if left else None,
    )
