"""Models of this machine as something to fetch: files by path, Ollama's by name, and what is refused."""

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from kensho_tui.core.errors import KenshoError, NotFoundError, UsageError
from kensho_tui.models.downloads.local import resolve_file, resolve_ollama
from kensho_tui.models.hub.remote import FileReference, OllamaReference, RemoteModel
from tests.models.homes import FakeHome
from tests.support.gguf import TINY, write_model

A, B, C = "a" * 64, "b" * 64, "c" * 64
ADAPTER = "application/vnd.ollama.image.adapter"
STORE = ".ollama/models"


def file_of(home: FakeHome, path: Path | str) -> RemoteModel:
    return resolve_file(FileReference(str(path)), home.paths.models)


def ollama_of(home: FakeHome, name: str, **environ: str) -> RemoteModel:
    return resolve_ollama(OllamaReference(name), home.elsewhere(search=False, **environ))


def path_in(url: str) -> Path:
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc) == ("file", "")
    return Path(unquote(parts.path, errors="surrogateescape"))


# --- files ------------------------------------------------------------------------------------------


def test_a_file_keeps_its_name_and_says_where_it_is(home: FakeHome) -> None:
    path = write_model(home.root / "Some Model.v1-Q4_K_M.gguf", TINY)
    model = file_of(home, path)
    assert (model.name, model.what, model.origin) == ("Some Model.v1-Q4_K_M", str(path), str(path))
    assert (model.folder, model.revision, model.quantisation) == ("", "", "Q4_K_M")
    (part,) = model.parts
    assert (part.name, part.size, part.sha256) == ("Some Model.v1-Q4_K_M.gguf", path.stat().st_size, "")
    assert path_in(part.url) == path and " " not in part.url


@pytest.mark.parametrize("named", [1, 3])
def test_any_part_stands_for_the_whole_split_model(home: FakeHome, named: int) -> None:
    first = write_model(home.root / "big.gguf", TINY, parts=3)
    files = [first.with_name(f"big-{number:05}-of-00003.gguf") for number in (1, 2, 3)]
    model = file_of(home, files[named - 1])
    assert model.name == "big" and model.what == str(first)
    assert [part.name for part in model.parts] == [file.name for file in files]
    assert [path_in(part.url) for part in model.parts] == files
    assert model.size == sum(file.stat().st_size for file in files)


def test_a_missing_part_is_named(home: FakeHome) -> None:
    first = write_model(home.root / "big.gguf", TINY, parts=3)
    first.with_name("big-00002-of-00003.gguf").unlink()
    with pytest.raises(KenshoError, match=r"big-00002-of-00003\.gguf is missing"):
        file_of(home, first)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("model", "model.gguf"),
        ("MODEL.GGUF", "MODEL.gguf"),
        ("model.bin", "model.bin.gguf"),
        ("..hidden.gguf", "hidden.gguf"),
        ("\x1b[31mred\nline.gguf", "red line.gguf"),
        ("\u202e.gguf", "model.gguf"),
        ("\x1b.gguf", "model.gguf"),
        ("n\u00e4m\u00e9 \U0001f600.gguf", "n\u00e4m\u00e9 \U0001f600.gguf"),
        ("twice-00001-of-00002-00001-of-00001.gguf", "twice-00001-of-00002-whole.gguf"),
        ("lone-00001-of-00007.gguf", "lone.gguf"),
    ],
)
def test_names_that_are_safe_here(home: FakeHome, name: str, kept: str) -> None:
    path = write_model(home.root / name, TINY)
    (part,) = file_of(home, path).parts
    assert part.name == kept
    assert path_in(part.url) == path


@pytest.mark.parametrize("letter", ["x", "\u00e9", "\U0001f600"])
def test_a_long_name_stays_a_file_name(home: FakeHome, letter: str) -> None:
    path = write_model(home.root / (letter * (240 // len(letter.encode())) + ".gguf"), TINY)
    model = file_of(home, path)
    name = model.parts[0].name
    assert len(name.encode()) <= 230 and name.endswith(".gguf") and set(name[:-5]) <= {letter, "\u2026"}
    assert model.name == name[:-5]


def test_what_is_in_the_models_folder_is_not_copied_beside_itself(home: FakeHome) -> None:
    folder = home.paths.models / "owner" / "repo"
    folder.mkdir(parents=True)
    path = write_model(folder / "mine.gguf", TINY)
    link, hard = home.root / "link.gguf", home.root / "hard.gguf"
    link.symlink_to(path)
    hard.hardlink_to(path)
    for way in (path, link, hard, folder / ".." / "repo" / "mine.gguf"):
        with pytest.raises(UsageError, match=r"in the models folder already, as mine\Z") as caught:
            file_of(home, way)
        assert "ask -m mine" in caught.value.hint


def test_a_model_of_another_folder_may_be_taken_over(home: FakeHome) -> None:
    path = write_model(home.root / "elsewhere.gguf", TINY)
    (home.paths.models / "other.gguf").symlink_to(write_model(home.root / "second.gguf", TINY))
    assert file_of(home, path).name == "elsewhere"


def test_what_is_no_model_is_refused(home: FakeHome) -> None:
    folder = home.root / "folder.gguf"
    folder.mkdir()
    pipe = home.root / "pipe.gguf"
    os.mkfifo(pipe)
    text = home.root / "text.gguf"
    text.write_text("no model at all, but some words that go on for a while", encoding="utf-8")
    empty = home.root / "empty.gguf"
    empty.touch()
    whole = write_model(home.root / "whole.gguf", TINY)
    cut = home.root / "cut.gguf"
    cut.write_bytes(whole.read_bytes()[:-100])
    projector = write_model(home.root / "mm.gguf", TINY, more={"general.type": "mmproj"})
    for path in (folder, pipe, text, empty, cut, projector, Path("/dev/null")):
        with pytest.raises(KenshoError, match="cannot be taken over") as caught:
            file_of(home, path)
        # No load was tried, so it is no failure of the engine.
        assert caught.value.exit_code == 1 and caught.value.hint


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/nowhere/x.gguf", NotFoundError),
        ("relative.gguf", UsageError),
        ("", UsageError),
        ("/nul\x00.gguf", KenshoError),
        ("/" + "n" * 5000, KenshoError),
    ],
)
def test_paths_that_lead_nowhere(home: FakeHome, path: str, error: type[KenshoError]) -> None:
    with pytest.raises(error) as caught:
        file_of(home, path)
    assert caught.value.line().isprintable()


# --- Ollama -----------------------------------------------------------------------------------------


def add_ollama(
    home: FakeHome, name: str, digest: str, *, root: str = STORE, more: tuple[str, ...] = ()
) -> Path:
    return write_model(home.ollama(name, digest, root=root, more=more), TINY)


def test_a_model_of_ollama_by_its_name(home: FakeHome) -> None:
    blob = add_ollama(home, "registry.ollama.ai/library/llama3.2/1b", A)
    add_ollama(home, "registry.ollama.ai/library/llama3.2/latest", B)
    model = ollama_of(home, "llama3.2:1b")
    assert (model.name, model.what, model.origin) == (
        "llama3.2-1b",
        "ollama:llama3.2:1b",
        "Ollama llama3.2:1b",
    )
    (part,) = model.parts
    assert (part.name, part.sha256, part.size) == ("llama3.2-1b.gguf", A, blob.stat().st_size)
    assert path_in(part.url) == blob
    latest = ollama_of(home, "llama3.2")
    assert (latest.name, latest.parts[0].sha256) == ("llama3.2", B)
    assert latest.quantisation == "Q4_K_M" and latest.folder == ""


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("qwen:4b", A),
        ("QWEN:4B", A),
        ("library/qwen:4b", A),
        ("registry.ollama.ai/library/qwen:4b", A),
        ("me/tuned", B),
        ("tuned", B),
        ("hf.co/owner/Model-GGUF:Q4_K_M", C),
        ("Model-GGUF:Q4_K_M", C),
    ],
)
def test_every_way_to_name_one(home: FakeHome, name: str, digest: str) -> None:
    add_ollama(home, "registry.ollama.ai/library/qwen/4b", A)
    add_ollama(home, "registry.ollama.ai/me/tuned/latest", B)
    add_ollama(home, "hf.co/owner/Model-GGUF/Q4_K_M", C)
    assert ollama_of(home, name).parts[0].sha256 == digest


def test_a_name_of_two_owners_must_say_whose(home: FakeHome) -> None:
    add_ollama(home, "registry.ollama.ai/anna/chat/latest", A)
    add_ollama(home, "registry.ollama.ai/bert/chat/latest", B)
    with pytest.raises(NotFoundError, match="several") as caught:
        ollama_of(home, "chat")
    assert "anna/chat:latest, bert/chat:latest" in caught.value.hint
    assert ollama_of(home, "bert/chat").parts[0].sha256 == B
    add_ollama(home, "registry.ollama.ai/library/chat/latest", C)
    assert ollama_of(home, "chat").parts[0].sha256 == C


def test_ones_own_store_comes_before_that_of_the_service(home: FakeHome) -> None:
    service = "system/usr/share/ollama/.ollama/models"
    add_ollama(home, "registry.ollama.ai/library/both/latest", A, root=service)
    add_ollama(home, "registry.ollama.ai/library/theirs/latest", B, root=service)
    add_ollama(home, "registry.ollama.ai/library/both/latest", C)
    assert ollama_of(home, "both").parts[0].sha256 == C
    assert ollama_of(home, "theirs").parts[0].sha256 == B


def test_a_store_somewhere_else(home: FakeHome) -> None:
    add_ollama(home, "registry.ollama.ai/library/moved/latest", A, root="big/ollama")
    assert ollama_of(home, "moved", OLLAMA_MODELS=str(home.root / "big/ollama")).name == "moved"


def test_an_unknown_name_lists_those_that_are_there(home: FakeHome) -> None:
    with pytest.raises(NotFoundError) as none:
        ollama_of(home, "gone:1b")
    assert "No model of Ollama" in none.value.hint
    for number in range(25):
        home.ollama(f"registry.ollama.ai/library/m{number:02}/latest", f"{number:064x}")
    home.ollama("hf.co/owner/evil\x1b[31m/latest", A)
    with pytest.raises(NotFoundError, match="no model 'gone:1b'") as caught:
        ollama_of(home, "gone:1b")
    assert "m03:latest" in caught.value.hint and "and 6 more" in caught.value.hint
    assert caught.value.line().isprintable()


def test_what_ollama_has_but_is_no_whole_model(home: FakeHome) -> None:
    home.ollama("registry.ollama.ai/library/tuned/latest", A, more=(ADAPTER,))
    home.ollama("registry.ollama.ai/library/lost/latest", B).unlink()
    home.ollama("registry.ollama.ai/library/torn/latest", C)
    for name, said in (("tuned", "adapter"), ("lost", "missing"), ("torn", "cannot be taken over")):
        with pytest.raises(KenshoError, match=said) as caught:
            ollama_of(home, name)
        assert not isinstance(caught.value, NotFoundError) and name in caught.value.message
