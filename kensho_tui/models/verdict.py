"""Whether a model fits, in words, and what would make it fit (pure). Whom to unload is decided elsewhere."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from kensho_tui.core.model_info import Footprint, Remedy, Verdict
from kensho_tui.core.sizes import human_size
from kensho_tui.models.estimate import LoadShape, context_of, estimate, largest_context, may_quantise
from kensho_tui.models.gguf.shape import ModelShape

LEAST_CONTEXT = 1024
"""With fewer tokens there is no conversation: not offered."""
ROUND = 1024

# How much of its worth a model loses by each remedy, from 0 to 1. An 8-bit KV cache is hardly to be told from
# a 16-bit one; every layer that a GPU leaves to the CPU slows each token down.
_Q8_LOSS = 0.02
_LAYERS_LOSS = 0.3


def remedies(shape: ModelShape, load: LoadShape, budget: int) -> tuple[Remedy, ...]:
    """What would make the model take at most `budget` bytes of its device, the smallest loss first; none
    where it fits as it is.
    """
    if estimate(shape, load).total <= budget:
        return ()
    compact = replace(load, kv_type="q8_0")
    may_compact = load.kv_type == "f16" and load.flash and may_quantise(shape)
    found = [_shorter(shape, load, budget)]
    if may_compact and estimate(shape, compact).total <= budget:
        found.append((_Q8_LOSS, Remedy(what="a q8_0 KV cache", kv_type="q8_0")))
    elif may_compact:
        found.append(_shorter(shape, compact, budget, kv_type="q8_0"))
    if load.on_gpu:
        found.append(_fewer_layers(shape, load, budget))
    return tuple(remedy for _, remedy in sorted((one for one in found if one), key=lambda one: one[0]))


_Rated = tuple[float, Remedy]


def _shorter(shape: ModelShape, load: LoadShape, budget: int, kv_type: str | None = None) -> _Rated | None:
    asked = context_of(shape, load)
    context = largest_context(shape, load, budget, asked - 1) // ROUND * ROUND
    if context < LEAST_CONTEXT:
        return None
    what = f"a context of {context:,} tokens"
    loss = 1 - context / asked
    if kv_type is not None:
        what, loss = f"{what} and a {kv_type} KV cache", loss + _Q8_LOSS
    return loss, Remedy(what=what, context=context, kv_type=kv_type)


def _fewer_layers(shape: ModelShape, load: LoadShape, budget: int) -> _Rated | None:
    """All but the layers that do not fit; with a single layer left the GPU is no help."""
    every = shape.layers + 1
    asked = every if load.gpu_layers < 0 else min(load.gpu_layers, every)
    fits, too_many = 0, asked
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        if estimate(shape, replace(load, gpu_layers=middle)).total <= budget:
            fits = middle
        else:
            too_many = middle
    if fits < 2:
        return None
    loss = _LAYERS_LOSS + (1 - _LAYERS_LOSS) * (1 - fits / every)
    return loss, Remedy(what=f"{fits} of {every} layers on the GPU", gpu_layers=fits)


def judge(
    need: Footprint | None,
    free: int | None,
    memory: Literal["RAM", "VRAM"],
    unload: Sequence[str] | None = (),
    *,
    resident: bool = False,
    remedies: tuple[Remedy, ...] = (),
    blocked: Sequence[str] = (),
    limit: int = 0,
) -> Verdict:
    """The verdict on a model that needs `need` where `free` bytes of `memory` may be taken (None: unknown).

    ``unload`` names the models that would go for it; None: even that would not do. ``blocked`` and ``limit``
    as in `Verdict`.
    """
    if need is None or free is None or need.total <= 0:
        return Verdict(kind="unknown", memory=memory, reason="How much memory it takes is not known")
    total, names = need.total, tuple(unload or ())
    size, room = human_size(total), human_size(max(free, 0))

    def verdict(kind: Literal["resident", "fits", "after", "too large"], reason: str) -> Verdict:
        return Verdict(
            kind=kind,
            memory=memory,
            need=total,
            free=max(free, 0),
            unload=names,
            blocked=tuple(blocked),
            limit=limit,
            remedies=remedies,
            reason=reason,
        )

    if resident:
        return verdict("resident", f"Loaded, it takes {size} of {memory}")
    if total <= free:
        return verdict("fits", f"It takes {size} of {memory}, {left(free, limit)}")
    if names:
        return verdict("after", f"It takes {size} of {memory}: {listed(names)} would be unloaded for it")
    advice = f"; with {remedies[0].what} it fits" if remedies else ""
    if blocked:
        advice = f"; it would fit without {listed(blocked)}, pinned or in use"
    amount = f"a little more than {size}" if size == room else size
    return verdict("too large", f"It takes {amount} of {memory}, {left(free, limit)}{advice}")


def left(free: int, limit: int = 0) -> str:
    """What is there for a model, and who says so."""
    found = human_size(max(free, 0))
    return f"{found} of the memory_limit of {human_size(limit)} are left" if limit else f"{found} are free"


def listed(names: Sequence[str]) -> str:
    """``A``, ``A and B``, ``A, B and C``."""
    *some, last = names
    return f"{', '.join(some)} and {last}" if some else last
