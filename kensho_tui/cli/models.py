"""``kensho-tui models``: the models of this machine, and whether they fit."""

import argparse
import sys
from typing import TYPE_CHECKING

from kensho_tui.cli.link import link
from kensho_tui.cli.output import ascii_only, named, print_json, print_notices, width
from kensho_tui.core.sizes import human_size

if TYPE_CHECKING:
    from kensho_tui.core.contract import ModelInfo, Verdict

SOURCES = {
    "starter": "starter",
    "folder": "models folder",
    "extra": "extra folder",
    "hub": "Hugging Face",
    "ollama": "Ollama",
    "lmstudio": "LM Studio",
    "path": "path",
}
EPILOG = "● loaded   ★ favourite   ‣ the model of new chats"


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "models",
        help="list the models of this machine, and whether they fit",
        description="The models of this machine: own folder, folders of the settings, and those of others.",
        epilog=EPILOG,
    )
    parser.add_argument("--json", action="store_true", help="one JSON document instead of text")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    import asyncio

    return asyncio.run(_models(options.json))


async def _models(as_json: bool) -> int:
    async with link() as kensho:
        models = await kensho.models()
        await print_notices(kensho)
    if as_json:
        print_json([document(model) for model in models])
        return 0
    if not models:
        print("No models yet. Fetch one with: kensho-tui pull owner/repository", file=sys.stderr)
        return 0
    for line in lines(models, width(sys.stdout), plain=ascii_only(sys.stdout)):
        print(line)
    return 0


def document(model: "ModelInfo") -> dict[str, object]:
    """A model as `models --json` tells it; ``verdict`` is its kind, ``need`` and ``free`` are bytes."""
    verdict = model.verdict
    return {
        "name": model.name,
        "path": model.path,
        "size": model.size,
        "quantisation": model.quantisation,
        "architecture": model.architecture,
        "context": model.context,
        "source": model.source,
        "resident": model.resident,
        "default": model.default,
        "parameters": model.parameters,
        "favourite": model.favourite,
        "pinned": model.pinned,
        "tags": model.tags,
        "verdict": verdict.kind if verdict else None,
        "need": verdict.need if verdict else None,
        "free": verdict.free if verdict else None,
        "unload": verdict.unload if verdict else (),
        "load_s": model.load_s or None,
        "tok_s": model.tok_s or None,
        "last_used": model.last_used,
        "removable": model.removable,
        "problem": model.problem,
    }


def lines(models: "tuple[ModelInfo, ...]", columns: int | None, *, plain: bool = False) -> list[str]:
    """The table in at most `columns` cells (None: no edge); ``plain`` has ASCII marks (pure)."""
    from kensho_tui.cli.table import Column, render

    layout = (
        Column(""),
        Column("MODEL", least=20),
        Column("QUANT", rank=3),
        Column("SIZE", right=True, rank=2),
        Column("CONTEXT", right=True, rank=5),
        Column("SPEED", right=True, rank=4),
        Column("LOAD", right=True, rank=6),
        Column("FROM", rank=7),
        Column("TAGS", rank=8),
        Column("HERE", rank=1, least=28),
    )
    return render(layout, [_row(model, plain) for model in models], columns)


def _row(model: "ModelInfo", plain: bool) -> tuple[str, ...]:
    from kensho_tui.ui.format import seconds, speed

    loaded, favourite, default = "*+>" if plain else "●★‣"
    marks = (model.resident, loaded), (model.favourite, favourite), (model.default, default)
    return (
        "".join(mark for on, mark in marks if on),
        model.name,
        model.quantisation,
        human_size(model.size) if model.size else "",
        f"{model.context:,}" if model.context else "",
        speed(model.tok_s) if model.tok_s else "",
        seconds(model.load_s) if model.load_s else "",
        SOURCES.get(model.source, model.source),
        ", ".join(model.tags),
        _here(model),
    )


def _here(model: "ModelInfo") -> str:
    if model.problem:
        return model.problem
    if model.resident:
        return "loaded, pinned" if model.pinned else "loaded"
    return verdict_words(model.verdict) if model.verdict else ""


def verdict_words(verdict: "Verdict") -> str:
    """Whether a model fits, in a few words."""
    if verdict.kind == "after":
        return f"fits after unloading {named(verdict.unload)}"
    if verdict.kind == "too large":
        left = "of the memory_limit left" if verdict.limit else f"of {verdict.memory} free"
        blocked = f"; {named(verdict.blocked)} in the way" if verdict.blocked else ""
        return f"too large: needs {human_size(verdict.need)}, {human_size(verdict.free)} {left}{blocked}"
    if verdict.kind == "unknown":
        return verdict.reason
    return "loaded" if verdict.kind == "resident" else verdict.kind
