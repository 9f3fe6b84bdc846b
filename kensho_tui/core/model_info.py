"""What is said of a model wherever models are listed: part of `core.contract`, with its units."""

from typing import Literal

from msgspec import Struct


class Footprint(Struct, frozen=True, kw_only=True):
    """Memory a model takes on its device, in bytes, and where the figures come from.

    ``overhead``: the process and its driver context. ``host``: what partial offload leaves in RAM besides.
    ``copies``: what of ``weights`` is the process's own memory and no pages of the model file (in RAM).
    """

    weights: int = 0
    kv: int = 0
    compute: int = 0
    overhead: int = 0
    host: int = 0
    copies: int = 0
    source: Literal["estimated", "dry run", "measured"] = "estimated"

    @property
    def total(self) -> int:
        return self.weights + self.kv + self.compute + self.overhead


class Remedy(Struct, frozen=True, kw_only=True):
    """Something that would make a model fit, said in ``what``; None leaves a value as it is."""

    what: str
    context: int | None = None
    kv_type: str | None = None
    gpu_layers: int | None = None


class Verdict(Struct, frozen=True, kw_only=True):
    """Whether a model fits now. ``free``: bytes of ``memory`` a new model may take; ``need`` is its total.

    "after": it fits once the models in ``unload`` have gone. ``blocked`` are pinned or busy ones whose end
    would make room where nothing else does. ``limit``: what a person allows all models together, where that
    is what binds (0: the memory itself does). ``reason`` is one line for a person.
    """

    kind: Literal["resident", "fits", "after", "too large", "unknown"]
    memory: Literal["RAM", "VRAM"] = "RAM"
    need: int = 0
    free: int = 0
    unload: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()
    limit: int = 0
    remedies: tuple[Remedy, ...] = ()
    reason: str = ""


class ModelInfo(Struct, frozen=True, kw_only=True):
    """A GGUF model of this machine. ``context``: what it was trained for; ``parameters``: a count.

    ``load_s`` and ``tok_s`` were measured here (0: not yet), ``last_used`` is a date. ``removable``: the file
    is ours to delete. ``problem`` says why the file cannot be used (empty: it can).
    """

    name: str
    path: str
    size: int
    source: Literal["starter", "folder", "extra", "hub", "ollama", "lmstudio", "path"]
    default: bool = False
    resident: bool = False
    pinned: bool = False
    favourite: bool = False
    tags: tuple[str, ...] = ()
    quantisation: str = ""
    architecture: str = ""
    context: int = 0
    parameters: int = 0
    has_template: bool = True
    load_s: float = 0.0
    tok_s: float = 0.0
    last_used: str | None = None
    removable: bool = False
    problem: str = ""
    verdict: Verdict | None = None


class ModelList(Struct, frozen=True):
    models: tuple[ModelInfo, ...]
