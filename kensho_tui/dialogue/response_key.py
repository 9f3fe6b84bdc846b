"""When an answer may be given again, and what it depends on (pure)."""

import hashlib
from collections.abc import Collection
from typing import Literal

import msgspec

from kensho_tui.core.contract import Sampling
from kensho_tui.core.frames import Turn
from kensho_tui.models.ways import Way

Caching = Literal["use", "renew", "no"]
"""What a turn does with the cache: takes an answer from it, else leaves its own there; only leaves its own
there, in place of an older one; or neither.
"""

_BY_HAND = ("temperature", "seed")
_FORM = 1
"""Counted up when the same ingredients mean something else."""


def caching(*, fresh: bool, given: Collection[str]) -> Caching:
    """Of a new turn. One that goes on with an answer, or samples another one beside it, is always "no": its
    answer stands for itself, and so does one for which ``given`` settings of chance were set by hand.
    """
    if any(name in given for name in _BY_HAND):
        return "no"
    return "renew" if fresh else "use"


def key_of(way: Way, turns: tuple[Turn, ...], sampling: Sampling, today: str) -> str:
    """SHA-256, in hexadecimal, of everything that the answer to `turns` depends on.

    ``today`` counts only where the template writes the date into the prompt. ``sampling.seed`` is None unless
    it was given by hand.
    """
    template = hashlib.sha256(way.template.encode("utf-8", "surrogatepass")).hexdigest()
    day = today if "strftime_now" in way.template else ""
    said = [(turn.role, turn.content) for turn in turns]
    asked = msgspec.structs.astuple(sampling)
    # msgpack writes the length of everything before it: no two lists of ingredients are the same bytes.
    whole = (_FORM, way.files, template, day, way.context, way.kv_type, way.adapters, said, asked)
    return hashlib.sha256(msgspec.msgpack.encode(whole)).hexdigest()
