"""Where bytes come from while somebody changes it: files of this machine, slow addresses, odd redirects."""

import asyncio
import os
import socket
import threading
from pathlib import Path

import httpx2
import pytest

from kensho_tui.core.errors import KenshoError, OfflineError, UsageError
from kensho_tui.core.hub_contract import Download
from kensho_tui.models.downloads import fetch, origins
from kensho_tui.models.downloads.fetch import Try
from kensho_tui.models.downloads.local import resolve_file
from kensho_tui.models.downloads.origins import AllOrigins
from kensho_tui.models.downloads.part_file import PartFile
from kensho_tui.models.downloads.patience import Patience
from kensho_tui.models.downloads.space import Space
from kensho_tui.models.hub.remote import FileReference, RemoteModel, RemotePart
from kensho_tui.models.sources import Elsewhere
from tests.models.downloads.conftest import Desk
from tests.support.gguf import write_model
from tests.support.loopback_hub import MIB, Generated


@pytest.fixture
def local(desk: Desk) -> Path:
    """A model of this machine; the desk fetches files by their paths."""

    async def resolve(what: str, revision: str | None) -> RemoteModel:
        return resolve_file(FileReference(what), desk.models)

    desk.origins.resolve = resolve  # type: ignore[method-assign]
    path = desk.models.parent / "mine.gguf"
    write_model(path)
    return path


async def changed_while_copied(
    desk: Desk, local: Path, monkeypatch: pytest.MonkeyPatch, change: bytes, at: int
) -> Download:
    """After the first block `change` is written into the file, ``at`` bytes from its end."""
    monkeypatch.setattr(fetch, "LOCAL_BLOCK", 1 << 12)
    half, written, real = threading.Event(), threading.Event(), PartFile.append

    def append(self: PartFile, block: bytes) -> None:
        real(self, block)
        half.set()
        written.wait(10)

    monkeypatch.setattr(PartFile, "append", append)
    await desk.start(str(local))
    await asyncio.to_thread(half.wait, 10)
    with local.open("r+b") as file:
        file.seek(at, os.SEEK_END)
        file.write(change)
        os.utime(file.fileno(), ns=(1, 1))
    written.set()
    return await desk.ended()


@pytest.mark.parametrize("at", [-8, 0], ids=["within", "behind"])
async def test_a_file_that_changes_while_it_is_copied_is_not_installed(
    desk: Desk, local: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    failed = await changed_while_copied(desk, local, monkeypatch, b"CHANGED!", at)
    assert (failed.state, failed.code, failed.done) == ("failed", "damaged", 0)
    assert "changed while it was copied" in failed.error
    monkeypatch.undo()
    await desk.change(failed, "resume")
    assert (await desk.ended()).state == "done"
    assert (desk.models / "mine.gguf").read_bytes() == local.read_bytes()


async def test_a_file_that_became_a_fifo_holds_up_nothing(desk: Desk, local: Path) -> None:
    real = desk.origins.resolve

    async def resolve(what: str, revision: str | None) -> RemoteModel:
        found = await real(what, revision)
        local.unlink()
        os.mkfifo(local)
        return found

    desk.origins.resolve = resolve  # type: ignore[method-assign]
    await desk.start(str(local))
    failed = await desk.ended()
    assert failed.state == "failed" and "is no file any more" in failed.error


async def test_what_is_in_the_way_is_said_before_anything_is_fetched(desk: Desk) -> None:
    desk.hub.add("owner/name", {"tiny.gguf": Generated(3 * MIB)})
    place = desk.models / "owner" / "name" / "tiny.gguf"
    place.parent.mkdir(parents=True)
    place.symlink_to("/nowhere")
    with pytest.raises(UsageError, match="in the way"):
        await desk.start("owner/name/tiny.gguf")
    assert desk.hub.requests == [] and place.is_symlink()


async def test_a_part_that_nobody_fetched_is_said_before_anything_is(desk: Desk) -> None:
    whole = desk.models.parent / "whole"
    whole.mkdir()
    write_model(whole / "big.gguf", parts=2)
    names = sorted(path.name for path in whole.iterdir())
    desk.hub.add("owner/name", {name: whole / name for name in names})
    (desk.models / "owner" / "name").mkdir(parents=True)
    (desk.models / "owner" / "name" / names[1]).write_bytes((whole / names[1]).read_bytes())
    with pytest.raises(UsageError, match="is here already"):
        await desk.start("owner/name/" + "+".join(names))
    assert desk.hub.requests == []


async def test_an_address_that_dribbles_is_given_up_and_its_line_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(origins, "ANSWER_S", 0.4)
    gone = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def dribble() -> None:
            line, _ = server.accept()
            line.settimeout(10)
            line.recv(1 << 16)
            line.sendall(b"HTTP/1.1 200 OK\r\n")
            try:
                for number in range(1000):
                    line.sendall(b"X-%d: y\r\n" % number)
                    if gone.wait(0.02):
                        break
            except OSError:
                gone.set()
            line.close()

        thread = threading.Thread(target=dribble, daemon=True)
        thread.start()

        class NoHub:
            def headers(self, url: str) -> dict[str, str]:
                return {}

        found = AllOrigins(NoHub, tmp_path, Elsewhere())  # type: ignore[arg-type]
        address = f"http://127.0.0.1:{server.getsockname()[1]}/tiny.gguf?signature=secret"
        with pytest.raises(OfflineError, match="did not answer") as raised:
            await found.resolve(address, None)
        assert "secret" not in raised.value.line()
        assert await asyncio.to_thread(gone.wait, 10)
        await asyncio.to_thread(thread.join, 10)


def test_no_hop_of_a_redirect_may_be_without_encryption(tmp_path: Path) -> None:
    part = RemotePart(url="https://a.example/tiny.gguf", name="tiny.gguf")
    with PartFile(tmp_path / "part") as file:
        attempt = Try(
            part=part,
            etag="",
            headers=lambda url: {},
            file=file,
            space=Space(tmp_path),
            patience=Patience(),
            learned=lambda size, etag: None,
        )
        answer = httpx2.Response(200, request=httpx2.Request("GET", "https://c.example/"), content=b"GGUF")
        answer.history = [httpx2.Response(302, request=httpx2.Request("GET", "http://b.example/"))]
        with pytest.raises(KenshoError, match="without encryption"):
            attempt._take(answer)
        assert file.size == 0
