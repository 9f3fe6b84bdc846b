"""Saved caches on disk: names, quota, what goes first, deletion."""

import os
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kensho_tui.core.errors import StorageError
from kensho_tui.models.kv_files import STALE_S, KvFiles, file_identity, state_key

HOSTILE = [
    "",
    ".",
    "..",
    "../../etc/passwd",
    "/etc/passwd",
    "a\0b",
    "x" * 10_000,
    "\ud800",
    "a/b",
    "~",
    "漢\n",
]


@pytest.fixture
def model(tmp_path: Path) -> str:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF model")
    return str(path)


def key_of(path: str, *shape: str | int) -> str:
    return state_key(path, file_identity(path), *shape)


@pytest.fixture
def files(tmp_path: Path) -> KvFiles:
    return KvFiles(tmp_path / "cache" / "kv", quota=1000)


def put(files: KvFiles, chat: str, key: str, size: int = 100, age: float = 0.0) -> Path:
    """A saved cache of `size` bytes that was used `age` seconds ago."""
    path = files.place(chat, key)
    path.write_bytes(b"x" * size)
    then = path.stat().st_mtime - age
    os.utime(path, (then, then))
    return path


def test_a_key_is_of_one_file_build_and_shape(model: str, tmp_path: Path) -> None:
    key = key_of(model, "build", 4096, "f16")
    assert key == key_of(model, "build", 4096, "f16")
    others = {
        key_of(model, "another build", 4096, "f16"),
        key_of(model, "build", 8192, "f16"),
        key_of(model, "build", 4096, "q8_0"),
        key_of(str(tmp_path / "absent.gguf"), "build", 4096, "f16"),
        key_of(model, "build", 4096, "f1", "6"),
        key_of(model, "build4096", "f16"),
    }
    Path(model).write_bytes(b"GGUF longer model")
    others.add(key_of(model, "build", 4096, "f16"))
    os.utime(model, (1, 1))
    others.add(key_of(model, "build", 4096, "f16"))
    assert len(others - {key}) == 8


def test_a_file_of_equal_size_and_date_in_its_place_is_another(tmp_path: Path) -> None:
    names = [tmp_path / f"model-{number:05}-of-00002.gguf" for number in (1, 2)]
    for path in names:
        path.write_bytes(b"GGUF one")
    before = file_identity(str(names[0]))
    for path in reversed(names):
        then = path.stat()
        other = tmp_path / "other"
        other.write_bytes(b"GGUF two")
        os.utime(other, ns=(then.st_atime_ns, then.st_mtime_ns))
        other.replace(path)
        assert file_identity(str(names[0])) != before, "of whichever part"
        before = file_identity(str(names[0]))
    names[1].unlink()
    assert file_identity(str(names[0])) == ""


def test_what_was_placed_is_found_by_the_same_chat_and_key_alone(files: KvFiles, model: str) -> None:
    key = key_of(model, 1)
    assert files.find("chat", key) is None
    path = put(files, "chat", key)
    assert files.find("chat", key) == path
    assert files.find("another", key) is None
    assert files.find("chat", key_of(model, 2)) is None
    assert stat.S_IMODE(files.folder.stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path, model: str) -> None:
    (tmp_path / "file").touch()
    files = KvFiles(tmp_path / "file" / "kv", 1000)
    with pytest.raises(StorageError, match="cannot be used"):
        files.place("chat", key_of(model))
    assert files.find("chat", key_of(model)) is None
    assert (files.usage(), files.prune(), files.clear()) == ((0, 0), 0, (0, 0))


@pytest.mark.parametrize("chat", HOSTILE)
def test_no_name_from_outside_leaves_the_folder(files: KvFiles, chat: str) -> None:
    path = files.place(chat, key_of(chat, chat))
    assert path.parent == files.folder and len(path.name) < 110 and path.name.isascii()
    path.write_bytes(b"x")
    assert files.find(chat, key_of(chat, chat)) == path
    assert files.forget_model(chat) == 1


@pytest.mark.parametrize("key", ["", "..", "../" * 20 + "x" * 4, "A" * 64, "0" * 63, "0" * 64 + "\n"])
def test_a_key_of_another_make_is_refused(files: KvFiles, key: str) -> None:
    for method in (files.place, files.find):
        with pytest.raises(ValueError, match="not a key"):
            method("chat", key)


def test_the_least_recently_used_go_first(files: KvFiles, model: str) -> None:
    key = key_of(model)
    paths = [put(files, f"chat {age}", key, size=300, age=age) for age in (50, 40, 30, 20)]
    assert files.find("chat 50", key)  # used now
    assert files.prune() == 300
    assert [path.exists() for path in paths] == [True, False, True, True]
    assert files.prune(needed=400) == 300
    assert [path.exists() for path in paths] == [True, False, False, True]
    assert files.usage() == (2, 600)


def test_a_file_larger_than_the_quota_pushes_out_no_other(files: KvFiles, model: str) -> None:
    small = put(files, "small", key_of(model), age=100)
    large = put(files, "large", key_of(model), size=1001)
    assert files.prune() == 1001
    assert small.exists() and not large.exists()


def test_one_cache_for_each_chat_and_model_stays(files: KvFiles, tmp_path: Path, model: str) -> None:
    old = put(files, "chat", key_of(model, "old build"), age=10)
    new = put(files, "chat", key_of(model, "new build"))
    other = put(files, "chat", key_of(str(tmp_path / "other.gguf")), age=20)
    assert files.prune() == 100
    assert (old.exists(), new.exists(), other.exists()) == (False, True, True)


def test_files_of_chats_that_are_gone_go(files: KvFiles, model: str) -> None:
    kept, gone = (put(files, chat, key_of(model)) for chat in ("kept", "gone"))
    assert files.prune() == 0
    assert files.prune(living={"kept", "never saved"}) == 100
    assert kept.exists() and not gone.exists()


def test_chats_and_models_are_forgotten(files: KvFiles, tmp_path: Path, model: str) -> None:
    other = str(tmp_path / "other.gguf")
    for chat in ("one", "two"):
        for path in (model, other):
            put(files, chat, key_of(path))
    assert files.forget_chat("one") == 200
    assert files.forget_chat("one") == 0
    assert files.find("two", key_of(other))
    assert files.forget_model(other) == 100
    assert files.usage() == (1, 100)
    assert files.clear() == (1, 100)
    assert files.usage() == (0, 0)


def test_a_refused_file_is_dropped_and_nothing_else(files: KvFiles, tmp_path: Path, model: str) -> None:
    path = put(files, "chat", key_of(model))
    precious = tmp_path / path.name
    precious.touch()
    for other in (precious, Path(model), files.folder / "absent.kv"):
        files.drop(str(other))
    assert precious.exists() and Path(model).exists() and path.exists()
    files.drop(str(path))
    files.drop(str(path))
    assert not path.exists()


def test_what_dead_writers_left_is_removed(files: KvFiles, model: str) -> None:
    path = put(files, "chat", key_of(model))
    fresh, stale = (path.with_name(f"{path.name}.{pid}.tmp") for pid in (1, 2))
    for part in (fresh, stale):
        part.write_bytes(b"half")
    os.utime(stale, (1, 1))
    assert STALE_S > 60
    assert files.prune() == 4
    assert fresh.exists() and not stale.exists() and path.exists()
    assert files.clear() == (1, 104)
    assert not fresh.exists()


def test_foreign_files_are_neither_counted_nor_touched(files: KvFiles, tmp_path: Path, model: str) -> None:
    path = put(files, "chat", key_of(model))
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    link = path.with_name(path.name.replace(path.name[:8], "01234567"))
    link.symlink_to(secret)
    folder = path.with_name(path.name.replace(path.name[:8], "89abcdef"))
    folder.mkdir()
    note = files.folder / "note.txt"
    note.write_text("mine")
    assert files.usage() == (1, 100)
    KvFiles(files.folder, quota=0).prune(living=())
    files.clear()
    assert not path.exists()
    assert link.is_symlink() and folder.is_dir() and note.exists() and secret.exists()


def test_a_link_in_a_files_place_is_not_followed(files: KvFiles, tmp_path: Path, model: str) -> None:
    (tmp_path / "secret").touch()
    files.place("chat", key_of(model)).symlink_to(tmp_path / "secret")
    assert files.find("chat", key_of(model)) is None


def test_files_that_vanish_meanwhile_are_no_error(files: KvFiles, model: str) -> None:
    failed: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(30):
                chat = f"chat {(number + turn) % 5}"
                put(files, chat, key_of(model), size=300)
                (files.prune, files.usage, files.clear)[turn % 3]()
                files.forget_chat(chat)
        except FileNotFoundError:
            pass  # of this test's own writing: another thread removed the file
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    files.prune()
    assert files.usage()[1] <= files.quota


SAVED = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 2), st.integers(0, 600), st.integers(0, 10_000)), max_size=12
)


@given(saved=SAVED, quota=st.integers(0, 2000), needed=st.integers(0, 2500))
def test_what_stays_fits_and_is_what_was_used_last(
    tmp_path_factory: pytest.TempPathFactory, saved: list[tuple[int, int, int, int]], quota: int, needed: int
) -> None:
    files = KvFiles(tmp_path_factory.mktemp("kv"), quota)
    for chat, model, size, age in saved:
        put(files, f"chat {chat}", key_of(f"/no/model {model}"), size, age)
    before = {path: path.stat() for path in files.folder.iterdir()}
    freed = files.prune(needed)
    after = set(files.folder.iterdir())
    gone = before.keys() - after
    assert freed == sum(before[path].st_size for path in gone)
    total = sum(before[path].st_size for path in after)
    assert total <= max(0, quota - needed) or not total
    # Only what is too large by itself goes before something that was used longer ago.
    for path in gone:
        if before[path].st_size <= quota:
            assert all(before[path].st_mtime_ns <= before[kept].st_mtime_ns for kept in after)
            left = total + before[path].st_size
            assert (
                left
                + sum(
                    before[other].st_size
                    for other in gone
                    if other != path
                    and before[other].st_size <= quota
                    and before[other].st_mtime_ns > before[path].st_mtime_ns
                )
                > quota - needed
            )
