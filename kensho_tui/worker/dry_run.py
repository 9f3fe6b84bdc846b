"""``python -P -m kensho_tui.worker.dry_run``: what llama.cpp would allocate, without allocating it.

Reads one JSON document from stdin, ``{"loads": [{…}, …]}`` with each a `core.frames.Load` of the same file,
and prints one line: ``{"terms": [{…}, …]}`` in bytes, one for each load, or
``{"code": …, "message": …, "hint": …}``. llama.cpp reads the header and lays its graphs out with
``no_alloc``; tensors are never touched, so a sparse file will do. Short-lived: a driver's context and all
else goes with it.
"""

import json
import os
import sys
from typing import Any, NoReturn

import msgspec

from kensho_tui.core.errors import KenshoError, LoadError, UsageError
from kensho_tui.core.frames import Load
from kensho_tui.worker import buffers, llama
from kensho_tui.worker.log import LlamaLog
from kensho_tui.worker.model import context_params, model_params, on_gpu

MAX_INPUT = 1 << 20


def main() -> NoReturn:
    document: dict[str, Any]
    try:
        document = {"terms": dry_runs(_request(sys.stdin.buffer.read(MAX_INPUT)))}
    except KenshoError as error:
        document = {"code": error.code, "message": error.message, "hint": error.hint}
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()
    os._exit(0)  # llama.cpp's own end costs time and gives nothing back that the system does not


def _request(raw: bytes) -> list[Load]:
    try:
        return msgspec.json.decode(raw, type=dict[str, list[Load]])["loads"]
    except (ValueError, KeyError) as error:
        raise UsageError(f"no request for a dry run: {error}") from None


def dry_runs(loads: list[Load]) -> list[dict[str, Any]]:
    """The terms of each load of one file; its header is read again only for other GPU layers.

    Raises `LoadError` for a file that llama.cpp refuses, `EngineError` without a usable library.
    """
    lib = llama.import_bindings()
    log = LlamaLog(lib, quiet=True)
    lib.llama_backend_init()
    found: dict[int, dict[str, Any]] = {}
    for layers in dict.fromkeys(load.gpu_layers for load in loads):
        model = _open(lib, log, next(load for load in loads if load.gpu_layers == layers))
        for index, load in enumerate(loads):
            if load.gpu_layers == layers:
                found[index] = _terms(lib, log, model, load)
        lib.llama_model_free(model)
    return [found[index] for index in range(len(loads))]


def _open(lib: Any, log: LlamaLog, load: Load) -> Any:
    log.clear()
    params = model_params(lib, load)
    params.no_alloc = True
    params.load_mode = lib.LLAMA_LOAD_MODE_NONE
    model = lib.llama_model_load_from_file(os.fsencode(load.path), params)
    if not model:
        raise LoadError(
            f"{load.path} could not be read: {log.reason() or 'llama.cpp gave no reason'}",
            hint="The file may be damaged or made for a newer llama.cpp: download it again",
        )
    return model


def _terms(lib: Any, log: LlamaLog, model: Any, load: Load) -> dict[str, Any]:
    log.clear()
    context = lib.llama_init_from_model(model, context_params(lib, model, load))
    if not context:
        raise LoadError(
            f"no context of {load.context:,} tokens: {log.reason() or 'llama.cpp gave no reason'}",
            hint="Choose another context or another type of KV cache",
        )
    allocated = buffers.parse(log.buffer_lines())
    lib.llama_free(context)
    gpu = on_gpu(lib, load)
    side = None if not gpu else False

    def host(sizes: dict[str, int]) -> int:
        return buffers.total(sizes, ram=True) if gpu else 0

    return {
        "gpu": gpu,
        "weights": int(lib.llama_model_size(model)),
        "kv": buffers.total(allocated.cached, ram=side),
        "compute": buffers.total(allocated.compute, ram=side),
        "output": buffers.total(allocated.output, ram=side),
        "host": host(allocated.cached) + host(allocated.compute) + host(allocated.output),
    }


if __name__ == "__main__":
    main()
