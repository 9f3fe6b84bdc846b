"""What llama.cpp itself says of GGUF files, without memory for them: run as a process, one JSON line each.

``python -m tests.support.llama_dry FILE...``: sizes, counts, and which layers have a cache with a window.
"""

import json
import re
import sys
from typing import Any

from kensho_tui.worker.llama import import_bindings

_CACHE = re.compile(r"creating\s+(non-)?SWA KV cache")
_FILTERED = re.compile(r"llama_kv_cache: layer\s+(\d+): filtered")


def _windowed(lines: list[str], layers: int) -> list[bool]:
    """The layers that are not left out of the cache with a window; none if there is no such cache."""
    inside, left_out, found = False, set(), False
    for line in lines:
        cache = _CACHE.search(line)
        if cache:
            inside = cache[1] is None
            found = found or inside
        layer = _FILTERED.search(line)
        if inside and layer:
            left_out.add(int(layer[1]))
    return [found and layer not in left_out for layer in range(layers)]


def look(lib: Any, path: str, lines: list[str]) -> dict[str, Any]:
    lines.clear()
    params = lib.llama_model_default_params()
    params.no_alloc, params.load_mode = True, lib.LLAMA_LOAD_MODE_NONE
    model = lib.llama_model_load_from_file(path.encode(), params)
    if not model:
        return {"error": [line.strip() for line in lines if "error" in line]}
    context_params = lib.llama_context_default_params()
    context_params.n_ctx, context_params.swa_full = 16384, False
    context = lib.llama_init_from_model(model, context_params)
    layers = lib.llama_model_n_layer(model)
    found = {
        "weights": lib.llama_model_size(model),
        "parameters": lib.llama_model_n_params(model),
        "layers": layers,
        "embedding": lib.llama_model_n_embd(model),
        "heads": lib.llama_model_n_head(model),
        "kv_heads": lib.llama_model_n_head_kv(model),
        "trained_context": lib.llama_model_n_ctx_train(model),
        "vocabulary": lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(model)),
        "window": lib.llama_model_n_swa(model),
        "sliding": _windowed(lines, layers),
        "recurrent": lib.llama_model_is_recurrent(model) or lib.llama_model_is_hybrid(model),
    }
    lib.llama_free(context)
    lib.llama_model_free(model)
    return found


def main(paths: list[str]) -> None:
    lib = import_bindings()
    lines: list[str] = []

    @lib.llama_log_callback  # type: ignore[untyped-decorator]
    def log(_level: int, text: bytes, _data: object) -> None:
        lines.append(text.decode("utf-8", "replace"))

    lib.llama_log_set(log, None)
    for path in paths:
        sys.stdout.write(json.dumps(look(lib, path, lines)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
