from pathlib import Path

import pytest

from kensho_tui.core.contract import ModelInfo
from kensho_tui.core.errors import LoadError, NotFoundError
from kensho_tui.models import catalogue as module
from kensho_tui.models.catalogue import Catalogue, check_file, find_starter, resolve
from kensho_tui.models.sources import Candidate, Elsewhere
from tests.models.homes import FakeHome


def _model(name: str) -> ModelInfo:
    return ModelInfo(name=name, path=f"/{name}.gguf", size=1, source="folder")


MODELS = [_model("SmolLM2-135M"), _model("Qwen2.5-0.5B"), _model("Qwen2.5-7B"), _model("Qwen2.5")]


@pytest.mark.parametrize(
    ("reference", "name"), [("smol", "SmolLM2-135M"), ("0.5b", "Qwen2.5-0.5B"), ("qwen2.5", "Qwen2.5")]
)
def test_a_name_or_a_unique_part_of_one(reference: str, name: str) -> None:
    assert resolve(reference, MODELS).name == name


@pytest.mark.parametrize(("reference", "said"), [("qwen2.5-", "several"), ("llama", "no model")])
def test_what_is_not_unique_or_not_there(reference: str, said: str) -> None:
    with pytest.raises(NotFoundError, match=said):
        resolve(reference, MODELS)


def test_the_starter_is_found_without_importing_it() -> None:
    import sys

    path = find_starter()
    assert path is not None and path.read_bytes()[:4] == b"GGUF"
    assert module.STARTER_PACKAGE not in sys.modules


@pytest.mark.usefixtures("no_starter")
def test_the_folder_is_searched_and_later_parts_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("b.gguf", "sub/A.gguf", "big-00001-of-00002.gguf", "big-00002-of-00002.gguf", "notes.txt"):
        (tmp_path / name).write_bytes(b"GGUF")
    assert [model.name for model in Catalogue(tmp_path).models()] == ["A", "b", "big"]


@pytest.mark.usefixtures("no_starter")
def test_without_any_model_it_is_said_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no model is installed") as caught:
        Catalogue(tmp_path / "absent").choose(None, "")
    assert "kensho-tui[starter]" in caught.value.hint


def test_a_near_name_is_found_without_looking_elsewhere(
    home: FakeHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.own("Mine.gguf")
    home.hub("org/repo", "mine.gguf")

    def far(where: Elsewhere) -> list[Candidate]:
        raise AssertionError("other folders were searched")

    catalogue = Catalogue(home.paths.models, home.elsewhere())
    monkeypatch.setattr(Elsewhere, "candidates", far)
    assert catalogue.find("mine").source == "folder"
    assert catalogue.find("mine.gguf").source == "folder"
    assert catalogue.choose(None, "mine").source == "folder"
    assert catalogue.choose(None).source == "starter"
    with pytest.raises(AssertionError):
        catalogue.find("min")


def test_paths_of_our_own_files_are_known_as_such(home: FakeHome) -> None:
    own, other = home.own("mine.gguf"), home.file("drive/other.gguf")
    binned = home.own(".bin/abc/gone.gguf")
    link = home.root / "drive" / "link.gguf"
    link.symlink_to(own)
    catalogue = Catalogue(home.paths.models)
    found = [catalogue.find(str(path)) for path in (own, other, binned, find_starter())]
    assert [(one.source, one.removable) for one in found] == [
        ("folder", True),
        ("path", False),
        ("path", False),
        ("starter", False),
    ]
    assert catalogue.find(str(own.parent / ".." / "models" / "mine.gguf")).path == str(own)


def test_a_file_by_path_does_not_take_the_name_of_a_near_one(home: FakeHome) -> None:
    own, other = home.own("model.gguf"), home.file("drive/model.gguf")
    catalogue = Catalogue(home.paths.models)
    assert catalogue.find(str(other)).name == "model (path)"
    assert catalogue.find("model").path == str(own)


def test_an_own_file_of_the_starters_name_goes_first(home: FakeHome) -> None:
    starter = find_starter()
    assert starter is not None
    own = home.own(starter.name)
    catalogue = Catalogue(home.paths.models)
    assert [model.name for model in catalogue.models()] == [own.stem, f"{own.stem} (starter)"]
    assert catalogue.choose(None).name == f"{own.stem} (starter)"
    assert catalogue.find(own.stem).path == str(own)


def test_a_long_list_is_not_told_whole() -> None:
    with pytest.raises(NotFoundError) as caught:
        resolve("nothing", [_model(f"model-{number}") for number in range(100)])
    assert "and 80 more" in caught.value.hint


def test_the_first_reference_that_exists_is_chosen(tmp_path: Path) -> None:
    (tmp_path / "mine.gguf").write_bytes(b"GGUF")
    catalogue = Catalogue(tmp_path)
    assert catalogue.choose(None, "gone", "mine").name == "mine"
    assert catalogue.choose(None, "gone").source == "starter"


def test_a_path_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "elsewhere.gguf"
    path.write_bytes(b"GGUF")
    assert Catalogue(tmp_path / "models").find(str(path)).source == "path"
    with pytest.raises(NotFoundError, match="no model file"):
        Catalogue(tmp_path / "models").find(str(tmp_path / "absent.gguf"))


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "is empty"), (b"PK\x03\x04", "is not a GGUF file"), (None, "cannot be read")]
)
def test_what_is_plainly_no_model_is_refused(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "x.gguf"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LoadError, match=said):
        check_file(ModelInfo(name="x", path=str(path), size=0, source="folder"))
