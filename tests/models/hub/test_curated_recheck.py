"""The script that compares the curated list with the hub, against a hub on this machine."""

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from kensho_tui.models.gguf.read import read_shape
from kensho_tui.models.hub.curated import Curated, CuratedFile, Entry, Fact, Numbers, curated
from tests.support.gguf import TINY, Hyper, write_model
from tests.support.loopback_hub import Failure, LoopbackHub

SCRIPT = Path(__file__).parents[3] / "docs" / "curated" / "recheck.py"
REPO = "maker/tiny-GGUF"
WINDOWED = Hyper(architecture="gemma3", layers=6, window=512, key_length=64, tokenizer="llama")


def load_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("recheck", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look there
    spec.loader.exec_module(module)
    return module


recheck = load_script()


@dataclass
class Setting:
    """A hub with one repository, and a list with one entry that says the same of it."""

    hub: LoopbackHub
    path: Path
    entry: Entry

    def run(self, *arguments: str, **changes: Any) -> int:
        """The script's end, with the entry changed first."""
        if changes:
            self.keep(replace(self.entry, **changes))
        code: int = recheck.main(arguments, self.path)
        return code

    def keep(self, entry: Entry) -> None:
        made = Curated(date="2026-11-01", entries=(entry,))
        self.path.write_text(recheck.written(made), encoding="utf-8")

    @property
    def kept(self) -> Entry:
        return msgspec.json.decode(self.path.read_bytes(), type=Curated).entries[0]


def entry_of(paths: list[Path], of: Hyper) -> Entry:
    shape = read_shape(paths[0])
    old = Fact(confirmed=False, date="2026-11-01", source="made for this test, and never seen on a hub")
    return Entry(
        repo=REPO,
        title="Tiny",
        role="tiny",
        about="For tests",
        licence="apache-2.0",
        parameters=shape.parameters,
        revision="",
        header=paths[0].stat().st_size - shape.weights,
        shape=Numbers(
            architecture=of.architecture,
            layers=of.layers,
            embedding=of.embedding,
            feed_forward=of.feed_forward,
            heads=of.heads,
            kv_heads=of.kv_heads,
            key_length=of.head_length,
            vocabulary=of.vocabulary,
            context=of.context,
            tied=of.tied,
            window=of.window,
            full_every=6 if of.window else 0,
        ),
        files=tuple(
            CuratedFile(file=path.name, quantisation=path.stem.rpartition("-")[2], size=path.stat().st_size)
            for path in paths
        ),
        facts={"repository": old, "licence": old, "files": old, "shape": old},
    )


@pytest.fixture
def make(loopback_hub: LoopbackHub, tmp_path: Path) -> Callable[[Hyper], Setting]:
    def made(of: Hyper) -> Setting:
        paths = [
            write_model(tmp_path / f"tiny-{quantisation}.gguf", of, quantisation=quantisation)
            for quantisation in ("Q4_K_M", "Q8_0")
        ]
        loopback_hub.add(REPO, {path.name: path for path in paths}, licence="apache-2.0")
        setting = Setting(loopback_hub, tmp_path / "curated.json", entry_of(paths, of))
        setting.keep(setting.entry)
        return setting

    return made


@pytest.fixture
def tiny(make: Callable[[Hyper], Setting]) -> Setting:
    return make(TINY)


def test_the_list_is_written_as_the_script_writes_it() -> None:
    assert recheck.LIST.read_text(encoding="utf-8") == recheck.written(curated())


@pytest.mark.parametrize("of", [TINY, WINDOWED], ids=["dense", "windowed"])
def test_what_the_hub_says_too_is_confirmed(
    make: Callable[[Hyper], Setting], of: Hyper, capsys: pytest.CaptureFixture[str]
) -> None:
    setting = make(of)
    before = setting.path.read_bytes()
    assert setting.run() == 0
    assert capsys.readouterr().out == f"{REPO}: confirmed\n"
    assert setting.path.read_bytes() == before
    assert setting.run("--write") == 0
    assert all(fact.confirmed and fact.date > "2026-11-01" for fact in setting.kept.facts.values())
    assert setting.kept.revision == setting.hub.repos[REPO].sha
    assert replace(setting.kept, facts=setting.entry.facts, revision="") == setting.entry


def test_only_headers_are_fetched(tiny: Setting) -> None:
    tiny.run()
    assert not tiny.hub.fetched("tiny-Q8_0.gguf")
    assert all(request.method in ("GET", "HEAD") for request in tiny.hub.requests)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"licence": "mit"}, "licence: mit here, apache-2.0 there"),
        ({"parameters": 5}, "parameters: 5 here"),
        ({"header": 1}, "header: 1 here"),
    ],
)
def test_what_differs_is_said_and_mended(
    tiny: Setting, changes: dict[str, Any], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tiny.run("--write", **changes) == 1
    told = capsys.readouterr().out
    assert f"{REPO}: differs" in told and said in told
    assert replace(tiny.kept, facts=tiny.entry.facts, revision="") == tiny.entry
    assert tiny.run() == 0


def test_sizes_and_numbers_are_mended_too(tiny: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = tiny.entry.files
    shape = replace(tiny.entry.shape, context=7, kv_heads=1, vocabulary=9)
    assert tiny.run("--write", files=(replace(first, size=first.size + 1), second), shape=shape) == 1
    told = capsys.readouterr().out
    assert f"{first.file}: {first.size + 1:,} bytes here, {first.size:,} there" in told
    assert "trained_context: 7 here, 2,048 there" in told and "kv_heads: 1 here, 2 there" in told
    assert tiny.kept.shape == tiny.entry.shape and tiny.kept.files == tiny.entry.files


def test_layers_of_another_kind_are_left_to_a_person(
    make: Callable[[Hyper], Setting], capsys: pytest.CaptureFixture[str]
) -> None:
    setting = make(WINDOWED)
    assert setting.run("--write", shape=replace(setting.entry.shape, full_every=2)) == 1
    assert "to be mended by hand: sliding" in capsys.readouterr().out
    fact = setting.kept.facts["shape"]
    assert not fact.confirmed and "sliding" in fact.source
    assert setting.kept.facts["files"].confirmed


def test_a_file_that_is_gone_is_not_confirmed(tiny: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    missing = replace(tiny.entry.files[0], file="tiny-Q6_K.gguf")
    assert tiny.run("--write", files=(missing, tiny.entry.files[1])) == 1
    assert "tiny-Q6_K.gguf is not there" in capsys.readouterr().out
    facts = tiny.kept.facts
    assert not facts["files"].confirmed and facts["repository"].confirmed
    assert missing in tiny.kept.files


@pytest.mark.parametrize("change", ["gone", "gated", "private"])
def test_what_nobody_may_fetch_is_not_confirmed(
    tiny: Setting, change: str, capsys: pytest.CaptureFixture[str]
) -> None:
    repo = tiny.hub.repos[REPO]
    if change == "gone":
        del tiny.hub.repos[REPO]
    elif change == "gated":
        repo.gated = "manual"
    else:
        repo.private = True
    assert tiny.run("--write") == 1
    assert f"{REPO}: differs" in capsys.readouterr().out
    assert not tiny.kept.facts["repository"].confirmed
    assert tiny.kept.files == tiny.entry.files


def test_a_file_that_is_no_model_is_not_confirmed(tiny: Setting) -> None:
    file = tiny.entry.files[0].file
    tiny.hub.repos[REPO][file].change(bytes(tiny.entry.files[0].size))
    assert tiny.run("--write") == 1
    assert not tiny.kept.facts["shape"].confirmed


def test_a_hub_that_does_not_answer_changes_nothing(
    tiny: Setting, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny.hub.knobs.failure = Failure(status=503)
    before = tiny.path.read_bytes()
    assert tiny.run("--write") == 2
    assert f"{REPO}: not reachable" in capsys.readouterr().out
    assert tiny.path.read_bytes() == before


def test_one_entry_can_be_asked_for(tiny: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    assert tiny.run("somebody/else") == 0
    assert capsys.readouterr().out == "" and not tiny.hub.requests
    assert tiny.run(REPO) == 0
