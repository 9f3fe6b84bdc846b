"""Which layers attend to a sliding window only, as llama.cpp's loaders decide it (``load_swa_pattern``).

A header names the window; which layers slide is a rule of the architecture, unless the header has an array
with one entry for each layer. Read from the code of the llama.cpp release that this version is pinned to.
"""

from typing import NamedTuple


class Pattern(NamedTuple):
    """Of ``period`` layers one, the last or the first, sees everything. 0: the header's array says which.

    ``window`` holds where the header names none, or (``fixed``) whatever it names. ``layers``: only a model
    with as many layers slides. ``default_on``: it slides unless the header says that the window is 0.
    """

    period: int
    dense_first: bool = False
    window: int = 0
    fixed: bool = False
    layers: int = 0
    default_on: bool = False


PATTERNS: dict[str, Pattern] = {
    "afmoe": Pattern(4),
    "cohere2": Pattern(4),
    "cohere2moe": Pattern(4, dense_first=True),
    "dots3note": Pattern(0),
    "exaone-moe": Pattern(4),
    "exaone4": Pattern(4, window=4096, layers=64),
    "gemma2": Pattern(2, window=4096),
    "gemma3": Pattern(6),
    "gemma3n": Pattern(5),
    "gemma4": Pattern(0),
    "gemma-embedding": Pattern(6),
    "gpt-oss": Pattern(2),
    "granite_swa": Pattern(0),
    "laguna": Pattern(4, dense_first=True),
    "llama4": Pattern(4, window=8192, fixed=True, default_on=True),
    "maple": Pattern(0),
    "mellum": Pattern(4),
    "mimo2": Pattern(0),
    "modern-bert": Pattern(3, dense_first=True),
    "muse-glimmer": Pattern(4),
    "olmo2": Pattern(4),
    "plamo3": Pattern(8),
    "smallthinker": Pattern(4, dense_first=True, window=4096, fixed=True),
    "spark2_5": Pattern(0),
    "step35": Pattern(0),
}
# Not here: phi3, whose window llama.cpp ignores, and lfm2, of whose layers those with attention slide.


def sliding_layers(
    architecture: str, layers: int, window: int | None, given: int | tuple[bool, ...] | None
) -> tuple[int, tuple[bool, ...]]:
    """The window in tokens (0: none) and by layer whether it is held to it.

    ``window`` is the header's (None: it has none), ``given`` its ``sliding_window_pattern``: a period, or one
    entry for each layer.
    """
    pattern = PATTERNS.get(architecture)
    if pattern is None or (pattern.layers and pattern.layers != layers):
        return 0, ()
    if window == 0 or (window is None and pattern.fixed and not pattern.default_on):
        return 0, ()
    tokens = pattern.window if pattern.fixed or window is None else window
    if isinstance(given, tuple):
        sliding = tuple(given[:layers]) + (False,) * (layers - len(given))
    elif pattern.period:
        sliding = _periodic(given if given is not None else pattern.period, pattern.dense_first, layers)
    else:
        sliding = ()
    return (tokens, sliding) if tokens and any(sliding) else (0, ())


def _periodic(period: int, dense_first: bool, layers: int) -> tuple[bool, ...]:
    if period == 0:
        return (True,) * layers
    dense = 0 if dense_first else period - 1
    return tuple(layer % period != dense for layer in range(layers))
