"""The settings file, ``settings.toml`` in the config folder. Every field is documented where it stands.

A file that cannot be used never stops the app: the fields that are wrong keep their defaults and
`load_settings` says which.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from kensho_tui.config.fields import must_be

Minutes = Annotated[float, Meta(ge=0, le=60 * 24 * 365)]


class Settings(Struct, frozen=True, kw_only=True):
    """All settings with their defaults."""

    linger: Minutes = 15.0
    """Minutes the host stays when no front end, answer or download is there. 0: it ends at once then."""

    keep_alive: Minutes = 5.0
    """Minutes an unused model stays loaded while no front end is there (VRAM on a shared card)."""

    model: str = ""
    """Default model: a name, a unique part of one, or a path. Empty: the last used, else the starter."""

    preload: bool = True
    """Load the chat's model at the first character typed, so that loading hides behind typing."""

    context: Annotated[int, Meta(ge=0, le=10_000_000)] = 32768
    """The largest context in tokens that the program gives a model by itself: less where memory or the
    model's training sets a lower limit, more only where a person says so for that model. 0: all of it."""

    model_folders: tuple[str, ...] = ()
    """More folders with GGUF files, as `["~/models", "/mnt/models"]`. They are only read."""

    find_models: bool = True
    """Offer the models that the Hugging Face cache, Ollama and LM Studio keep here. They are only read."""

    memory_limit: Annotated[float, Meta(ge=0, le=1_000_000)] = 0.0
    """GiB of VRAM, or of RAM where no GPU is used, that all loaded models may take together, fractions too.
    0: all that is free."""

    when_short: Literal["smaller context", "fail"] = "smaller context"
    """When memory runs out while a model loads: try once more without the other models, else with half of
    a context that was chosen by itself; or `fail` at once."""

    kv_type: Literal["f16", "q8_0", "q4_0"] = "f16"
    """How the KV cache is kept: `q8_0` takes half the memory of `f16`, `q4_0` a quarter, at some quality."""

    kv_files: Annotated[float, Meta(ge=0, le=1_000_000)] = 2.0
    """GiB of disk for the saved KV caches of chats, which spare reading them again. 0: none are kept."""

    cache_answers: bool = True
    """Give an answer again, at once and labelled, when the very same question is asked of the same model in
    the same way: the same messages before it, system prompt, sampling and template."""

    cache_entries: Annotated[int, Meta(ge=0, le=1_000_000)] = 100
    """Cached answers kept in memory, the last used ones."""

    cache_memory: Annotated[float, Meta(ge=0, le=1_000_000)] = 50.0
    """MiB of memory for cached answers."""

    cache_minutes: Minutes = 30.0
    """Minutes a cached answer stays in memory after its last use."""

    cache_days: Annotated[float, Meta(ge=0, le=36500)] = 7.0
    """Days a cached answer stays on disk after its last use. 0: none are kept there."""

    cache_disk: Annotated[float, Meta(ge=0, le=1_000_000)] = 200.0
    """MiB of disk for cached answers; those used longest ago make room. 0: none are kept there."""

    sample_days: Annotated[float, Meta(ge=0, le=3650)] = 30.0
    """Days that samples (memory, use, temperatures, speeds) stay on disk, by the minute. 0: none are kept."""

    gpu_layers: Annotated[int, Meta(ge=-1, le=10_000)] = -1
    """Layers of a model that go to the GPU, where there is one. -1: all."""

    prefetch: bool = True
    """Read the file of a model that is highlighted for two seconds, so that it would load faster."""

    downloads: Annotated[int, Meta(ge=1, le=16)] = 3
    """Downloads at once; more wait for their turn."""

    threads: Annotated[int, Meta(ge=0, le=1024)] = 0
    """Threads that decode. 0: all cores but one, and on few cores the last one too while that is faster."""

    theme: str = "kensho-dark"
    """`kensho-dark`, `kensho-light`, or any theme that Textual brings."""

    drawing: Literal["differ", "plain"] = "differ"
    """`differ` writes only what changed, at the terminal's pace; `plain` leaves drawing to Textual."""

    graphs: Literal["auto", "braille", "blocks", "ascii"] = "auto"
    """What the graphs of the metrics are made of, and those alone: other signs need UTF-8 with `ascii`, too.
    `auto`: braille; ASCII where drawing is plain or the terminal lacks UTF-8.
    """

    keys: dict[str, str] = {}
    """Other keys for commands: command name = key(s), as `new = "ctrl+n,f6"`. F1 lists the names."""


def load_settings(path: Path) -> tuple[Settings, tuple[str, ...]]:
    """The settings at `path` and what is wrong with the file (empty when nothing is, or no file)."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Settings(), ()
    except (OSError, UnicodeDecodeError) as error:
        return Settings(), (f"{path.name}: {error}; the defaults are used ({path})",)
    import tomllib  # after the common case of no file

    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return Settings(), (f"{path.name}: {error}; the defaults are used ({path})",)
    return _checked(path, values)


def _checked(path: Path, values: dict[str, Any]) -> tuple[Settings, tuple[str, ...]]:
    good: dict[str, Any] = {}
    problems: list[str] = []
    for name, value in values.items():
        if name not in Settings.__struct_fields__:
            problems.append(f"{path.name}: there is no setting {name!r} ({path})")
            continue
        try:
            msgspec.convert({name: value}, Settings)
        except msgspec.ValidationError:
            problems.append(f"{path.name}: {must_be(Settings, name)}; the default is used ({path})")
        else:
            good[name] = value
    return msgspec.convert(good, Settings), tuple(problems)
