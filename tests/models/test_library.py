"""The library: the folders, the headers and the database as one list, and quick where somebody waits."""

import asyncio
import dataclasses
import os
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from kensho_tui.config.settings import Settings
from kensho_tui.core.contract import Footprint, ModelInfo, Timings, Usage
from kensho_tui.core.errors import LoadError, NotAModelError, NotFoundError, UsageError
from kensho_tui.core.model_contract import ChangeModel, Defaults
from kensho_tui.models import catalogue
from kensho_tui.models.gguf.shape import ModelShape
from kensho_tui.models.headers import FORM
from kensho_tui.models.library import Library
from kensho_tui.models.sources import Elsewhere
from kensho_tui.storage.chats import Chats, ModelIdentity, Outcome, Started
from kensho_tui.storage.database import Database, open_database
from kensho_tui.storage.models import LoadSettings
from tests.models.homes import FakeHome
from tests.support.gguf_format import write

SHAPE = ModelShape(
    architecture="llama",
    quantisation="Q4_K_M",
    trained_context=8192,
    parameters=7_000_000,
    layer_weights=(1, 2),
    sliding=(True, False),
    template="{{ x }}",
)
FOOTPRINT = Footprint(weights=100, kv=20, compute=5, overhead=7, host=3, copies=2)
WAIT = 30.0


class Headers:
    """Reads no file: says what each holds by its name, and counts."""

    def __init__(self) -> None:
        self.read: list[str] = []
        self.shapes: dict[str, ModelShape | LoadError] = {}
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, path: Path) -> ModelShape:
        assert threading.current_thread() is not threading.main_thread()
        assert self.gate.wait(WAIT)
        self.read.append(path.name)
        said = self.shapes.get(path.name, SHAPE)
        if isinstance(said, LoadError):
            raise said
        return said


@pytest.fixture
async def database(home: FakeHome) -> AsyncIterator[Database]:
    opened = await open_database(home.paths.database)
    yield opened.database
    await opened.database.close()


@pytest.fixture
def headers() -> Headers:
    return Headers()


class Shelf:
    """A library and what it needs; `again` is the one of a later process."""

    def __init__(self, home: FakeHome, database: Database, headers: Headers) -> None:
        self.home, self.database, self.headers = home, database, headers
        self.settings = Settings()
        self.changes = 0
        self.library = self.again()

    def again(self, elsewhere: Elsewhere | None = None) -> Library:
        made = Library(
            self.home.paths, self.database, self.settings, elsewhere or self.home.elsewhere(), self.headers
        )
        made.on_changed = self._changed
        self.library = made
        return made

    def _changed(self) -> None:
        self.changes += 1

    async def names(self) -> list[str]:
        return [info.name for info in await self.library.models(WAIT)]

    async def info(self, name: str) -> ModelInfo:
        return next(info for info in await self.library.models(WAIT) if info.name == name)

    async def answer(self, info: ModelInfo, speed: float, tokens: int = 20) -> None:
        """A generation by that model, as a turn leaves it."""
        chats = Chats(self.database)
        row = await chats.begin_turn(None, "x", info.name, None, "queued")
        await chats.start_generation(row, Started(info.name, ModelIdentity.of(info.path), {}))
        figures = Outcome(
            "complete", "end", usage=Usage(completion_tokens=tokens), timings=Timings(decode_tok_s=speed)
        )
        await chats.finish(row, "y", figures)


@pytest.fixture
async def shelf(
    home: FakeHome, database: Database, headers: Headers, no_starter: None
) -> AsyncIterator[Shelf]:
    shelf = Shelf(home, database, headers)
    yield shelf
    headers.gate.set()
    await shelf.library.close()


@pytest.fixture
def nothing_is_searched(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def far(where: Elsewhere) -> list[object]:
        raise AssertionError("other folders were searched")

    monkeypatch.setattr(Elsewhere, "candidates", far)
    yield


# --- the list ---------------------------------------------------------------------------------------


async def test_a_model_with_all_that_is_known_of_it(shelf: Shelf) -> None:
    path = shelf.home.own("mine.gguf")
    assert await shelf.library.models(WAIT) == (
        ModelInfo(
            name="mine",
            path=str(path),
            size=path.stat().st_size,
            source="folder",
            quantisation="Q4_K_M",
            architecture="llama",
            context=8192,
            parameters=7_000_000,
            has_template=True,
            removable=True,
        ),
    )


async def test_each_header_is_read_once_and_again_when_the_file_changed(shelf: Shelf) -> None:
    for number in range(40):
        shelf.home.own(f"{number:02}.gguf")
    await asyncio.gather(shelf.library.models(WAIT), shelf.library.models(WAIT))
    await shelf.again().models(WAIT)
    assert sorted(shelf.headers.read) == [f"{number:02}.gguf" for number in range(40)]
    shelf.headers.read.clear()
    os.utime(shelf.home.own("07.gguf", "changed"), ns=(1, 1))
    shelf.headers.shapes["07.gguf"] = dataclasses.replace(SHAPE, architecture="gemma3")
    assert (await shelf.info("07")).architecture == "gemma3"
    assert (await shelf.library.shape(await shelf.info("07"))).architecture == "gemma3"
    assert shelf.headers.read == ["07.gguf"]


async def test_the_kept_shape_is_whole(shelf: Shelf) -> None:
    shelf.home.own("mine.gguf")
    info = await shelf.info("mine")
    assert await shelf.again().shape(info) == SHAPE
    assert shelf.headers.read == ["mine.gguf"]


async def test_headers_that_another_version_read_are_read_again(shelf: Shelf) -> None:
    shelf.home.own("mine.gguf")
    await shelf.library.models(WAIT)
    await shelf.database.fetch("UPDATE model_headers SET form = 'other'")
    await shelf.again().models(WAIT)
    assert shelf.headers.read == ["mine.gguf"] * 2
    await shelf.database.fetch("UPDATE model_headers SET shape = '{'")
    await shelf.again().models(WAIT)
    assert shelf.headers.read == ["mine.gguf"] * 3
    assert await shelf.database.fetch("SELECT form FROM model_headers") == [(FORM,)]


async def test_a_broken_header_is_listed_with_its_problem(shelf: Shelf) -> None:
    shelf.home.own("bad.gguf")
    shelf.home.own("embeds.gguf")
    shelf.headers.shapes["bad.gguf"] = LoadError("bad.gguf: \x1b[31mit ends in the middle")
    shelf.headers.shapes["embeds.gguf"] = dataclasses.replace(SHAPE, causal=False)
    assert (await shelf.info("bad")).problem == "bad.gguf: it ends in the middle"
    assert "no text" in (await shelf.info("embeds")).problem
    await shelf.library.models(WAIT)
    assert sorted(shelf.headers.read) == ["bad.gguf", "embeds.gguf"]
    with pytest.raises(LoadError, match="in the middle"):
        await shelf.library.shape(await shelf.library.find("bad"))
    shelf.headers.shapes["bad.gguf"] = SHAPE  # a disk that failed for a moment
    assert await shelf.library.shape(await shelf.library.find("bad")) == SHAPE
    assert (await shelf.info("bad")).problem == ""


async def test_files_that_are_no_models_are_left_out(shelf: Shelf) -> None:
    shelf.home.own("adapter.gguf")
    shelf.home.own("model.gguf")
    shelf.headers.shapes["adapter.gguf"] = NotAModelError("it is a LoRA adapter")
    assert await shelf.names() == ["model"]
    assert (await shelf.library.find("adapter")).problem == "it is a LoRA adapter"


async def test_real_headers_tell_what_is_no_model(shelf: Shelf, smollm: Path) -> None:
    folder = shelf.home.paths.models
    write(folder / "vision.gguf", {"general.architecture": "clip"})
    write(folder / "lora.gguf", {"general.architecture": "llama", "general.type": "adapter"})
    write(folder / "words.gguf", {"general.architecture": "llama", "llama.block_count": 2})
    (folder / "empty.gguf").write_bytes(b"")
    (folder / "smol.gguf").symlink_to(smollm)
    real = Library(shelf.home.paths, shelf.database, Settings(), shelf.home.elsewhere())
    found = {info.name: info for info in await real.models(WAIT)}
    assert sorted(found) == ["empty", "smol"]
    assert found["empty"].problem
    smol = found["smol"]
    assert (smol.architecture, smol.quantisation, smol.context, smol.has_template) == (
        "llama",
        "Q4_1",
        8192,
        True,
    )


async def test_the_order_is_last_used_then_favourites_then_names(shelf: Shelf) -> None:
    for name in ("a", "b", "c", "d", "E"):
        shelf.home.own(f"{name}.gguf")
    await shelf.answer(await shelf.info("d"), 10.0)
    await asyncio.sleep(0.002)  # dates have milliseconds
    await shelf.answer(await shelf.info("c"), 10.0)
    await shelf.library.change(ChangeModel(model="e", favourite=True))
    assert await shelf.names() == ["c", "d", "E", "a", "b"]
    assert (await shelf.info("c")).last_used > (await shelf.info("d")).last_used  # type: ignore[operator]


async def test_speed_is_the_median_of_the_newest_answers_of_this_very_file(shelf: Shelf) -> None:
    path = shelf.home.own("a.gguf")
    info = await shelf.info("a")
    assert info.tok_s == 0
    for _ in range(25):
        await shelf.answer(info, 1.0)
    for speed in (*[50.0] * 9, *[60.0] * 11):
        await shelf.answer(info, speed)
    await shelf.answer(info, 9000.0, tokens=2)
    assert (await shelf.info("a")).tok_s == 60.0
    os.utime(path, ns=(10**18, 10**18))
    assert (await shelf.info("a")).tok_s == 0
    assert (await shelf.info("a")).last_used is not None


async def test_a_slow_disk_does_not_keep_the_list(shelf: Shelf) -> None:
    shelf.home.own("slow.gguf")
    shelf.headers.gate.clear()
    (info,) = await shelf.library.models(0.01)
    assert (info.architecture, info.problem) == ("", "")
    (again,) = await shelf.library.models(0.01)  # joins the read that is under way
    assert again == info and shelf.changes == 0
    shelf.headers.gate.set()
    while not shelf.changes:
        await asyncio.sleep(0.005)
    (info,) = await shelf.library.models(0)
    assert info.architecture == "llama" and shelf.headers.read == ["slow.gguf"]


async def test_a_few_files_are_read_at_a_time(shelf: Shelf) -> None:
    reading = most = 0
    lock = threading.Lock()

    def slow(path: Path) -> ModelShape:
        nonlocal reading, most
        with lock:
            reading += 1
            most = max(most, reading)
        time.sleep(0.005)
        with lock:
            reading -= 1
        return SHAPE

    for number in range(20):
        shelf.home.own(f"{number}.gguf")
    library = Library(shelf.home.paths, shelf.database, Settings(), shelf.home.elsewhere(), slow)
    assert len(await library.models(WAIT)) == 20
    assert most == 2


async def test_closing_stops_reading(shelf: Shelf) -> None:
    for number in range(20):
        shelf.home.own(f"{number}.gguf")
    shelf.headers.gate.clear()
    await shelf.library.models(0)
    await shelf.library.close()
    shelf.headers.gate.set()
    assert shelf.changes == 0


# --- finding and choosing ---------------------------------------------------------------------------


@pytest.mark.usefixtures("nothing_is_searched")
async def test_what_is_near_is_found_without_looking_elsewhere_or_reading(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, smollm: Path
) -> None:
    monkeypatch.setattr(catalogue, "find_starter", lambda: smollm)
    shelf.home.own("Mine.gguf")
    assert (await shelf.library.find("mine")).source == "folder"
    assert (await shelf.library.choose(None, "")).source == "starter"
    assert (await shelf.library.choose(smollm.stem)).source == "starter"
    assert (await shelf.library.choose(str(smollm))).source == "starter"
    assert shelf.headers.read == []


async def test_what_was_loaded_before_is_found_without_looking_elsewhere(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.home.hub("org/repo", "far.gguf")
    info = await shelf.info("far")
    await shelf.library.remember_load(info, LoadSettings("CPU", 4096, "f16", -1), FOOTPRINT, 2.0)
    later, found = shelf.again(), shelf.headers.read.copy()
    monkeypatch.setattr(Elsewhere, "candidates", lambda where: pytest.fail("searched"))
    met = await later.find("FAR")
    assert (met.path, met.source, met.load_s, met.architecture) == (info.path, "hub", 2.0, "llama")
    assert shelf.headers.read == found


async def test_what_is_no_longer_there_or_wanted_is_not_met(shelf: Shelf) -> None:
    link = shelf.home.hub("org/repo", "far.gguf")
    shelf.home.hub("org/other", "away.gguf")
    for name in ("far", "away"):
        info = await shelf.info(name)
        await shelf.library.remember_load(info, LoadSettings("CPU", 4096, "f16", -1), FOOTPRINT, 2.0)
    link.unlink()
    with pytest.raises(NotFoundError, match="no model 'far'"):
        await shelf.library.find("far")
    with pytest.raises(NotFoundError, match="no model 'far'"):
        await shelf.again().find("far")
    assert (await shelf.again().find("away")).source == "hub"
    with pytest.raises(NotFoundError):
        await shelf.again(shelf.home.elsewhere(search=False)).find("away")


async def test_a_file_used_by_its_path_keeps_its_name_and_place_in_the_list(shelf: Shelf) -> None:
    path = shelf.home.file("drive/elsewhere.gguf")
    info = await shelf.library.find(str(path))
    assert (info.source, info.name) == ("path", "elsewhere")
    assert await shelf.names() == []
    await shelf.library.remember_load(info, LoadSettings("CPU", 4096, "f16", -1), FOOTPRINT, 2.0)
    assert await shelf.names() == ["elsewhere"]
    assert (await shelf.again().choose("elsewhere")).path == str(path)
    path.unlink()
    assert await shelf.names() == []


async def test_a_path_of_a_listed_file_is_that_model(shelf: Shelf) -> None:
    blob = shelf.home.ollama("registry.ollama.ai/library/llama3.2/3b", "a" * 64)
    await shelf.library.models(WAIT)
    assert (await shelf.library.find(str(blob))).name == "llama3.2:3b"


async def test_a_load_that_knows_but_the_path_is_remembered_for_the_model(shelf: Shelf) -> None:
    path = shelf.home.own("mine.gguf")
    bare = ModelInfo(name="mine", path=str(path), size=0, source="path")
    await shelf.library.remember_load(bare, LoadSettings("CPU", 4096, "f16", -1), FOOTPRINT, 2.0)
    (info,) = await shelf.again().models(WAIT)
    assert (info.source, info.load_s, info.removable) == ("folder", 2.0, True)


async def test_references_are_tried_in_turn(shelf: Shelf) -> None:
    with pytest.raises(NotFoundError, match="no model is installed"):
        await shelf.library.choose("gone", None)
    shelf.home.hub("org/repo", "far.gguf")
    shelf.home.own("near-1.gguf")
    shelf.home.own("near-2.gguf")
    assert (await shelf.library.choose("gone", "near", "fa")).name == "far"
    assert (await shelf.library.choose("gone")).name == "near-1"
    with pytest.raises(NotFoundError, match="several"):
        await shelf.library.find("near")


# --- what is kept -----------------------------------------------------------------------------------


async def test_wishes_are_kept(shelf: Shelf) -> None:
    shelf.home.own("mine.gguf")
    wishes = Defaults(context=4096, kv_type="q8_0", system="Be brief", template="{{ y }}", top_p=0.5)
    request = ChangeModel(
        model="mi", favourite=True, pinned=True, tags=("Code", "code", "\x1b[1mmath "), defaults=wishes
    )
    changed = await shelf.library.change(request)
    assert (changed.favourite, changed.pinned, changed.tags) == (True, True, ("code", "math"))
    assert await shelf.library.defaults(changed) == wishes
    changed = await shelf.library.change(ChangeModel(model="mine", favourite=False))
    assert (changed.favourite, changed.pinned, changed.tags) == (False, True, ("code", "math"))
    assert await shelf.again().defaults(changed) == wishes
    await shelf.library.change(ChangeModel(model="mine", tags=(), defaults=Defaults()))
    assert await shelf.library.defaults(changed) == Defaults()
    assert (await shelf.info("mine")).tags == ()
    assert shelf.changes == 3


async def test_a_template_of_ones_own_counts_as_one(shelf: Shelf) -> None:
    shelf.home.own("base.gguf")
    shelf.headers.shapes["base.gguf"] = dataclasses.replace(SHAPE, template=None)
    assert not (await shelf.info("base")).has_template
    await shelf.library.change(ChangeModel(model="base", defaults=Defaults(template="{{ x }}")))
    assert (await shelf.info("base")).has_template


@pytest.mark.parametrize(
    "wishes",
    [
        ChangeModel(model="mine", tags=tuple(map(str, range(21)))),
        ChangeModel(model="mine", defaults=Defaults(top_p=1.5)),
        ChangeModel(model="mine", defaults=Defaults(temperature=float("nan"))),
        ChangeModel(model="mine", defaults=Defaults(context=-1)),
        ChangeModel(model="mine", defaults=Defaults(gpu_layers=-2)),
        ChangeModel(model="mine", defaults=Defaults(system="x" * 300_000)),
        ChangeModel(model="mine", defaults=Defaults(template="\ud800")),
    ],
)
async def test_wishes_that_cannot_be_are_refused(shelf: Shelf, wishes: ChangeModel) -> None:
    shelf.home.own("mine.gguf")
    with pytest.raises(UsageError):
        await shelf.library.change(wishes)
    assert (await shelf.library.change(ChangeModel(model="mine"))).tags == ()


async def test_wishes_survive_a_new_revision_and_a_new_file(shelf: Shelf) -> None:
    shelf.home.hub("org/repo", "far.gguf", revision="a" * 40)
    await shelf.library.models(WAIT)
    await shelf.library.change(ChangeModel(model="far", pinned=True))
    path = shelf.home.hub("org/repo", "far.gguf", revision="b" * 40)
    info = await shelf.info("far")
    assert info.path == str(path) and info.pinned


async def test_measurements_belong_to_settings_and_file(shelf: Shelf) -> None:
    path = shelf.home.own("mine.gguf")
    info = await shelf.info("mine")
    library = shelf.library
    assert await library.measured(info, LoadSettings("CPU", 4096, "f16", -1)) is None
    assert await library.expected_load_s(info) == 0
    for load_s in (90.0, 1.0, 2.0, 3.0, 4.0, 50.0):
        await library.remember_load(info, LoadSettings("CPU", 4096, "f16", -1), FOOTPRINT, load_s)
    await library.remember_load(info, LoadSettings("CUDA", 4096, "f16", -1), Footprint(weights=1), 7.0)
    expected = Footprint(weights=100, kv=20, compute=5, overhead=7, host=3, copies=2, source="measured")
    for each in (library, shelf.again()):
        assert await each.measured(info, LoadSettings("CPU", 4096, "f16", -1)) == (expected, 3.0)
        assert await each.measured(info, LoadSettings("CPU", 8192, "f16", -1)) is None
        assert await each.measured(info, LoadSettings("CPU", 4096, "q8_0", -1)) is None
        assert await each.measured(info, LoadSettings("CPU", 4096, "f16", 3)) is None
        assert (await each.measured(info, LoadSettings("CUDA", 4096, "f16", -1)) or (None, 0))[1] == 7.0
        assert await each.expected_load_s(info) == 4.0  # of 2, 3, 4, 50 and 7
    assert (await shelf.info("mine")).load_s == 4.0
    os.utime(path, ns=(1, 1))
    later = shelf.again()
    assert await later.measured(info, LoadSettings("CPU", 4096, "f16", -1)) is None
    assert await later.expected_load_s(info) == 0


async def test_a_context_is_decided_per_device_and_file(shelf: Shelf) -> None:
    path = shelf.home.own("mine.gguf")
    info = await shelf.info("mine")
    assert await shelf.library.decided_context(info, "CPU") is None
    await shelf.library.decide_context(info, "CPU", 8192)
    await shelf.library.decide_context(info, "CPU", 4096)
    await shelf.library.decide_context(info, "CUDA", 32768)
    for each in (shelf.library, shelf.again()):
        assert await each.decided_context(info, "CPU") == 4096
        assert await each.decided_context(info, "CUDA") == 32768
    os.utime(path, ns=(1, 1))
    assert await shelf.again().decided_context(info, "CPU") is None


async def test_a_plan_for_each_of_many_asks_the_database_once(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(50):
        shelf.home.own(f"{number}.gguf")
    infos = await shelf.library.models(WAIT)
    monkeypatch.setattr(shelf.database, "fetch", lambda *_: pytest.fail("asked again"))
    for info in infos:
        await shelf.library.shape(info)
        await shelf.library.defaults(info)
        await shelf.library.decided_context(info, "CPU")
        await shelf.library.measured(info, LoadSettings("CPU", 1, "f16", -1))
        await shelf.library.expected_load_s(info)


async def test_a_file_that_is_gone_is_a_clear_error(shelf: Shelf) -> None:
    path = shelf.home.own("mine.gguf")
    info = await shelf.library.find("mine")
    path.unlink()
    with pytest.raises(LoadError, match="cannot be read"):
        await shelf.again().defaults(info)


# --- deleting ---------------------------------------------------------------------------------------


async def test_deleting_and_undoing_it(shelf: Shelf) -> None:
    path = shelf.home.own("mine.gguf")
    await shelf.library.change(ChangeModel(model="mine", favourite=True))
    size = path.stat().st_size
    deleted = await shelf.library.delete(await shelf.info("mine"))
    assert (deleted.model, deleted.size) == ("mine", size)
    assert await shelf.names() == [] and not path.exists()
    with pytest.raises(NotFoundError):
        await shelf.library.find("mine")
    await shelf.again().tidy()
    restored = await shelf.library.restore(deleted.token)
    assert (restored.path, restored.favourite) == (str(path), True)
    assert await shelf.names() == ["mine"] and shelf.changes == 3
