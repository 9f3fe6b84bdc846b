"""Deleting with undo: whole, never over another file, never anything that is not ours."""

import os
import stat
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kensho_tui.core.contract import ModelInfo
from kensho_tui.core.errors import KenshoError, NotFoundError, UsageError
from kensho_tui.models.bin import KEPT_S, NOTE, Bin
from kensho_tui.models.catalogue import Catalogue
from tests.models.homes import FakeHome

pytestmark = pytest.mark.usefixtures("no_starter")


@pytest.fixture
def bin_(home: FakeHome) -> Bin:
    return Bin(home.paths.models)


def found(home: FakeHome, name: str) -> ModelInfo:
    return Catalogue(home.paths.models, home.elsewhere("~/drive")).find(name)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_all_parts_go_and_come_back(home: FakeHome, bin_: Bin) -> None:
    for number in (1, 2, 3):
        home.own(f"sub/big-{number:05}-of-00003.gguf", "x" * number)
    home.own("sub/other.gguf")
    before = tree(home.paths.models)
    deleted = bin_.put(found(home, "big"))
    assert (deleted.model, deleted.size) == ("big", 3 * 4 + 6)
    assert [path.name for path in (home.paths.models / "sub").iterdir()] == ["other.gguf"]
    assert stat.S_IMODE((bin_.folder / deleted.token).stat().st_mode) == 0o700
    assert bin_.restore(deleted.token) == home.paths.models / "sub/big-00001-of-00003.gguf"
    assert tree(home.paths.models) == before
    assert list(bin_.folder.iterdir()) == []


def test_a_link_goes_and_its_target_stays(home: FakeHome, bin_: Bin) -> None:
    target = home.file("drive/target.gguf")
    link = home.paths.models / "linked.gguf"
    link.symlink_to(os.path.relpath(target, link.parent))
    deleted = bin_.put(found(home, "linked"))
    assert target.exists() and not link.is_symlink()
    assert bin_.restore(deleted.token).read_bytes() == target.read_bytes()


def test_the_folder_it_lay_in_is_made_again(home: FakeHome, bin_: Bin) -> None:
    path = home.own("sub/mine.gguf")
    deleted = bin_.put(found(home, "mine"))
    path.parent.rmdir()
    assert bin_.restore(deleted.token) == path and path.exists()


def test_nothing_is_overwritten_by_undoing(home: FakeHome, bin_: Bin) -> None:
    home.own("mine.gguf", "old")
    deleted = bin_.put(found(home, "mine"))
    home.own("mine.gguf", "new")
    before = tree(home.paths.models)
    with pytest.raises(KenshoError, match="exists again"):
        bin_.restore(deleted.token)
    assert tree(home.paths.models) == before
    again = bin_.put(found(home, "mine"))
    assert bin_.restore(deleted.token).read_bytes() == b"GGUFold"
    with pytest.raises(KenshoError, match="exists again"):
        bin_.restore(again.token)


def test_what_belongs_to_others_is_refused_with_the_way_to_do_it(home: FakeHome, bin_: Bin) -> None:
    home.file("drive/extra.gguf")
    home.hub("org/repo", "hub.gguf")
    home.ollama("registry.ollama.ai/library/llama3.2/3b", "a" * 64)
    home.lmstudio("p/r/studio.gguf")
    by_path = home.file("by-path.gguf")
    before = tree(home.root)
    hints = {
        "extra": "drive/extra.gguf",
        "hub": "hub.gguf",
        "llama3.2:3b": "ollama rm llama3.2:3b",
        "studio": "studio.gguf",
        str(by_path): str(by_path),
    }
    for name, hint in hints.items():
        with pytest.raises(UsageError, match="not deleted here") as caught:
            bin_.put(found(home, name))
        assert hint in caught.value.hint
    assert tree(home.root) == before


def test_files_of_a_linked_folder_are_not_ours(home: FakeHome, bin_: Bin) -> None:
    path = home.file("elsewhere/model.gguf")
    (home.paths.models / "linked").symlink_to(path.parent)
    with pytest.raises(UsageError, match="only linked"):
        bin_.put(found(home, "model"))
    assert path.exists()


def test_a_path_that_only_looks_like_ours(home: FakeHome, bin_: Bin) -> None:
    path = home.file("data/secret.gguf")
    crafted = ModelInfo(name="x", path=f"{home.paths.models}/../secret.gguf", size=1, source="folder")
    with pytest.raises(UsageError):
        bin_.put(crafted)
    assert path.exists()


def test_a_move_that_fails_half_way_leaves_all_as_it_was(
    home: FakeHome, bin_: Bin, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2, 3):
        home.own(f"big-{number:05}-of-00003.gguf", "x" * number)
    model = found(home, "big")
    before = tree(home.paths.models)
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if "00003-of" in self.name and self.parent == home.paths.models:
            raise OSError(18, "Invalid cross-device link")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(KenshoError, match="cross-device"):
        bin_.put(model)
    assert tree(home.paths.models) == before
    monkeypatch.undo()
    deleted = bin_.put(model)

    def not_back(self: Path, target: Path) -> Path:
        if "00003-of" in self.name and target.parent == home.paths.models:
            raise OSError(28, "No space left on device")
        return rename(self, target)

    binned = tree(home.paths.models)
    monkeypatch.setattr(Path, "rename", not_back)
    with pytest.raises(KenshoError, match="stays in the bin"):
        bin_.restore(deleted.token)
    assert tree(home.paths.models) == binned


def test_a_deletion_cut_short_by_a_crash_can_be_undone(home: FakeHome, bin_: Bin) -> None:
    for number in (1, 2):
        home.own(f"big-{number:05}-of-00002.gguf", "x" * number)
    before = tree(home.paths.models)
    deleted = bin_.put(found(home, "big"))
    entry = bin_.folder / deleted.token
    (entry / "big-00002-of-00002.gguf").rename(home.paths.models / "big-00002-of-00002.gguf")
    bin_.restore(deleted.token)
    assert tree(home.paths.models) == before


@pytest.mark.parametrize(
    "token", ["", ".", "..", "../..", "abc", "0" * 12, "x" * 12, "\x00" * 12, "/etc", "0" * 12 + "\n"]
)
def test_hostile_tokens(bin_: Bin, token: str) -> None:
    with pytest.raises(NotFoundError, match="no such model in the bin"):
        bin_.restore(token)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    note=st.one_of(
        st.binary(max_size=40),
        st.builds(
            lambda folder, files: msgspec.json.encode(
                {"name": "x", "folder": folder, "files": files, "size": 1}
            ),
            st.sampled_from(["..", "../..", "/etc", "a/../../..", "."]),
            st.lists(st.sampled_from(["../x.gguf", "/x.gguf", "..", "", NOTE, "a/b.gguf"]), max_size=2),
        ),
    )
)
def test_a_note_that_was_tampered_with_moves_nothing(home: FakeHome, bin_: Bin, note: bytes) -> None:
    entry = bin_.folder / ("a" * 12)
    entry.mkdir(parents=True, exist_ok=True)
    (entry / "x.gguf").write_bytes(b"GGUF")
    (entry / NOTE).write_bytes(note)
    with pytest.raises(NotFoundError):
        bin_.restore("a" * 12)
    assert (entry / "x.gguf").exists()


def test_only_what_is_old_enough_is_emptied(home: FakeHome, bin_: Bin) -> None:
    bin_.empty()
    tokens = []
    for name in ("old", "new"):
        home.own(f"{name}.gguf")
        tokens.append(bin_.put(found(home, name)).token)
    past = time.time() - KEPT_S - 60
    os.utime(bin_.folder / tokens[0] / NOTE, (past, past))
    bin_.empty(KEPT_S)
    assert [path.name for path in bin_.folder.iterdir()] == [tokens[1]]
    bin_.empty()
    assert list(bin_.folder.iterdir()) == []
    with pytest.raises(NotFoundError):
        bin_.restore(tokens[1])
