"""What lies on disk, and freeing it: never a model, never a chat, never through a link."""

import os
import time
from pathlib import Path

import pytest

from kensho_tui.config.paths import Paths
from kensho_tui.core.model_contract import Store
from kensho_tui.host import disk
from kensho_tui.host.disk import STALE_S, disk_use, free

OLD = time.time() - STALE_S - 60


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    paths = Paths(*(tmp_path / name for name in ("config", "data", "cache", "logs", "run")))
    for folder in (paths.config, paths.models, paths.cache / "kv", paths.logs):
        folder.mkdir(parents=True)
    return paths


def put(path: Path, size: int, *, old: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    if old:
        os.utime(path, (OLD, OLD))
    return path


def fill(paths: Paths) -> dict[str, Path]:
    """One file of each kind, each of another power of two bytes."""
    data, models = paths.data, paths.models
    return {
        "model": put(models / "sub" / "a.gguf", 1),
        "binned": put(models / ".bin" / "abc" / "b.gguf", 2),
        "kv": put(paths.cache / "kv" / "c.kv", 4),
        "kv being written": put(paths.cache / "kv" / "c.kv.1.tmp", 8),
        "given up": put(models / ".partial" / "d.part", 16, old=True),
        "given up note": put(models / ".partial" / "d.json", 32, old=True),
        "under way": put(models / ".partial" / "e.part", 64),
        "under way note": put(models / ".partial" / "e.json", 128, old=True),
        "log": put(paths.logs / "host.log", 256),
        "old log": put(paths.logs / "host.log.1", 512),
        "database": put(data / "kensho.db", 1024),
        "write-ahead log": put(data / "kensho.db-wal", 2048),
        "copy": put(data / "kensho.db.before-0002-models", 4096),
        "set aside": put(data / "kensho.db.damaged-20260101-000000", 8192),
        "unsaved": put(data / "unsaved-abc.txt", 16384),
        "other": put(data / "host.lock", 32768),
    }


CAN_GO = {"binned", "kv", "given up", "given up note", "old log", "copy"}


def stores(paths: Paths) -> dict[str, Store]:
    return {store.name: store for store in disk_use(paths).stores}


def test_what_lies_where(paths: Paths) -> None:
    fill(paths)
    found = {name: (one.files, one.size, one.freeable) for name, one in stores(paths).items()}
    assert found == {
        "models": (1, 1, 0),
        "bin": (1, 2, 2),
        "kv": (2, 12, 4),
        "partial": (4, 240, 48),
        "logs": (2, 768, 512),
        "database": (2, 3072, 0),
        "copies": (3, 28672, 4096),
    }
    assert stores(paths)["bin"].path == str(paths.models / ".bin")
    assert stores(paths)["database"].title == "Chats, metrics, benchmarks"


def test_all_that_can_go_goes_and_nothing_else(paths: Paths) -> None:
    files = fill(paths)
    promised = sum(store.freeable for store in disk_use(paths).stores)
    freed = free(paths)
    assert (freed.size, freed.files) == (promised, len(CAN_GO))
    assert {name for name, path in files.items() if not path.exists()} == CAN_GO
    assert list((paths.models / ".bin").iterdir()) == []
    assert free(paths).files == 0


@pytest.mark.parametrize("name", ["models", "bin", "kv", "partial", "logs", "database", "copies"])
def test_one_store_alone(paths: Paths, name: str) -> None:
    fill(paths)
    before = stores(paths)
    freed = free(paths, (name,))  # type: ignore[arg-type]
    assert freed.size == before[name].freeable
    after = stores(paths)
    assert {other for other in before if before[other] != after[other]} == ({name} if freed.files else set())


def test_a_download_under_way_stays_however_old(paths: Paths) -> None:
    files = fill(paths)
    free(paths, in_use=[files["given up"]])
    assert files["given up"].exists() and files["given up note"].exists()


def test_an_empty_home(tmp_path: Path) -> None:
    paths = Paths(*(tmp_path / name for name in ("config", "data", "cache", "logs", "run")))
    assert all((store.files, store.size) == (0, 0) for store in disk_use(paths).stores)
    assert free(paths).files == 0


def test_links_lead_nowhere(paths: Paths, tmp_path: Path) -> None:
    precious = put(tmp_path / "precious" / "c.kv", 100)
    (paths.cache / "kv" / "link.kv").symlink_to(precious)
    (paths.models / ".bin").mkdir()
    (paths.models / ".bin" / "abc").symlink_to(precious.parent)
    (paths.models / "up").symlink_to(tmp_path)
    assert all(store.size == 0 for store in disk_use(paths).stores)
    assert free(paths).files == 0 and precious.exists()


def test_what_cannot_be_removed_is_not_counted(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    files = fill(paths)
    unlink = Path.unlink

    def refusing(self: Path, missing_ok: bool = False) -> None:
        if self == files["copy"]:
            raise PermissionError(13, "Permission denied")
        unlink(self, missing_ok)

    monkeypatch.setattr(Path, "unlink", refusing)
    assert free(paths).files == len(CAN_GO) - 1
    assert files["copy"].exists()


def test_the_copies_lie_beside_the_real_database(paths: Paths, tmp_path: Path) -> None:
    real = put(tmp_path / "disk" / "kensho.db", 10)
    copy = put(tmp_path / "disk" / "kensho.db.before-0002-models", 20)
    paths.database.symlink_to(real)
    assert (stores(paths)["database"].size, stores(paths)["copies"].freeable) == (10, 20)
    free(paths)
    assert real.exists() and paths.database.is_symlink() and not copy.exists()


def test_looking_is_bounded(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        put(paths.models / f"{number:02}" / "a.gguf", 1)
    monkeypatch.setattr(disk, "MAX_ENTRIES", 25)
    assert 0 < stores(paths)["models"].files < 20


@pytest.mark.parametrize("name", [".partial", ".bin"])
def test_a_store_that_is_a_link_is_somebody_elses(paths: Paths, tmp_path: Path, name: str) -> None:
    theirs = put(tmp_path / "documents" / "thesis.txt", 100, old=True)
    (tmp_path / "documents" / "empty").mkdir()
    (paths.models / name).symlink_to(tmp_path / "documents")
    assert free(paths).files == 0
    assert theirs.exists() and (tmp_path / "documents" / "empty").exists()
