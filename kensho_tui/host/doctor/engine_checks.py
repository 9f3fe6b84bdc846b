"""Checks of llama.cpp, the machine it runs on, the models, and one real answer."""

from typing import Any

from kensho_tui.core.contract import ModelInfo
from kensho_tui.core.errors import EngineError, NotFoundError
from kensho_tui.core.sizes import GIB, human_size
from kensho_tui.hardware.build import backends, find_mismatch, llama_version
from kensho_tui.hardware.card import Gpu
from kensho_tui.hardware.cgroup import cpu_quota
from kensho_tui.hardware.cpu import (
    decode_threads,
    most_decode_threads,
    physical_cores,
    prefill_threads,
    usable_cores,
)
from kensho_tui.hardware.gpu import gpus
from kensho_tui.hardware.memory import ram
from kensho_tui.host.doctor.check import Finding, Surroundings, bad, good
from kensho_tui.host.doctor.engine import EXPECTED
from kensho_tui.models.catalogue import STARTER_HINT, Catalogue
from kensho_tui.models.sources import Elsewhere


def check_llama(around: Surroundings) -> Finding:
    """The library loads, its structs are those of the bindings (ABI), and what it was built for."""
    found = around.engine.build()
    devices = ", ".join(_device_words(device) for device in found["devices"])
    return good(f"{found['build']}; ABI fits; devices: {devices or 'CPU'}")


def _device_words(device: dict[str, Any]) -> str:
    name = f"{device['name']} ({device['description']})"
    # A CPU's "free" memory is all there is, whatever is in it: no number is better.
    if device["kind"] == "CPU":
        return name
    return f"{name}, {human_size(device['free'])} of {human_size(device['total'])} free"


def check_memory(around: Surroundings) -> Finding:
    """Cores and RAM, with the limits of control groups."""
    cores, memory, quota = usable_cores(around.root), ram(around.root), cpu_quota(around.root)
    least, most = decode_threads(cores), most_decode_threads(cores)
    decode = f"{least} threads for decode" if least == most else f"{least} to {most} threads for decode"
    detail = (
        f"{cores} usable cores of {physical_cores() or '?'}{f' (quota {quota:g})' if quota else ''}: "
        f"{decode}, {prefill_threads(cores)} for prefill; "
        f"{human_size(memory.available)} of {human_size(memory.total)} RAM available"
        f"{' (limited by a control group)' if memory.limited else ''}"
    )
    if memory.available < GIB // 2:
        return bad(detail, "Close other programs, or give this container more memory")
    return good(detail)


def check_gpus(around: Surroundings) -> Finding:
    """Each GPU with its memory, all processes counted."""
    cards = gpus(around.root)
    return good("; ".join(_card_words(card) for card in cards) or "none: models run on the CPU")


def _card_words(card: Gpu) -> str:
    if not card.total:
        extra = " (pip install 'kensho-tui[nvidia]' shows its memory)" if card.vendor == "nvidia" else ""
        return f"{card.name}, memory unknown{extra}"
    kind = "shared with RAM" if card.unified else "VRAM"
    return f"{card.name}, {human_size(card.used)} of {human_size(card.total)} {kind} used"


def check_build(around: Surroundings) -> Finding:
    """A GPU is here: was this llama.cpp built for it, and does it use it?"""
    cards = gpus(around.root)
    device = around.engine.device or _first_device(around)
    found = find_mismatch(cards, device, version=llama_version(), built=backends(), environ=around.environ)
    if found:
        return bad(found.what, found.fix)
    return good("llama.cpp fits the GPUs here" if cards else "no GPU: nothing to fit")


def _first_device(around: Surroundings) -> str:
    """What a model would run on, when none could be tried: llama.cpp's first GPU, or its CPU."""
    try:
        devices = around.engine.build()["devices"]
    except EngineError:
        return ""
    return next((str(device["name"]) for device in devices if device["kind"] != "CPU"), "CPU")


def _catalogue(around: Surroundings) -> Catalogue:
    return Catalogue(around.paths.models, Elsewhere.of(around.settings, around.environ))


def check_models(around: Surroundings) -> Finding:
    """There is a model, and the one in the settings is among them."""
    catalogue = _catalogue(around)
    models = catalogue.models()
    if not models and not around.settings.model:
        return bad(f"no model is installed; {around.paths.models} is empty", STARTER_HINT)
    wanted = around.settings.model
    if wanted:
        try:
            return good(f"{len(models)} installed; the settings choose {catalogue.find(wanted).name}")
        except NotFoundError as error:
            return bad(
                f"the settings name a model that is not here: {error.message}",
                f"Change `model` in {around.paths.settings}. {error.hint}",
            )
    return good(", ".join(f"{model.name} ({human_size(model.size)})" for model in models[:5]))


def check_generation(around: Surroundings) -> Finding:
    """A real answer of the starter (or of what else there is), with the words it must contain."""
    model = _trial_model(around)
    answer = around.engine.ask(model)
    detail = (
        f"{model.name} on {answer.loaded.device}: process and import {answer.start_s:.2f} s, "
        f"load {answer.loaded.load_s:.2f} s, first token {answer.first_token_s:.2f} s, "
        f"{answer.decode_tok_s:.0f} tok/s, “{answer.text}”"
    )
    if EXPECTED.casefold() in answer.text.casefold():
        return good(detail)
    return bad(
        f"{detail}, where {EXPECTED!r} was expected",
        "The model file or this build of llama.cpp is damaged: fetch the model again, else "
        f"pip install --force-reinstall --no-cache-dir llama-cpp-python=={llama_version()}",
    )


def _trial_model(around: Surroundings) -> ModelInfo:
    """The starter, since its answer is known; else the settings' model, else the first there is."""
    catalogue = _catalogue(around)
    starter = next((model for model in catalogue.models() if model.source == "starter"), None)
    return starter or catalogue.choose(around.settings.model)
