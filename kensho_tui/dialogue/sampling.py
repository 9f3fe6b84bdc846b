"""How tokens of a turn are chosen: what was asked for, else the model's own defaults (pure)."""

from collections.abc import Collection

import msgspec

from kensho_tui.core.contract import Sampling
from kensho_tui.core.model_contract import Defaults

_PROGRAM = Sampling()
_FIELDS = ("temperature", "top_k", "top_p", "min_p", "max_tokens")


def chosen(asked: Sampling, given: Collection[str], defaults: Defaults) -> Sampling:
    """``asked`` with the model's defaults in the fields that were neither given by hand nor differ from the
    program's own.
    """
    own = {
        name: value
        for name in _FIELDS
        if (value := getattr(defaults, name)) is not None
        and name not in given
        and getattr(asked, name) == getattr(_PROGRAM, name)
    }
    return msgspec.structs.replace(asked, **own)
