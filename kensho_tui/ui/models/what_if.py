"""What a model would take with another context or KV type: which values are tried next. Pure."""

from typing import NamedTuple

from kensho_tui.core.model_contract import Fit, FitModel, KvType

LEAST, MOST = 512, 1 << 20
KV_TYPES: tuple[KvType, ...] = ("f16", "q8_0", "q4_0")


class WhatIf(NamedTuple):
    """None: as it would be loaded. ``exact`` asks for the dry run."""

    context: int | None = None
    kv_type: KvType | None = None
    exact: bool = False

    def request(self, model: str) -> FitModel:
        return FitModel(model=model, context=self.context, kv_type=self.kv_type, exact=self.exact)


def contexts(trained: int, most: int) -> list[int]:
    """The sizes that are tried: powers of two, what the model was trained for, the most that fits."""
    limit = trained or MOST
    steps = {1 << power for power in range(LEAST.bit_length() - 1, MOST.bit_length()) if 1 << power <= limit}
    return sorted(steps | ({trained} if trained else set()) | ({most} if LEAST <= most <= limit else set()))


def wider(what: WhatIf, fit: Fit, trained: int, step: int) -> WhatIf:
    """The next larger (``step`` 1) or smaller (-1) context than the one that is shown."""
    now = what.context or fit.context
    others = contexts(trained, fit.max_context)
    beyond = [size for size in others if (size - now) * step > 0]
    if not beyond:
        return what
    return what._replace(context=beyond[0] if step > 0 else beyond[-1], exact=False)


def other_kv(what: WhatIf, fit: Fit) -> WhatIf:
    """The next KV type after the one that is shown."""
    now = what.kv_type or fit.kv_type
    at = KV_TYPES.index(now) if now in KV_TYPES else -1
    return what._replace(kv_type=KV_TYPES[(at + 1) % len(KV_TYPES)], exact=False)
