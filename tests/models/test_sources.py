"""Other programs' folders: found where they really keep models, bounded and unharmed by what lies there."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kensho_tui.config.settings import Settings
from kensho_tui.models import sources
from kensho_tui.models.catalogue import Catalogue
from kensho_tui.models.files import ModelFile, named
from kensho_tui.models.sources import Elsewhere, settings_path
from tests.models.homes import PROJECTOR_LAYER, FakeHome

A, B = "a" * 64, "b" * 64
pytestmark = pytest.mark.usefixtures("no_starter")


def listed(home: FakeHome, elsewhere: Elsewhere | None = None) -> tuple[ModelFile, ...]:
    return Catalogue(home.paths.models, elsewhere or home.elsewhere()).files()


def names(home: FakeHome, elsewhere: Elsewhere | None = None) -> list[str]:
    return [file.name for file in listed(home, elsewhere)]


def test_every_layout_at_once_our_own_first(home: FakeHome) -> None:
    home.own("mine-Q4.gguf")
    home.file("drive/extra.gguf")
    home.hub("org/repo", "hub-Q8.gguf")
    home.ollama("registry.ollama.ai/library/llama3.2/3b", A)
    home.ollama("registry.ollama.ai/library/system/latest", B, root="system/usr/share/ollama/.ollama/models")
    home.lmstudio("publisher/repo/studio.gguf")
    home.lmstudio("publisher/repo/old.gguf", root=".cache/lm-studio")
    found = listed(home, home.elsewhere("~/drive"))
    assert [(file.name, file.source) for file in found] == [
        ("mine-Q4", "folder"),
        ("extra", "extra"),
        ("hub-Q8", "hub"),
        ("llama3.2:3b", "ollama"),
        ("system:latest", "ollama"),
        ("studio", "lmstudio"),
        ("old", "lmstudio"),
    ]
    assert found[2].path.endswith("/snapshots/" + "a" * 40 + "/hub-Q8.gguf")
    assert Path(found[3].path).name == f"sha256-{A}"
    assert all(file.size == Path(file.path).stat().st_size for file in found)


def test_nothing_is_searched_unless_the_settings_say_so(home: FakeHome) -> None:
    home.hub("org/repo", "hub.gguf")
    home.file("drive/extra.gguf")
    environ = {"HOME": str(home.root)}
    assert names(home, Elsewhere.of(Settings(find_models=False), environ)) == []
    assert names(home, Elsewhere.of(Settings(), environ)) == ["hub"]
    wanted = Settings(find_models=False, model_folders=("~/drive", "/nowhere", "drive/extra.gguf"))
    assert names(home, Elsewhere.of(wanted, environ)) == ["extra"]


@pytest.mark.parametrize(
    ("environ", "root"),
    [
        ({"HF_HUB_CACHE": "~/x/hub", "HF_HOME": "~/y"}, "x"),
        ({"HUGGINGFACE_HUB_CACHE": "~/x/hub", "HF_HOME": "~/y"}, "x"),
        ({"HF_HOME": "~/y", "XDG_CACHE_HOME": "~/z"}, "y"),
        ({"XDG_CACHE_HOME": "~/z"}, "z/huggingface"),
        ({}, ".cache/huggingface"),
    ],
)
def test_the_hub_cache_is_where_its_variables_say(home: FakeHome, environ: dict[str, str], root: str) -> None:
    for number, place in enumerate(("x", "y", "z/huggingface", ".cache/huggingface")):
        home.hub("org/repo", f"model-{place.replace('/', '-')}.gguf", blob=str(number), root=place)
    assert names(home, home.elsewhere(**environ)) == [f"model-{root.replace('/', '-')}"]


def test_ollama_and_lm_studio_moved_elsewhere(home: FakeHome) -> None:
    home.ollama("registry.ollama.ai/library/moved/latest", A, root="big/ollama")
    home.ollama("registry.ollama.ai/library/stays/latest", B)
    home.lmstudio("publisher/repo/studio.gguf", root="big/studio")
    (home.root / ".lmstudio-home-pointer").write_text(f"{home.root}/big/studio\n", encoding="utf-8")
    assert names(home, home.elsewhere(OLLAMA_MODELS=str(home.root / "big/ollama"))) == [
        "moved:latest",
        "studio",
    ]


def test_a_file_found_twice_is_listed_once(home: FakeHome) -> None:
    link = home.hub("org/repo", "model.gguf")
    home.hub("org/repo", "model.gguf", revision="b" * 40, blob=link.resolve().name)
    os.link(link.resolve(), home.paths.models / "mine.gguf")
    (home.root / "drive").mkdir()
    (home.root / "drive" / "again.gguf").symlink_to(link)
    assert [(f.name, f.source) for f in listed(home, home.elsewhere("~/drive"))] == [("mine", "folder")]


def test_two_tags_of_one_blob_are_one_model(home: FakeHome) -> None:
    home.ollama("registry.ollama.ai/library/llama3.2/3b", A)
    home.ollama("registry.ollama.ai/library/llama3.2/latest", A)
    assert names(home) == ["llama3.2:3b"]


def test_equal_names_say_where_they_lie(home: FakeHome) -> None:
    home.own("Model.gguf")
    home.own("sub/model.gguf")
    home.hub("one/repo", "model.gguf")
    home.hub("two/repo", "model.gguf")
    home.lmstudio("p/r/model.gguf")
    found = names(home)
    assert found == [
        "Model",
        "model (folder)",
        "model (hub)",
        "model (hub two-repo)",
        "model (lmstudio)",
    ]
    catalogue = Catalogue(home.paths.models, home.elsewhere())
    assert [catalogue.find(name).name for name in found] == found


def test_the_current_revision_keeps_the_name(home: FakeHome) -> None:
    home.hub("org/repo", "model.gguf", revision="b" * 40)
    home.hub("org/repo", "model.gguf", revision="c" * 40)
    home.hub("org/repo", "model.gguf", revision="a" * 40)
    base = home.root / ".cache/huggingface/hub/models--org--repo"
    (base / "refs" / "main").write_text("b" * 40, encoding="utf-8")
    found = listed(home)
    assert [file.name for file in found] == ["model", "model (hub)", "model (hub org-repo ccccccc)"]
    assert "/" + "b" * 40 + "/" in found[0].path


def test_what_a_person_set_outlives_a_revision() -> None:
    path = "/h/hub/models--org--repo/snapshots/{}/sub/model.gguf"
    assert settings_path(path.format("abc")) == settings_path(path.format("def"))
    assert settings_path(path.format("abc")) != settings_path(
        path.format("abc").replace("model.gguf", "x.gguf")
    )
    assert settings_path("/models/snapshots/x/m.gguf") == "/models/snapshots/x/m.gguf"


def test_parts_are_one_model(home: FakeHome) -> None:
    for number in (1, 2, 3):
        home.own(f"big-{number:05}-of-00003.gguf", "x" * number)
    home.own("lonely-00002-of-00002.gguf")
    home.own("half-00001-of-00002.gguf")
    home.own("absurd-00001-of-99999.gguf")
    found = {file.name: file for file in listed(home)}
    assert sorted(found) == ["absurd", "big", "half"]
    assert found["big"].size == 3 * 4 + 6 and not found["big"].missing
    assert found["half"].missing == "half-00002-of-00002.gguf"
    assert Catalogue(home.paths.models).find("half").problem == "half-00002-of-00002.gguf is missing"
    assert Catalogue(home.paths.models).find("big-00001-of-00003").name == "big"


def test_projectors_and_other_files_are_left_out(home: FakeHome) -> None:
    home.lmstudio("p/r/mmproj-model-f16.gguf")
    home.lmstudio("p/r/model.mmproj-f16.gguf")
    home.lmstudio("p/r/README.md")
    home.lmstudio("p/r/model.GGUF")
    home.own(".partial/x.gguf")
    home.own(".bin/abc/y.gguf")
    assert names(home) == ["model"]


# --- hostile folders --------------------------------------------------------------------------------


def test_hostile_files_and_names(home: FakeHome) -> None:
    folder = home.paths.models
    os.mkfifo(folder / "pipe.gguf")
    (folder / "folder.gguf").mkdir()
    (folder / "dangling.gguf").symlink_to(folder / "nowhere")
    (folder / "circle.gguf").symlink_to(folder / "circle.gguf")
    (folder / "device.gguf").symlink_to("/dev/zero")
    home.own("\x1b[2J\x1b]0;owned\x07red.gguf")
    home.own("two\nlines.gguf")
    home.own("\x1b[0m.gguf")
    home.own(f"{'n' * 250}.gguf")
    (Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe.gguf"))).write_bytes(b"GGUF")
    assert names(home) == ["model", "red", "n" * 119 + "…", "two lines"]


def test_circles_of_links_end(home: FakeHome) -> None:
    home.own("deep/er/model.gguf")
    (home.paths.models / "deep" / "up").symlink_to(home.paths.models)
    (home.paths.models / "deep" / "self").symlink_to(home.paths.models / "deep")
    assert names(home, home.elsewhere("~", search=False)) == ["model"]


def test_linked_folders_are_followed(home: FakeHome) -> None:
    home.file("drive/model.gguf")
    (home.paths.models / "linked").symlink_to(home.root / "drive")
    assert names(home) == ["model"]


def test_deep_and_full_folders_are_bounded(home: FakeHome, monkeypatch: pytest.MonkeyPatch) -> None:
    home.own("d/" * (sources.MAX_DEPTH + 1) + "too-deep.gguf")
    home.own("d/" * sources.MAX_DEPTH + "deep.gguf")
    assert names(home) == ["deep"]
    for number in range(30):
        home.own(f"many/{number:02}.gguf")
    assert len(names(home)) == 31
    monkeypatch.setattr(sources, "MAX_FILES", 10)
    assert len(names(home)) == 10
    monkeypatch.setattr(sources, "MAX_ENTRIES", 20)
    monkeypatch.setattr(sources, "MAX_FILES", 100)
    assert 0 < len(names(home)) < 20


@pytest.mark.skipif(os.getuid() == 0, reason="root may read every folder")
def test_a_folder_that_may_not_be_read_hides_no_other(home: FakeHome) -> None:
    home.own("closed/secret.gguf")
    home.own("open/model.gguf")
    (home.paths.models / "closed").chmod(0)
    try:
        assert names(home) == ["model"]
    finally:
        (home.paths.models / "closed").chmod(0o700)


def test_a_folder_that_vanishes_meanwhile_hides_no_other(
    home: FakeHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.own("a/gone.gguf")
    home.own("b/model.gguf")
    scandir = os.scandir

    def failing(path: Path) -> Iterator[os.DirEntry[str]]:
        if Path(path).name == "a":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", failing)
    assert names(home) == ["model"]


@pytest.mark.parametrize(
    "manifest",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"layers": null}',
        '{"layers": [7]}',
        '{"layers": [{"mediaType": 7, "digest": []}]}',
        "[" * 200_000,
        "\x00" * 50,
        json.dumps({"layers": [{"mediaType": "x"}] * 20, "more": "y" * (1 << 20)}),
        *(
            json.dumps({"layers": [{"mediaType": "application/vnd.ollama.image.model", "digest": digest}]})
            for digest in (
                "",
                "sha256:",
                "sha256:../../../../secret",
                f"sha256:{A}/../../../secret",
                f"sha256:{A}\n",
                "sha256:" + "A" * 64,
                f"sha512:{A}",
            )
        ),
    ],
)
def test_a_hostile_manifest_is_no_model_and_hides_no_other(home: FakeHome, manifest: str) -> None:
    home.file("secret")
    home.manifest("registry.ollama.ai/library/bad/latest", manifest)
    home.ollama("registry.ollama.ai/library/good/latest", A)
    assert names(home) == ["good:latest"]


def test_more_of_ollama(home: FakeHome) -> None:
    """A model with a projector is one, with an adapter it is another; blobs may be missing, levels wrong."""
    home.ollama("registry.ollama.ai/library/vision/latest", A, more=(PROJECTOR_LAYER,))
    home.ollama("hf.co/owner/Model-GGUF/Q4_K_M", B)
    home.ollama("r/n/tuned/latest", "c" * 64, more=("application/vnd.ollama.image.adapter",))
    home.ollama("r/n/lost/latest", "d" * 64).unlink()
    home.ollama("r/n/pipe/latest", "e" * 64)
    pipe = home.root / ".ollama/models/manifests/r/n/pipe/latest"
    pipe.unlink()
    os.mkfifo(pipe)
    home.manifest("r/n/not-deep-enough", "{}")
    home.manifest("r/n/too/deep/latest", "{}")
    assert names(home) == ["Model-GGUF:Q4_K_M", "vision:latest"]


@pytest.mark.parametrize("pointer", ["", "/nowhere", "\x00", "x" * 5000, "../../..", "/dev/zero"])
def test_a_hostile_pointer_of_lm_studio(home: FakeHome, pointer: str) -> None:
    (home.root / ".lmstudio-home-pointer").write_text(pointer, encoding="utf-8")
    home.lmstudio("p/r/old.gguf", root=".cache/lm-studio")
    assert names(home) == ["old"]


def test_a_folder_of_the_settings_may_be_anything(home: FakeHome) -> None:
    home.own("model.gguf")
    assert names(home, home.elsewhere("", "~", "\x00", "/dev/null", "~nobody", "n" * 5000)) == ["model"]


# --- names ------------------------------------------------------------------------------------------

_files = st.builds(
    ModelFile,
    name=st.sampled_from(["a", "A", "b", "a (hub)", "b (hub x)"]),
    path=st.just("/x"),
    size=st.just(1),
    source=st.sampled_from(["folder", "hub", "ollama"]),
    first_size=st.just(1),
    mtime_ns=st.just(1),
    ctime_ns=st.just(1),
    detail=st.sampled_from(["", "x", "y"]),
)


@given(st.lists(_files, max_size=12))
def test_names_are_always_unique_and_the_first_keeps_its_own(files: list[ModelFile]) -> None:
    given_names = [file.name for file in named(files)]
    assert len({name.casefold() for name in given_names}) == len(files)
    first = {file.name.casefold(): position for position, file in reversed(list(enumerate(files)))}
    for position, (file, name) in enumerate(zip(files, given_names, strict=True)):
        if first[file.name.casefold()] == position and " (" not in file.name:
            assert name == file.name
