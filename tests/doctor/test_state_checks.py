"""Settings, database, host, folders: sound ones and broken ones."""

import json
import os
import socket
import sqlite3
import threading
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from kensho_tui.bus.codec import encode
from kensho_tui.config.settings import load_settings
from kensho_tui.core.contract import PROTOCOL
from kensho_tui.core.errors import DatabaseNewerError
from kensho_tui.core.frames import Welcome
from kensho_tui.host.doctor import folders, state_checks
from kensho_tui.host.doctor.check import Surroundings
from kensho_tui.storage.migrations import MIGRATIONS
from kensho_tui.storage.opening import prepare
from tests.support.home import Home


def test_python_and_installation(around: Surroundings) -> None:
    assert state_checks.check_python(around).ok
    found = state_checks.check_installation(around)
    assert found.ok, found.detail
    assert ("textual", "8.2.8") in state_checks.pinned()
    assert {name for name, _ in state_checks.pinned()} == {"textual", "llama-cpp-python"}


def test_a_package_of_another_version(around: Surroundings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_checks, "pinned", lambda: [("msgspec", "0.0.1"), ("no-such-package", "1")])
    found = state_checks.check_installation(around)
    assert not found.ok
    assert "msgspec" in found.detail
    assert "no-such-package missing" in found.detail
    assert found.fix.startswith("pip install")


def test_settings(home: Home, around: Surroundings) -> None:
    assert state_checks.check_settings(around).ok
    home.settings('linger = "long"\nnonsense = 1\n')
    settings, problems = load_settings(home.paths.settings)
    found = state_checks.check_settings(replace(around, settings=settings, problems=problems))
    assert not found.ok
    assert "linger" in found.detail
    assert "nonsense" in found.detail
    assert str(home.paths.settings) in found.fix


def test_no_database_is_fine(around: Surroundings) -> None:
    assert state_checks.check_database(around).detail == "no chats yet"


def test_a_sound_database_is_left_as_it_is(around: Surroundings) -> None:
    path = around.paths.database
    prepare(path, MIGRATIONS)
    before = {file.name: file.read_bytes() for file in path.parent.glob("kensho.db*")}
    assert state_checks.check_database(around).ok
    assert {file.name: file.read_bytes() for file in path.parent.glob("kensho.db*")} == before


def test_a_database_beside_a_writer(around: Surroundings) -> None:
    path = around.paths.database
    prepare(path, MIGRATIONS)
    with sqlite3.connect(path, isolation_level=None) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO chats (id, title, created, updated) VALUES ('a', 't', '', '')")
        assert state_checks.check_database(around).ok
        writer.execute("COMMIT")
    writer.close()


@pytest.mark.parametrize(
    "content", [b"no database at all, only words" * 100, b"SQLite format 3\0" + b"\xff" * 8000]
)
def test_a_damaged_database(around: Surroundings, content: bytes) -> None:
    around.paths.database.write_bytes(content)
    found = state_checks.check_database(around)
    assert not found.ok
    assert "damaged" in found.detail
    assert found.fix
    assert around.paths.database.read_bytes() == content


def test_a_database_that_was_set_aside(around: Surroundings) -> None:
    path = around.paths.database
    prepare(path, MIGRATIONS)
    assert state_checks.check_set_aside(around).ok
    path.with_name("kensho.db.damaged-20261122-050617").write_bytes(bytes(3 << 20))
    path.with_name("kensho.db.damaged-20261122-050617-wal").touch()
    found = state_checks.check_set_aside(around)
    assert not found.ok
    assert "on 22 November 2026 at 05:06: " in found.detail
    assert f"{path}.damaged-20261122-050617, 3 MiB" in found.detail
    command = f"rm {path}.damaged-20261122-050617 {path}.damaged-20261122-050617-wal"
    assert found.fix.endswith(command) and "Once your chats are there" in found.fix
    path.with_name("kensho.db.damaged-by hand").touch()
    found = state_checks.check_set_aside(around)
    assert "set aside: " in found.detail and " and 1 more" in found.detail
    assert f"rm {path}" in found.fix and f"'{path}.damaged-by hand'" in found.fix


def test_a_database_of_a_newer_version(around: Surroundings) -> None:
    prepare(around.paths.database, MIGRATIONS)
    with sqlite3.connect(around.paths.database) as connection:
        connection.execute(
            "INSERT INTO migrations (name, applied, version) VALUES ('9999-later', '2030-01-01', '9.9')"
        )
    connection.close()
    with pytest.raises(DatabaseNewerError) as caught:
        state_checks.check_database(around)
    assert "9.9" in caught.value.hint


def test_no_host(around: Surroundings) -> None:
    assert state_checks.check_host(around).detail == "not running: it starts on demand"


def test_a_running_host(home: Home, around: Surroundings) -> None:
    pid = home.start_scripted_host()
    found = state_checks.check_host(around)
    assert found.ok
    assert f"running, pid {pid}" in found.detail


def test_a_socket_nobody_listens_on(around: Surroundings) -> None:
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(around.paths.socket))
    try:
        assert state_checks.check_host(around).ok
    finally:
        around.paths.socket.unlink()


def _answering(path: Path, reply: bytes) -> tuple[socket.socket, threading.Thread]:
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()

    def serve() -> None:
        link, _ = server.accept()
        with link:
            link.recv(65536)
            link.sendall(reply)

    thread = threading.Thread(target=serve)
    thread.start()
    return server, thread


@pytest.mark.parametrize(
    ("reply", "ok", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", False, "cannot be used"),
        (b"", False, "cannot be used"),
        (
            encode(Welcome(accepted=False, protocol=PROTOCOL + 1, version="9", pid=1, busy=True)),
            False,
            "another protocol",
        ),
        (
            encode(
                Welcome(
                    accepted=True, protocol=PROTOCOL, version="9", pid=1, busy=False, differs=("HF_TOKEN",)
                )
            ),
            True,
            "other values of HF_TOKEN",
        ),
    ],
)
def test_who_else_may_answer(around: Surroundings, reply: bytes, ok: bool, words: str) -> None:
    server, thread = _answering(around.paths.socket, reply)
    try:
        found = state_checks.check_host(around)
    finally:
        thread.join()
        server.close()
        around.paths.socket.unlink()
    assert found.ok is ok
    assert words in found.detail
    assert found.fix


def test_the_lock_of_another_machine(around: Surroundings) -> None:
    around.paths.lock.write_text(json.dumps({"machine": "elsewhere", "pid": 1}))
    found = state_checks.check_host(around)
    assert "elsewhere" in found.detail
    assert "KENSHO_HOME" in found.fix


def test_disk(around: Surroundings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "GiB free" in folders.check_disk(around).detail
    usage = type(folders.shutil.disk_usage("/"))
    for free, ok, advice in ((10 << 20, False, True), (1 << 30, True, True), (100 << 30, True, False)):
        monkeypatch.setattr(folders.shutil, "disk_usage", lambda path, free=free: usage(1 << 40, 0, free))
        found = folders.check_disk(around)
        assert (found.ok, bool(found.fix)) == (ok, advice)


MOUNTS = [
    ("/", "ext4"), ("/home", "nfs4"), ("/home/me/local", "xfs"), ("/mnt/a b", "cifs"), ("/mnt", "tmpfs"),
    ("/mnt", "fuse.sshfs"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/x", "ext4"),
        ("/home/me", "nfs4"),
        ("/homes", "ext4"),
        ("/home/me/local/deep", "xfs"),
        ("/mnt/a b/c", "cifs"),
        ("/mnt/other", "fuse.sshfs"),
    ],
)
def test_file_system(path: str, kind: str) -> None:
    assert folders.file_system(Path(path), MOUNTS) == kind


def test_network_home(around: Surroundings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert folders.check_network_home(around).ok
    disk = psutil.disk_partitions(all=True)[0]._replace(mountpoint="/", fstype="nfs4")
    monkeypatch.setattr(folders.psutil, "disk_partitions", lambda all: [disk])
    found = folders.check_network_home(around)
    assert not found.ok
    assert "nfs4" in found.detail
    assert "KENSHO_HOME" in found.fix


def test_permissions(around: Surroundings) -> None:
    assert folders.check_permissions(around).ok
    around.paths.data.chmod(0o755)
    around.paths.database.touch(0o600)
    around.paths.database.chmod(0o644)
    found = folders.check_permissions(around)
    assert not found.ok
    assert f"chmod go= {around.paths.data}" in found.fix
    assert f"chmod go= {around.paths.database}" in found.fix


def test_folders_that_cannot_be_made(around: Surroundings, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = replace(around.paths, cache=around.paths.data / "a" / "b")
    monkeypatch.setattr(os, "access", lambda path, mode: path != around.paths.data)
    found = folders.check_permissions(replace(around, paths=paths))
    assert not found.ok
    assert f"{paths.cache} cannot be created" in found.detail
    assert str(around.paths.data) in found.fix


def test_a_folder_of_somebody_else(around: Surroundings, monkeypatch: pytest.MonkeyPatch) -> None:
    uid = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: uid + 1)
    found = folders.check_permissions(around)
    assert not found.ok
    assert "belongs to somebody else" in found.detail
