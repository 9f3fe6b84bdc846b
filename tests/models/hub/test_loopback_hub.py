"""The loopback hub is what the real client takes for a hub, and what it breaks is broken as told."""

import hashlib
import socket
import time
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import HfApi, get_hf_file_metadata, hf_hub_url
from huggingface_hub.errors import (
    GatedRepoError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import RepoFile

from kensho_tui.models.gguf.read import read_shape
from tests.support.home import wait_until
from tests.support.loopback_hub import MIB, MISSING, Cut, Failure, Generated, Listed, LoopbackHub, Stall

FILE = "tiny-Q4_K_M.gguf"
REPO = "owner/tiny-GGUF"


@pytest.fixture
def api(loopback_hub: LoopbackHub) -> HfApi:
    return HfApi(endpoint=loopback_hub.url, token=False)


def address(hub: LoopbackHub, repo: str = REPO, file: str = FILE, revision: str | None = None) -> str:
    return hf_hub_url(repo, file, revision=revision, endpoint=hub.url)


def get(url: str, **headers: str) -> httpx2.Response:
    return httpx2.get(url, headers={name.replace("_", "-"): to for name, to in headers.items()}, timeout=10)


def test_the_client_searches_page_by_page(loopback_hub: LoopbackHub, api: HfApi) -> None:
    loopback_hub.page = 7
    for number in range(30):
        loopback_hub.add(f"owner/model-{number}", {FILE: b""}, downloads=number)
    loopback_hub.add("owner/model-without", {"model.safetensors": b""}, downloads=99)
    found = list(api.list_models(search="Model", filter="gguf", sort="downloads", limit=20))
    assert [one.downloads for one in found] == list(range(29, 9, -1))
    assert [len(loopback_hub.requests), found[0].siblings] == [3, None]


def test_the_client_gets_the_fields_it_asks_for(loopback_hub: LoopbackHub, api: HfApi) -> None:
    gguf = {"total": 134515008, "architecture": "llama", "context_length": 8192}
    extra = {"likes": "many", "downloads": MISSING}
    loopback_hub.add(
        REPO, {FILE: b"GGUF"}, gguf=gguf, licence="mit", gated="manual", extra=extra, downloads=3
    )
    (one,) = api.list_models(filter="gguf", expand=["gguf", "likes", "downloads", "gated", "siblings"])
    told: list[object] = [one.gguf, one.likes, one.downloads, one.gated, one.tags]
    assert told == [gguf, "many", None, "manual", None]
    assert [each.rfilename for each in one.siblings or ()] == [FILE]
    assert "license:mit" in (api.model_info(REPO).tags or ())


def test_the_client_reads_sizes_hashes_and_trees(loopback_hub: LoopbackHub, api: HfApi) -> None:
    data = Generated(3 * MIB)
    repo = loopback_hub.add(REPO, {FILE: data, "README.md": b"hi", "sub/other.gguf": Listed(2**70)})
    loopback_hub.page = 2
    siblings = {each.rfilename: each for each in api.model_info(REPO, files_metadata=True).siblings or ()}
    lfs = siblings[FILE].lfs
    assert lfs is not None
    assert (siblings[FILE].size, lfs.sha256) == (data.size, data.sha256)
    assert (siblings["README.md"].lfs, siblings["sub/other.gguf"].size) == (None, 2**70)
    tree = list(api.list_repo_tree(REPO, recursive=True))
    assert [one.path for one in tree if isinstance(one, RepoFile)] == list(repo.files)
    old = repo.sha
    new = repo.commit({FILE: b"GGUF again"})
    told = [get_hf_file_metadata(address(loopback_hub, revision=each)) for each in (old, "main")]
    assert [(each.commit_hash, each.size, each.etag) for each in told] == [
        (old, data.size, data.sha256),
        (new, 10, hashlib.sha256(b"GGUF again").hexdigest()),
    ]


def test_the_client_understands_every_refusal(loopback_hub: LoopbackHub, api: HfApi) -> None:
    loopback_hub.add(REPO, {FILE: b"GGUF"}, gated="auto")
    loopback_hub.add("owner/private", {FILE: b"GGUF"}, private=True)
    loopback_hub.tokens = {"hf_reader": {REPO, "owner/private"}, "hf_other": set()}
    loopback_hub.moved["owner/old"] = REPO
    for token in ("", "hf_other"):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        assert get(address(loopback_hub), **headers).status_code == (403 if token else 401)
        with pytest.raises(GatedRepoError):
            get_hf_file_metadata(address(loopback_hub), token=token or False)
        for missing in ("owner/private", "owner/missing"):
            with pytest.raises(RepositoryNotFoundError):
                api.model_info(missing, token=token or False)
    with pytest.raises(RevisionNotFoundError):
        api.model_info(REPO, revision="nowhere")
    with pytest.raises(RemoteEntryNotFoundError):
        get_hf_file_metadata(address(loopback_hub, file="other.gguf"), token="hf_reader")
    assert get_hf_file_metadata(address(loopback_hub, "owner/old"), token="hf_reader").size == 4
    assert api.model_info("owner/private", token="hf_reader").private
    assert loopback_hub.tokens_seen() == {"hf_reader", "hf_other"}


def test_parts_of_a_file(loopback_hub: LoopbackHub) -> None:
    data = Generated(3 * MIB)
    loopback_hub.add(REPO, {FILE: data})
    whole = data.read(0, data.size)
    url, good, other = address(loopback_hub), f'"{data.sha256}"', '"other"'
    found = get(url, Range="bytes=1048570-")
    assert (found.status_code, found.content) == (206, whole[1048570:])
    assert found.headers["Content-Range"] == f"bytes 1048570-{data.size - 1}/{data.size}"
    assert get(url, Range="bytes=10-19", If_Range=good).content == whole[10:20]
    assert get(url, Range="bytes=10-19", If_Range=other).status_code == 200
    assert get(url, Range=f"bytes={data.size}-").status_code == 416
    assert loopback_hub.twice(FILE) == 10 + (data.size - 1048570)
    assert hashlib.sha256(whole).hexdigest() == data.sha256
    assert data.read(1000, 2 * MIB) == whole[1000 : 1000 + 2 * MIB]


def test_bytes_from_the_other_port(loopback_hub: LoopbackHub) -> None:
    file = loopback_hub.add(REPO, {FILE: Generated(MIB)})[FILE]
    file.knobs.redirect, file.knobs.redirect_uses = True, 1
    found = get(address(loopback_hub))
    assert found.status_code == 302
    assert found.headers["Location"].startswith(loopback_hub.cdn.url)
    assert [get(found.headers["Location"]).status_code for _ in range(2)] == [200, 403]
    requests = loopback_hub.cdn.requests
    # The hub counts what it has sent after whoever asked has it.
    wait_until(lambda: [one.sent for one in requests] == [MIB, 7], 5, "for both replies to be counted")
    assert get_hf_file_metadata(address(loopback_hub)).size == MIB


def test_connections_that_end_stall_or_lie(loopback_hub: LoopbackHub) -> None:
    file = loopback_hub.add(REPO, {FILE: Generated(MIB)})[FILE]
    for reset, expected in ((False, httpx2.RemoteProtocolError), (True, httpx2.ReadError)):
        file.knobs.cut = Cut(after=300_000, reset=reset, times=1)
        got = 0
        with pytest.raises(expected), httpx2.stream("GET", address(loopback_hub)) as reply:
            for piece in reply.iter_bytes():
                got += len(piece)
        assert got == 300_000
        assert get(address(loopback_hub)).status_code == 200
    file.knobs.stall = Stall(after=1000)
    with pytest.raises(httpx2.ReadTimeout):
        httpx2.get(address(loopback_hub), timeout=0.2)
    file.knobs.stall = None
    file.knobs.length_off = 5
    with pytest.raises(httpx2.RemoteProtocolError):
        get(address(loopback_hub))
    file.knobs.length_off = -5
    assert len(get(address(loopback_hub)).content) == MIB - 5
    file.knobs.length_off = None
    file.knobs.chunked = True
    assert len(get(address(loopback_hub)).content) == MIB


def test_failures_and_changed_files(loopback_hub: LoopbackHub) -> None:
    loopback_hub.serve("/any/address.gguf", b"GGUF one")
    url, file = loopback_hub.url + "/any/address.gguf", loopback_hub.file("/any/address.gguf")
    loopback_hub.knobs.failure = Failure(status=429, times=2, retry_after=3, where="files")
    assert [get(url).status_code for _ in range(3)] == [429, 429, 200]
    file.knobs.failure = Failure(status=429, times=1, retry_after=3, date=True)
    assert get(url).headers["Retry-After"].endswith(" GMT")
    old = get(url).headers["ETag"]
    file.change(b"GGUF two")
    found = get(url, Range="bytes=5-", If_Range=old)
    assert (found.status_code, found.content) == (200, b"GGUF two")
    file.knobs.ignore_range = True
    assert get(url, Range="bytes=5-").content == b"GGUF two"
    loopback_hub.answer("/api/models/owner/odd", b"[" * 100_000, 203, X_Odd="yes")
    found = get(loopback_hub.url + "/api/models/owner/odd")
    assert (found.status_code, found.headers["X-Odd"], len(found.content)) == (203, "yes", 100_000)


def test_the_rate_is_kept(loopback_hub: LoopbackHub) -> None:
    loopback_hub.serve("/file", Generated(2 * MIB, model=False))
    loopback_hub.knobs.rate = 8e6
    began = time.monotonic()
    assert len(get(loopback_hub.url + "/file").content) == 2 * MIB
    assert (time.monotonic() - began) * 8e6 / (2 * MIB) > 0.8


def test_made_up_files_have_the_header_of_a_model(tmp_path: Path) -> None:
    path = tmp_path / FILE
    path.write_bytes(Generated(MIB).read(0, MIB))
    assert read_shape(path).architecture == "llama"


def test_it_ends_with_somebody_waiting() -> None:
    with LoopbackHub() as hub:
        hub.serve("/file", b"GGUF" * 100)
        hub.knobs.stall = Stall(after=10)
        waiting = socket.create_connection(("127.0.0.1", hub.port))
        waiting.sendall(b"GET /file HTTP/1.1\r\n\r\n")
        while not any(one.sent for one in hub.requests):
            time.sleep(0.01)
    waiting.settimeout(10)
    while waiting.recv(1000):
        pass
    waiting.close()
