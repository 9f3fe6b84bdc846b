"""What the commands about models print, from objects of the contract; and what they refuse."""

import io
import json
import sys
from dataclasses import dataclass

import msgspec
import pytest

from kensho_tui.cli import fit, gc, host, models, output, rm
from kensho_tui.cli.main import build_parser, main
from kensho_tui.cli.table import cells
from kensho_tui.core.contract import (
    BenchNow,
    Footprint,
    HostStatus,
    Memory,
    ModelInfo,
    Remedy,
    Verdict,
    WorkerInfo,
)
from kensho_tui.core.hub_contract import Download
from kensho_tui.core.model_contract import Deleted, Fit, Freed, Store, Unloaded

GIB, MIB = 1 << 30, 1 << 20
EVIL = "\x1b]0;x\x07evil\x9b31m"

SMALL = ModelInfo(
    name="SmolLM2-135M-Instruct", path="/s.gguf", size=98 * MIB, source="starter", default=True,
    resident=True, quantisation="Q4_1", architecture="llama", context=8192, load_s=0.31, tok_s=148.2,
    verdict=Verdict(kind="resident"),
)  # fmt: skip
LARGE = ModelInfo(
    name="Llama-3.1-8B", path="/l.gguf", size=9 * GIB, source="lmstudio", favourite=True, quantisation="Q8_0",
    architecture="llama", context=131072, tags=("dialogue", "code"),
    verdict=Verdict(kind="too large", need=int(9.4 * GIB), free=int(7.1 * GIB)),
)  # fmt: skip
BROKEN = ModelInfo(name=EVIL, path="/b.gguf", size=0, source="folder", problem="the file is cut off")


@pytest.mark.parametrize(
    ("names", "text"), [((), ""), (("A",), "A"), (("A", "B"), "A and B"), (("A", "B", "C"), "A, B and C")]
)
def test_names(names: tuple[str, ...], text: str) -> None:
    assert output.named(names) == text


def test_the_table_of_models() -> None:
    title, small, large, broken = models.lines((SMALL, LARGE, BROKEN), None)
    for word in ("MODEL", "QUANT", "SIZE", "CONTEXT", "SPEED", "LOAD", "FROM", "TAGS", "HERE"):
        assert word in title
    assert small.startswith("●‣  SmolLM2-135M-Instruct  Q4_1")
    assert "8,192  148 tok/s  310 ms  starter" in small
    assert small.endswith("loaded")
    assert large.startswith("★ ")
    assert "LM Studio" in large and "dialogue, code" in large
    assert large.endswith("too large: needs 9.4 GiB, 7.1 GiB of RAM free")
    assert "evil" in broken and "\x1b" not in broken and "\x9b" not in broken
    assert broken.endswith("the file is cut off")


@pytest.mark.parametrize("width", [30, 50, 80, 100])
def test_the_table_of_models_on_terminals(width: int) -> None:
    lines = models.lines((SMALL, LARGE, BROKEN), width)
    assert all(cells(line) <= width for line in lines)
    assert "SmolLM2-135M" in lines[1]
    if width >= 80:
        assert "Q4_1" in lines[1] and lines[1].endswith("loaded")


def test_marks_without_unicode() -> None:
    both = msgspec.structs.replace(SMALL, favourite=True)
    line = models.lines((both,), None, plain=True)[1]
    assert line.startswith("*+>  ") and line.isascii()


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (Verdict(kind="fits"), "fits"),
        (Verdict(kind="resident"), "loaded"),
        (Verdict(kind="after", unload=("A", "B")), "fits after unloading A and B"),
        (Verdict(kind="unknown", reason="the driver does not answer"), "the driver does not answer"),
        (
            Verdict(kind="too large", memory="VRAM", need=2 * GIB),
            "too large: needs 2.0 GiB, 0 B of VRAM free",
        ),
    ],
)
def test_verdicts(verdict: Verdict, words: str) -> None:
    assert models.verdict_words(verdict) == words


def test_a_model_as_json() -> None:
    said = json.loads(msgspec.json.encode(models.document(LARGE)))
    contract = {
        "name", "path", "size", "quantisation", "architecture", "context", "source", "resident", "default",
    }  # fmt: skip
    assert contract <= set(said)
    assert (said["verdict"], said["tok_s"], said["load_s"]) == ("too large", None, None)
    assert said["favourite"] is True and said["tags"] == ["dialogue", "code"]
    assert json.loads(msgspec.json.encode(models.document(BROKEN)))["name"] == EVIL


FIT = Fit(
    model="Qwen2.5-7B",
    context=32768,
    kv_type="q8_0",
    gpu_layers=-1,
    footprint=Footprint(
        weights=4460 * MIB,
        kv=952 * MIB,
        compute=178 * MIB,
        overhead=330 * MIB,
        host=100 * MIB,
        source="dry run",
    ),
    verdict=Verdict(
        kind="after",
        memory="VRAM",
        need=5920 * MIB,
        free=4 * GIB,
        unload=(EVIL,),
        remedies=(Remedy(what="a context of 4,096", context=4096),),
    ),
    max_context=8192,
    kensho=4358 * MIB,
)


def test_a_fit_tells_its_terms() -> None:
    text = "\n".join(fit.lines(FIT))
    assert "\x1b" not in text and "\x9b" not in text
    lines = text.splitlines()
    assert lines[0] == "Qwen2.5-7B · context 32,768 · KV cache q8_0"
    numbers = {line.split("  ")[1]: line.split()[-2:] for line in lines if line.endswith("GiB")}
    assert numbers == {"weights": ["4.36", "GiB"], "KV cache": ["0.93", "GiB"], "compute": ["0.17", "GiB"]}
    assert "  total              5.78 GiB  VRAM, of 4.0 GiB free" in lines
    assert "  in RAM besides     0.10 GiB  what does not go to the GPU" in lines
    assert "  asked of llama.cpp, without loading" in lines
    assert "fits after unloading evil" in lines
    assert "Largest context that fits: 8,192 tokens" in lines
    assert "It would fit with a context of 4,096" in lines
    assert lines[-1] == "For comparison, (parameters × bits / 8) × 1.2 would have said 4.3 GiB: 26 % less"


def test_a_small_fit_is_told_in_mebibytes_and_none_at_all_is_said() -> None:
    none = Fit(
        model="x", context=512, kv_type="f16", gpu_layers=0, footprint=Footprint(weights=98 * MIB),
        verdict=Verdict(kind="too large", need=98 * MIB, reason="RAM is full"), max_context=0, kensho=0,
    )  # fmt: skip
    lines = list(fit.lines(none))
    assert "  weights              98 MiB" in lines
    assert "Too large. RAM is full" in lines and "No context at all fits" in lines
    assert not any("1.2" in line or "besides" in line for line in lines)


def test_a_fit_as_json() -> None:
    said = json.loads(msgspec.json.encode(fit.document(FIT)))
    assert {
        "model", "n_ctx", "kv_type", "weights", "kv", "compute", "overhead", "total", "source",
        "verdict", "max_ctx",
    } <= set(said)  # fmt: skip
    assert said["total"] == said["weights"] + said["kv"] + said["compute"] + said["overhead"] == 5920 * MIB
    assert (said["verdict"], said["source"], said["n_ctx"], said["max_ctx"]) == (
        "after",
        "dry run",
        32768,
        8192,
    )
    assert said["remedies"] == [
        {"what": "a context of 4,096", "n_ctx": 4096, "kv_type": None, "gpu_layers": None}
    ]


def test_what_went_to_the_bin_and_how_it_comes_back() -> None:
    lines = rm.deleted_lines(Deleted(token="ab12", model=EVIL, size=98 * MIB))
    assert lines == ("evil (98 MiB) is in the bin. To bring it back:", "  kensho-tui rm --undo ab12")
    assert rm.restored_line(SMALL) == "SmolLM2-135M-Instruct (98 MiB) is back: /s.gguf"


STORES = (
    Store(name="models", title="models", path="/data/models", files=2, size=3 * GIB, freeable=0),
    Store(name="bin", title="deleted models", path="/data/bin", files=1, size=GIB, freeable=GIB),
    Store(name="kv", title="saved KV caches", path="/cache/kv", files=9, size=50 * MIB, freeable=40 * MIB),
)


def test_what_lies_on_disk() -> None:
    lines = gc.lines(STORES, None)
    assert lines[0].split() == ["STORE", "WHAT", "FILES", "SIZE", "CAN", "GO", "WHERE"]
    assert lines[2].split("  ")[0] == "bin" and lines[2].endswith("/data/bin")
    assert lines[-1] == "4.0 GiB in all. 1.0 GiB can go: kensho-tui gc --free"
    assert gc.lines(STORES[:1], None)[-1] == "3.0 GiB in all. Nothing that could go."
    assert all(cells(line) <= 40 for line in gc.lines(STORES, 40)[:-1])


def test_what_is_freed() -> None:
    assert [store.name for store in gc.to_free(STORES, ())] == ["bin", "kv"]
    assert [store.name for store in gc.to_free(STORES, ("kv", "models"))] == ["kv"]
    assert gc.question(gc.to_free(STORES, ())).startswith(
        "Free deleted models (1.0 GiB) and saved KV caches (40 MiB)?"
    )
    assert gc.freed_line(Freed(size=GIB, files=1)) == "Freed 1.0 GiB (1 file)."
    assert gc.freed_line(None) == gc.freed_line(Freed(size=0, files=0)) == "There was nothing to free."
    assert gc.freed_document(None) == {"size": 0, "files": 0}


@dataclass
class Bus:
    """What `gc` asks of the host, answered here."""

    freed: tuple[str, ...] | None = None

    async def use(self) -> tuple[Store, ...]:
        return STORES

    async def free(self, stores: tuple[str, ...]) -> Freed:
        self.freed = stores
        return Freed(size=GIB, files=3)


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> Bus:
    bus = Bus()
    monkeypatch.setattr(gc, "_use", bus.use)
    monkeypatch.setattr(gc, "_free", bus.free)
    return bus


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("Yes\n", 0), ("n\n", 1), ("\n", 1), ("", 1)])
def test_a_person_is_asked(bus: Bus, monkeypatch: pytest.MonkeyPatch, answer: str, code: int) -> None:
    monkeypatch.setattr(sys, "stdin", Tty(answer))
    monkeypatch.setattr(sys, "stderr", asked := Tty())
    assert main(["gc", "--free", "bin", "bin"]) == code
    assert asked.getvalue().startswith("Free deleted models (1.0 GiB)?")
    assert bus.freed == (("bin",) if code == 0 else None)


def test_nobody_can_be_asked(bus: Bus, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gc", "--free"]) == 2
    assert "--yes" in capsys.readouterr().err
    assert main(["gc", "--free", "--yes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"size": GIB, "files": 3}
    assert bus.freed == ()
    bus.freed = None
    assert main(["gc", "--free", "models", "--yes"]) == 0
    assert capsys.readouterr().out == "There was nothing to free.\n"
    assert bus.freed is None


def test_stores_as_json(bus: Bus, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gc", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["freeable"] == GIB + 40 * MIB
    assert said["stores"][1] == {
        "name": "bin", "title": "deleted models", "path": "/data/bin", "files": 1, "size": GIB,
        "freeable": GIB,
    }  # fmt: skip
    assert bus.freed is None


def test_what_was_unloaded_and_what_was_busy() -> None:
    assert host.unloaded_line(Unloaded(models=("A", "B"), freed=2 * GIB)) == (
        "unloaded A and B, 2.0 GiB are free again"
    )
    assert host.unloaded_line(Unloaded(models=(EVIL,))) == "unloaded evil"
    assert host.unloaded_line(Unloaded(models=())) == "no model is loaded"
    assert host.unloaded_line(Unloaded(models=(), busy=("A",))) == "nothing was unloaded"
    assert host.busy_line(Unloaded(models=(), busy=("A",))) == "A is answering and not unloaded"
    assert host.busy_line(Unloaded(models=(), busy=("A", "B"))) == "A and B are answering and not unloaded"
    assert host.busy_line(Unloaded(models=(), busy=(EVIL,), bench=True)) == (
        "evil is in a benchmark and not unloaded; kensho-tui bench --stop ends that"
    )


STATUS = HostStatus(
    running=True,
    pid=1,
    version="1",
    front_ends=0,
    streams=0,
    downloads=0,
    workers=(
        WorkerInfo(
            pid=5, model="M", state="ready", device="CUDA0", context=8192, pinned=True,
            footprint=Footprint(weights=GIB, kv=GIB, source="measured"),
        ),
        WorkerInfo(pid=6, model="N", state="loading"),
    ),
    memory=Memory(kind="VRAM", used=3 * GIB, total=24 * GIB),
)  # fmt: skip


def test_the_status_tells_the_memory_of_workers() -> None:
    assert host.status_lines(STATUS)[2:] == [
        "VRAM 3.0 GiB of 24.0 GiB used",
        "worker 5 · M · ready · CUDA0 · 2.0 GiB measured · context 8,192 · pinned",
        "worker 6 · N · loading · CPU",
    ]
    said = json.loads(msgspec.json.encode(host._document(STATUS)))
    assert said["workers"][0] == {
        "pid": 5, "model": "M", "state": "ready", "device": "CUDA0", "context": 8192, "pinned": True,
        "memory": 2 * GIB, "memory_source": "measured",
    }  # fmt: skip
    assert said["workers"][1]["memory"] is None
    assert said["fetching"] == []
    assert said["bench"] is None and host._document(None)["bench"] is None


def test_the_status_tells_a_benchmark() -> None:
    measured = WorkerInfo(pid=5, model="M", state="busy", bench=True)
    status = msgspec.structs.replace(
        STATUS, workers=(measured,), bench=BenchNow(model=f"M{EVIL}", left_s=59.2)
    )
    assert host.status_lines(status)[2:] == [
        "benchmark of Mevil, about 60 s · kensho-tui bench --stop ends it",
        "VRAM 3.0 GiB of 24.0 GiB used",
        "worker 5 · M · benchmark · CPU",
    ]
    begun = msgspec.structs.replace(status, bench=BenchNow(model="M"))
    assert host.status_lines(begun)[2] == "benchmark of M · kensho-tui bench --stop ends it"
    said = json.loads(msgspec.json.encode(host._document(status)))
    assert said["bench"] == {"model": f"M{EVIL}", "left_s": 59.2}
    assert said["workers"][0]["state"] == "busy"


def test_the_status_tells_downloads_under_way() -> None:
    fetching = Download(
        id="0123456789ab", model=f"Qwen{EVIL}", origin="o/r", state="running", done=GIB, total=4 * GIB,
        rate=2.0 * MIB, eta_s=1536.0,
    )  # fmt: skip
    lines = host.status_lines(msgspec.structs.replace(STATUS, downloads=1), (fetching,))
    assert lines[1] == "front ends 0 · answers under way 0 · downloads 1"
    assert lines[-1] == "download Qwenevil · 25 % · 1.0/4.0 GiB · 2.0 MiB/s · 26 min left"
    said = json.loads(msgspec.json.encode(host._document(STATUS, (fetching,))))
    assert said["fetching"][0] == {
        "id": "0123456789ab", "model": f"Qwen{EVIL}", "state": "running", "done": GIB, "total": 4 * GIB,
        "rate": 2.0 * MIB, "eta_s": 1536.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rm"], "name a model to remove"),
        (["rm", "x", "--undo", "t"], "name a model to remove"),
        (["fit"], "MODEL"),
        (["fit", "x", "--ctx", "0"], "between 1 and"),
        (["fit", "x", "--ctx", "many"], "whole number"),
        (["fit", "x", "--kv", "q2"], "invalid choice"),
        (["fit", "x", "--gpu-layers", "-2"], "between -1 and"),
        (["gc", "--free", "everything"], "invalid choice"),
        (["models", "extra"], "unrecognized"),
        (["host"], "ACTION"),
        (["host", "unload", "a", "b"], "unrecognized"),
    ],
)
def test_usage_errors(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code = main(arguments)
    except SystemExit as end:
        code = int(str(end.code))
    assert code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("command", ["models", "fit", "rm", "gc"])
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        build_parser().parse_args([command, "--help"])
    assert end.value.code == 0
    assert "--json" in capsys.readouterr().out
