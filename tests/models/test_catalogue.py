from pathlib import Path

import pytest

from kensho_tui.core.contract import ModelInfo
from kensho_tui.core.errors import LoadError, NotFoundError
from kensho_tui.models import catalogue as module
from kensho_tui.models.catalogue import Catalogue, check_file, find_starter, resolve


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


@pytest.fixture
def no_starter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_starter", lambda: None)


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
