"""The list of good small models that comes with the program: what is offered without the network.

``curated.json`` beside this has the facts. Each entry names where its facts were seen, when, and which of
them were seen at all; ``docs/curated/recheck.py`` compares them with the hub. From an entry's numbers comes
the shape of each of its files, and from that the same verdict as from the file's own header.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Literal, NamedTuple

import msgspec

from kensho_tui.core.contract import Verdict
from kensho_tui.core.hub_contract import HubRepo
from kensho_tui.models.gguf.ggml_types import TENSOR_TYPES, TensorType
from kensho_tui.models.gguf.shape import ModelShape
from kensho_tui.models.hub.quantisations import base_of
from kensho_tui.models.hub.recommend import Choice, recommend

FILE = "curated.json"
F32 = 4
FLUENT = 3_000_000_000
"""Bytes read for each token, up to which a model writes fluently from RAM: about ten tokens a second on a
laptop. On a graphics card whatever fits is quick."""
ROOMY = 3072
"""Tokens of context for a conversation of some length."""

Role = Literal["dialogue", "multilingual", "reasoning", "code", "tiny"]
Group = Literal["repository", "licence", "files", "shape"]
_ROLES: tuple[Role, ...] = ("dialogue", "multilingual", "reasoning", "code", "tiny")
_FITS = {"resident": 0, "fits": 0, "after": 1, "unknown": 2, "too large": 3}


class Fact(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a group of facts was seen, and on which day; not ``confirmed``: it was not, and why."""

    confirmed: bool
    date: str
    source: str


class Numbers(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A header's numbers, as in `ModelShape`; counts of heads are those of a layer that attends.

    Layers slide but every ``full_every``-th, and keep a state but every ``attention_every``-th (0: none do).
    The last ``shared_kv_layers`` use the KV caches of earlier ones. ``per_layer_embedding``: elements that
    each token has for each layer, beside its embedding.
    """

    architecture: str
    layers: int
    embedding: int
    feed_forward: int
    heads: int
    kv_heads: int
    key_length: int
    vocabulary: int
    context: int
    tied: bool
    key_length_swa: int = 0
    window: int = 0
    full_every: int = 0
    attention_every: int = 0
    shared_kv_layers: int = 0
    per_layer_embedding: int = 0
    experts: int = 0
    experts_used: int = 0


class CuratedFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    file: str
    quantisation: str
    size: int


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A repository of the list. ``revision`` is the commit its files were seen at (empty: not known),
    ``header`` the bytes of each file before its tensors (0: not known, so that weights are taken too large).
    """

    repo: str
    title: str
    role: Role
    about: str
    licence: str
    parameters: int
    revision: str
    header: int
    shape: Numbers
    files: tuple[CuratedFile, ...]
    facts: dict[Group, Fact]


class Curated(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``date``: when the list was made."""

    date: str
    entries: tuple[Entry, ...]


Judge = Callable[[ModelShape], Awaitable[tuple[Verdict, int | None]]]
"""The verdict on a model of this shape, and the context a load would get in tokens (None: not known)."""


@cache
def curated() -> Curated:
    """The list, read once."""
    raw = resources.files("kensho_tui.models.hub").joinpath(FILE).read_bytes()
    return msgspec.json.decode(raw, type=Curated)


async def repos(judge: Judge, installed: Mapping[str, tuple[str, ...]]) -> tuple[HubRepo, ...]:
    """The list as it is shown, each entry with the file to take here and its verdict.

    ``installed`` names the models of this machine by the repository they came from.
    """
    entries = (await asyncio.to_thread(curated)).entries
    rows = [await _row(entry, judge, installed.get(entry.repo, ())) for entry in entries]
    return tuple(row.shown for row in ordered(rows))


# --- shapes -----------------------------------------------------------------------------------------


def shape_of(entry: Entry, file: CuratedFile) -> ModelShape:
    """What the header of `file` says, but for its chat template. All layers are taken to be of one size."""
    numbers = entry.shape
    layers = numbers.layers
    weights = max(file.size - entry.header, 0)
    ends = _ends(numbers, file.quantisation)
    inputs, outputs = ends.embedding + ends.tables, ends.head
    each, more = divmod(max(weights - inputs - outputs, 0), layers)
    blocks = tuple(each + (layer < more) for layer in range(layers))
    attends = [
        not numbers.attention_every or (layer + 1) % numbers.attention_every == 0 for layer in range(layers)
    ]
    own = layers - numbers.shared_kv_layers
    return ModelShape(
        architecture=numbers.architecture,
        name=entry.title,
        license=entry.licence,
        quantisation=file.quantisation,
        parameters=entry.parameters,
        weights=inputs + outputs + sum(blocks),
        input_weights=inputs,
        output_weights=outputs,
        tied=numbers.tied,
        layer_weights=blocks,
        layers=layers,
        embedding=numbers.embedding,
        feed_forward=numbers.feed_forward,
        dense_feed_forward=numbers.feed_forward,
        heads=(numbers.heads,) * layers,
        kv_heads=tuple(numbers.kv_heads if attends[layer] and layer < own else 0 for layer in range(layers)),
        key_length=numbers.key_length,
        value_length=numbers.key_length,
        key_length_swa=numbers.key_length_swa or numbers.key_length,
        value_length_swa=numbers.key_length_swa or numbers.key_length,
        vocabulary=numbers.vocabulary,
        trained_context=numbers.context,
        window=numbers.window,
        sliding=tuple((layer + 1) % numbers.full_every != 0 for layer in range(layers))
        if numbers.window
        else (),
        experts=numbers.experts,
        experts_used=numbers.experts_used,
        recurrent=numbers.attention_every > 0,
    )


_TYPES = {kind.name: kind for kind in TENSOR_TYPES.values()}
# What llama.cpp's quantiser takes where a row does not fill blocks of 256.
_FALLBACKS = {"Q2_K": "IQ4_NL", "Q3_K": "IQ4_NL", "Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0"}
_MIXED = ("_S", "_M", "_L")


class _Ends(NamedTuple):
    """Bytes of what is before and behind the layers; ``head`` with the last norm."""

    embedding: int
    tables: int
    head: int


def _ends(numbers: Numbers, quantisation: str) -> _Ends:
    """As llama.cpp's quantiser makes them: a head, or an embedding that is the head, has 6 bits or more."""
    whole = base_of(quantisation)
    base = whole[: -len("_M")] if whole.endswith(_MIXED) and "_K" in whole else whole
    if base.startswith("MXFP4"):
        base = "Q8_0"  # only the experts are of that type
    best = base if base in ("Q8_0", "F16", "BF16", "F32") else "Q6_K"
    width, vocabulary = numbers.embedding, numbers.vocabulary
    return _Ends(
        embedding=_rows(best if numbers.tied else base, width) * vocabulary,
        tables=_rows(base, numbers.per_layer_embedding * numbers.layers) * vocabulary,
        head=F32 * width + (0 if numbers.tied else _rows(best, width) * vocabulary),
    )


def _rows(name: str, elements: int) -> int:
    """Bytes of a row of so many elements."""
    kind: TensorType = _TYPES[name]
    if elements % kind.block:
        kind = _TYPES[_FALLBACKS.get(name, "F16")]
    return kind.row_bytes(elements)


def read_per_token(entry: Entry, file: CuratedFile) -> int:
    """Bytes of weights that are read for each token: of tables one row, of a mixture the experts used."""
    numbers, ends = entry.shape, _ends(entry.shape, file.quantisation)
    read = max(file.size - entry.header, 0) - ends.tables - (0 if numbers.tied else ends.embedding)
    idle = (
        3
        * numbers.embedding
        * numbers.feed_forward
        * numbers.layers
        * (numbers.experts - numbers.experts_used)
    )
    return read - read * idle // entry.parameters


# --- rows -------------------------------------------------------------------------------------------


class Row(NamedTuple):
    """``runs_well``: it writes fluently, and has room for a conversation."""

    entry: Entry
    shown: HubRepo
    verdict: Verdict
    runs_well: bool


async def _row(entry: Entry, judge: Judge, installed: tuple[str, ...]) -> Row:
    shapes = {file.file: shape_of(entry, file) for file in entry.files}
    judged = {name: await judge(shape) for name, shape in shapes.items()}
    choices = [_choice(file, shapes[file.file], judged[file.file]) for file in entry.files]
    chosen = recommend(choices, entry.parameters) or min(choices, key=lambda choice: choice.size)
    file = next(file for file in entry.files if file.file == chosen.file)
    verdict, context = judged[chosen.file]
    fluent = verdict.memory != "RAM" or read_per_token(entry, file) <= FLUENT
    shown = HubRepo(
        repo=entry.repo,
        title=entry.title,
        role=entry.role,
        summary=entry.about,
        architecture=entry.shape.architecture,
        context=entry.shape.context,
        parameters=entry.parameters,
        licence=entry.licence,
        quantisation=chosen.quantisation,
        size=chosen.size,
        verdict=verdict,
        installed=installed,
    )
    return Row(entry, shown, verdict, fluent and (context is None or context >= ROOMY))


def _choice(file: CuratedFile, shape: ModelShape, judged: tuple[Verdict, int | None]) -> Choice:
    verdict, context = judged
    return Choice(
        file=file.file,
        quantisation=file.quantisation,
        size=file.size,
        bits=shape.bits,
        fits=verdict.kind != "too large",
        context=context,
    )


def ordered(rows: Sequence[Row]) -> list[Row]:
    """What fits first, of that what runs well, of that by role, of that the largest: so the first row is the
    best model to talk to that this machine runs well. What does not fit is last, the smallest first.
    """
    return sorted(rows, key=_place)


def _place(row: Row) -> tuple[int, bool, int, int]:
    fits = _FITS[row.verdict.kind]
    role = _ROLES.index(row.entry.role)
    if fits == _FITS["too large"]:
        return fits, False, 0, row.verdict.need
    return fits, not row.runs_well, role, -row.entry.parameters
