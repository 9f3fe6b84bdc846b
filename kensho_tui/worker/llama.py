"""llama.cpp's C functions, as fast to import as they can be, and checked before they are trusted.

``import llama_cpp`` runs the package's ``__init__``, which imports its high-level classes, numpy, jinja2 and
diskcache: 0.17 s, of which the C bindings need 0.04 s. So a bare module with the package's search path is
put in its place, and only the bindings are imported. Remove this when llama-cpp-python's ``__init__`` is
lazy or its bindings can be imported on their own.
"""

import ctypes
import importlib
import importlib.util
import os
import re
import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from kensho_tui.core.errors import EngineError

PACKAGE = "llama_cpp"
_REINSTALL = (
    "Reinstall the version that kensho-tui needs: "
    "pip install --force-reinstall --no-cache-dir llama-cpp-python==0.3.36"
)

# What the pinned release's structs must show. When a library with another struct layout is found, every
# field behind the change reads as garbage, silently: bools as False, sizes as something else.
_CONTEXT_DEFAULTS = {
    "n_ctx": 512,
    "n_batch": 2048,
    "n_ubatch": 512,
    "n_seq_max": 1,
    "flash_attn_type": -1,
    "type_k": 1,
    "type_v": 1,
    "embeddings": False,
    "offload_kqv": True,
    "no_perf": True,
    "swa_full": True,
    "n_samplers": 0,
}
_MODEL_DEFAULTS = {"use_extra_bufts": True, "vocab_only": False, "no_alloc": False}

_GPU_TYPES = {1: "GPU", 2: "iGPU"}


class Device(NamedTuple):
    """One device of ggml. Sizes in bytes; a CPU reports all memory as free."""

    name: str
    description: str
    kind: str
    free: int
    total: int


def import_bindings() -> Any:
    """The module ``llama_cpp.llama_cpp``, checked. Raises `EngineError`."""
    loaded = sys.modules.get(f"{PACKAGE}.{PACKAGE}")
    if loaded is not None:
        return loaded
    # ggml starts gdb for a backtrace when an assertion fails; the process shall just end.
    os.environ.setdefault("GGML_NO_BACKTRACE", "1")
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EngineError("llama-cpp-python is not installed", hint=_REINSTALL)
    package = types.ModuleType(PACKAGE)
    package.__path__ = list(spec.submodule_search_locations)
    package.__spec__ = spec
    sys.modules[PACKAGE] = package
    try:
        lib = importlib.import_module(f"{PACKAGE}.{PACKAGE}")
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        raise EngineError(f"llama.cpp's library could not be loaded: {error}", hint=_REINSTALL) from None
    check_abi(lib)
    return lib


def check_abi(lib: Any) -> None:
    """Raises `EngineError` when llama.cpp's structs are not those that the bindings declare."""
    context, model = lib.llama_context_default_params(), lib.llama_model_default_params()
    wrong = [
        f"{name} is {getattr(struct, name)!r} and not {value!r}"
        for struct, expected in ((context, _CONTEXT_DEFAULTS), (model, _MODEL_DEFAULTS))
        for name, value in expected.items()
        if getattr(struct, name) != value
    ]
    if wrong:
        raise EngineError(
            f"this llama.cpp library does not fit its Python bindings ({'; '.join(wrong[:3])})",
            hint=_REINSTALL,
        )


def build(lib: Any) -> str:
    """Version of the bindings and what the library was compiled for."""
    # importlib.metadata would cost more than all else here; the package's own line says the same.
    source = Path(sys.modules[PACKAGE].__path__[0], "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'__version__\s*=\s*"([^"]+)"', source)
    system = lib.llama_print_system_info().decode("utf-8", "replace").strip(" |")
    return f"llama-cpp-python {found.group(1) if found else '?'}, {system}"


def devices(lib: Any) -> list[Device]:
    """What ggml can compute on. Asking a GPU for its memory may create its driver's context."""
    # The device functions are exported by ggml but not bound: the symbols are found through libllama.
    raw = lib._lib
    raw.ggml_backend_dev_count.restype = ctypes.c_size_t
    raw.ggml_backend_dev_get.argtypes = [ctypes.c_size_t]
    raw.ggml_backend_dev_get.restype = ctypes.c_void_p
    for name in ("ggml_backend_dev_name", "ggml_backend_dev_description"):
        getattr(raw, name).argtypes = [ctypes.c_void_p]
        getattr(raw, name).restype = ctypes.c_char_p
    raw.ggml_backend_dev_type.argtypes = [ctypes.c_void_p]
    size_p = ctypes.POINTER(ctypes.c_size_t)
    raw.ggml_backend_dev_memory.argtypes = [ctypes.c_void_p, size_p, size_p]
    raw.ggml_backend_dev_memory.restype = None
    found = []
    for index in range(raw.ggml_backend_dev_count()):
        handle = raw.ggml_backend_dev_get(index)
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        raw.ggml_backend_dev_memory(handle, ctypes.byref(free), ctypes.byref(total))
        found.append(
            Device(
                name=raw.ggml_backend_dev_name(handle).decode("utf-8", "replace"),
                description=raw.ggml_backend_dev_description(handle).decode("utf-8", "replace"),
                kind=_GPU_TYPES.get(raw.ggml_backend_dev_type(handle), "CPU"),
                free=free.value,
                total=total.value,
            )
        )
    return found


def gpus_used(lib: Any, gpu_layers: int) -> list[Device]:
    """The GPUs that layers are put on."""
    if gpu_layers == 0 or not lib.llama_supports_gpu_offload():
        return []
    return [device for device in devices(lib) if device.kind != "CPU"]


def device_line(gpus: Sequence[Device]) -> str:
    """ "CPU", or the names of the GPUs."""
    return ", ".join(f"{device.name} ({device.description})" for device in gpus) or "CPU"
