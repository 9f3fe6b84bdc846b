"""The front link's methods about models beyond choosing one: fit, residency, defaults, deletion, disk space.

Apart from `core.contract` because only the screens and commands that show models need it. Units as there.
"""

from typing import Literal

from msgspec import Struct

from kensho_tui.core.contract import Empty, Footprint, Method, ModelInfo, Verdict

KvType = Literal["f16", "q8_0", "q4_0"]


class Defaults(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a person set for one model; None: the program decides. ``gpu_layers`` -1 means all.

    ``threads`` decode (0: as many as the worker finds to pay), ``threads_batch`` prefill, ``batch`` tokens at
    once, ``flash``: flash attention.
    """

    context: int | None = None
    kv_type: KvType | None = None
    gpu_layers: int | None = None
    threads: int | None = None
    threads_batch: int | None = None
    batch: int | None = None
    flash: bool | None = None
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    max_tokens: int | None = None
    system: str | None = None
    template: str | None = None


class ModelRef(Struct, frozen=True, kw_only=True):
    """A model by name, unique part of one, or path; to prefetch none any more: empty."""

    model: str


class FitModel(Struct, frozen=True, kw_only=True):
    """Whether ``model`` fits with ``context`` and ``kv_type`` (None: as it would be loaded).

    ``exact``: run llama.cpp's own allocator without memory first, in a child; that takes up to a second.
    """

    model: str
    context: int | None = None
    kv_type: KvType | None = None
    gpu_layers: int | None = None
    exact: bool = False


class Fit(Struct, frozen=True, kw_only=True):
    """The answer: memory by its terms, the verdict, and the largest context that fits (0: none does).

    ``kensho`` is what the formula (parameters x bits / 8) x 1.2 would have said, in bytes. ``memory`` is all
    there is of the kind the verdict names (0: nothing tells), ``others`` what other programs use of it.
    """

    model: str
    context: int
    kv_type: KvType
    gpu_layers: int
    footprint: Footprint
    verdict: Verdict
    max_context: int
    kensho: int
    memory: int = 0
    others: int = 0


class Details(Struct, frozen=True, kw_only=True):
    """All about one model: the facts of its header by name, what was set for it, and how it fits."""

    info: ModelInfo
    facts: dict[str, str]
    defaults: Defaults
    fit: Fit | None


class ChangeModel(Struct, frozen=True, kw_only=True):
    """None leaves a thing as it is; ``defaults`` replaces all of them."""

    model: str
    favourite: bool | None = None
    pinned: bool | None = None
    tags: tuple[str, ...] | None = None
    defaults: Defaults | None = None


class Unload(Struct, frozen=True, kw_only=True):
    """Free ``model``'s memory now, or all (None). What streams is never cut: it is said as ``busy``."""

    model: str | None = None


class Unloaded(Struct, frozen=True, kw_only=True):
    """Names of what has gone and of what was busy, and the bytes that were theirs. ``bench``: with a
    benchmark, and no answer.
    """

    models: tuple[str, ...]
    busy: tuple[str, ...] = ()
    freed: int = 0
    bench: bool = False


class Deleted(Struct, frozen=True, kw_only=True):
    """``token`` brings the model back until the bin is emptied."""

    token: str
    model: str
    size: int


class RestoreModel(Struct, frozen=True):
    token: str


StoreName = Literal["models", "bin", "kv", "partial", "logs", "database", "responses", "copies"]


class Store(Struct, frozen=True, kw_only=True):
    """One kind of thing on disk: where it lies, how much, and how much of that can be freed safely.

    Of "responses" ``files`` are answers; what they leave free in the database the next chats take.
    """

    name: StoreName
    title: str
    path: str
    files: int
    size: int
    freeable: int


class DiskUse(Struct, frozen=True):
    stores: tuple[Store, ...]


class FreeDisk(Struct, frozen=True):
    """Free what is freeable in these stores (empty: in all)."""

    stores: tuple[StoreName, ...] = ()


class Freed(Struct, frozen=True, kw_only=True):
    size: int
    files: int


DETAILS = Method("models.details", ModelRef, Details)
FIT = Method("models.fit", FitModel, Fit)
CHANGE = Method("models.change", ChangeModel, ModelInfo)
PREFETCH = Method("models.prefetch", ModelRef, Empty)
CANCEL_LOAD = Method("models.cancel_load", Empty, Empty)
UNLOAD = Method("models.unload", Unload, Unloaded)
DELETE = Method("models.delete", ModelRef, Deleted)
RESTORE = Method("models.restore", RestoreModel, ModelInfo)
DISK_USE = Method("disk.use", Empty, DiskUse)
FREE_DISK = Method("disk.free", FreeDisk, Freed)
