"""``kensho-tui fit``: what a model would take here, and whether that is there."""

import argparse
from typing import TYPE_CHECKING

from kensho_tui.cli.link import link
from kensho_tui.cli.output import print_json
from kensho_tui.cli.reference import model_reference
from kensho_tui.core.sizes import GIB, MIB, human_size
from kensho_tui.core.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kensho_tui.core.contract import Verdict
    from kensho_tui.core.model_contract import Fit

KV_TYPES = ("f16", "q8_0", "q4_0")
MOST_TOKENS = 1 << 30
SOURCES = {
    "estimated": "computed from the file's header",
    "dry run": "asked of llama.cpp, without loading",
    "measured": "measured when it was loaded here",
}
HEADS = {"fits": "Fits. ", "after": "Fits after unloading. ", "too large": "Too large. "}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "fit",
        help="what a model would take here, and whether it fits",
        description="Memory by its parts, whether that is free, and the largest context that would fit. "
        "Nothing is loaded.",
    )
    parser.add_argument("model", metavar="MODEL", help="a name, a unique part of one, or a path to a file")
    parser.add_argument("--ctx", type=_context, metavar="N", help="context in tokens")
    parser.add_argument("--kv", choices=KV_TYPES, metavar="TYPE", help=f"KV cache: {', '.join(KV_TYPES)}")
    parser.add_argument("--gpu-layers", type=_layers, metavar="N", help="layers on the GPU; -1: all")
    parser.add_argument(
        "--exact",
        action="store_true",
        help="ask llama.cpp itself in place of a formula; takes up to a second",
    )
    parser.add_argument("--json", action="store_true", help="one JSON document instead of text")
    parser.set_defaults(run=run)


def _context(text: str) -> int:
    return _whole(text, 1, MOST_TOKENS)


def _layers(text: str) -> int:
    return _whole(text, -1, 100_000)


def _whole(text: str, least: int, most: int) -> int:
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError("must be a whole number") from None
    if not least <= number <= most:
        raise argparse.ArgumentTypeError(f"must be between {least} and {most:,}")
    return number


def run(options: argparse.Namespace) -> int:
    import asyncio

    return asyncio.run(_fit(options))


async def _fit(options: argparse.Namespace) -> int:
    from kensho_tui.core.model_contract import FIT, FitModel

    request = FitModel(
        model=model_reference(options.model),
        context=options.ctx,
        kv_type=options.kv,
        gpu_layers=options.gpu_layers,
        exact=options.exact,
    )
    async with link() as kensho:
        fit = await kensho.call(FIT, request)
    if options.json:
        print_json(document(fit))
        return 0
    print("\n".join(lines(fit)))
    if options.ctx is not None and fit.context < options.ctx:
        print(f"It was trained for {fit.context:,} tokens: a larger context is not used")
    return 0


def document(fit: "Fit") -> dict[str, object]:
    """A fit as `fit --json` tells it: bytes and tokens."""
    footprint, verdict = fit.footprint, fit.verdict
    return {
        "model": fit.model,
        "n_ctx": fit.context,
        "kv_type": fit.kv_type,
        "gpu_layers": fit.gpu_layers,
        "weights": footprint.weights,
        "kv": footprint.kv,
        "compute": footprint.compute,
        "overhead": footprint.overhead,
        "total": footprint.total,
        "host": footprint.host,
        "source": footprint.source,
        "verdict": verdict.kind,
        "memory": verdict.memory,
        "free": verdict.free,
        "unload": verdict.unload,
        "reason": verdict.reason,
        "remedies": [
            {"what": r.what, "n_ctx": r.context, "kv_type": r.kv_type, "gpu_layers": r.gpu_layers}
            for r in verdict.remedies
        ],
        "max_ctx": fit.max_context,
        "kensho": fit.kensho,
    }


def lines(fit: "Fit") -> "Iterator[str]":
    """What `fit` prints (pure)."""
    footprint, verdict = fit.footprint, fit.verdict
    yield f"{one_line(fit.model)} · context {fit.context:,} · KV cache {fit.kv_type}{_layer_words(fit)}"
    yield ""
    unit, name = (GIB, "GiB") if footprint.total >= GIB else (MIB, "MiB")
    digits = 2 if unit == GIB else 0
    for label, count, note in (
        ("weights", footprint.weights, ""),
        ("KV cache", footprint.kv, ""),
        ("compute", footprint.compute, ""),
        ("overhead", footprint.overhead, "process and driver"),
        ("total", footprint.total, f"{verdict.memory}, of {human_size(verdict.free)} {_free_words(verdict)}"),
        ("in RAM besides", footprint.host, "what does not go to the GPU"),
    ):
        if count or label != "in RAM besides":
            yield f"  {label:<14} {count / unit:>8.{digits}f} {name}  {note}".rstrip()
    yield f"  {SOURCES.get(footprint.source, footprint.source)}"
    yield ""
    yield _verdict_line(verdict)
    yield (
        f"Largest context that fits: {fit.max_context:,} tokens"
        if fit.max_context
        else "No context at all fits"
    )
    yield from (f"It would fit with {one_line(remedy.what)}" for remedy in verdict.remedies)
    if fit.kensho:
        said = human_size(fit.kensho)
        yield f"For comparison, (parameters × bits / 8) × 1.2 would have said {said}{_off(fit)}"


def _free_words(verdict: "Verdict") -> str:
    return f"left of the memory_limit of {human_size(verdict.limit)}" if verdict.limit else "free"


def _verdict_line(verdict: "Verdict") -> str:
    from kensho_tui.cli.models import verdict_words

    if not verdict.reason:
        return one_line(verdict_words(verdict), 500) or "It is not known whether it fits"
    return one_line(f"{HEADS.get(verdict.kind, '')}{verdict.reason}", 500)


def _layer_words(fit: "Fit") -> str:
    if fit.verdict.memory == "RAM" or fit.gpu_layers < 0:
        return ""
    return f" · {fit.gpu_layers} layers on the GPU"


def _off(fit: "Fit") -> str:
    if not fit.footprint.total:
        return ""
    off = round((fit.kensho / fit.footprint.total - 1) * 100)
    return f": {abs(off)} % {'less' if off < 0 else 'more'}" if off else ""
