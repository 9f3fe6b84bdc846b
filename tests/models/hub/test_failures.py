"""What goes wrong between here and a hub: each in its own words, soon, and with nothing given away."""

import asyncio
import time
from pathlib import Path

import pytest

from kensho_tui.core.errors import (
    GatedError,
    HubError,
    KenshoError,
    LimitedError,
    NotFoundError,
    OfflineError,
    UsageError,
)
from kensho_tui.core.hub_contract import SearchHub
from kensho_tui.models.hub import hub as hub_module
from kensho_tui.models.hub import wire
from kensho_tui.models.hub.remote import HubReference
from kensho_tui.models.hub.watch import Watch
from tests.models.hub.conftest import Place
from tests.support.loopback_hub import Cut, Failure, Listed, LoopbackHub, Stall

REPO = "owner/Tiny-GGUF"
FILE = "Tiny-Q8_0.gguf"
TOKEN = "hf_secret_token_of_this_test"


async def fails(place: Place, what: str = "files", reference: HubReference | None = None) -> KenshoError:
    """The error of a listing, a search, or of resolving."""
    with pytest.raises(KenshoError) as caught:
        if what == "search":
            await place.hub.search(SearchHub(query="tiny"))
        elif what == "resolve":
            await place.hub.resolve(reference or HubReference(REPO, file=FILE))
        elif what == "details":
            await place.hub.details(REPO, FILE, None)
        else:
            await place.hub.files(REPO, None)
    error = caught.value
    assert error.hint and error.line().isprintable()
    assert TOKEN not in error.line()
    return error


# --- who may ---------------------------------------------------------------------------------------------


async def test_gated_without_a_token(place: Place) -> None:
    place.far.add(REPO, {FILE: place.made("Q8_0"), "Tiny-Q4_K_M.gguf": place.made("Q4_K_M")}, gated="auto")
    for what in ("resolve", "details"):
        error = await fails(place, what)
        assert isinstance(error, GatedError)
        assert f"{place.far.url}/{REPO}" in error.hint and "HF_TOKEN" in error.hint
    listed = await place.hub.files(REPO, None)
    assert listed.repo.gated and len(listed.files) == 2
    assert "gated" in listed.note and all(not file.exact for file in listed.files)
    assert all(file.verdict is not None and file.verdict.kind == "fits" for file in listed.files)


async def test_gated_with_a_token(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.far.add(REPO, {FILE: place.made("Q8_0")}, gated="manual")
    place.far.tokens = {TOKEN: set()}
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    error = await fails(place, "resolve")
    assert isinstance(error, GatedError) and "has no access" in error.message and "same account" in error.hint
    place.far.tokens = {TOKEN: {REPO}}
    assert (await place.hub.resolve(HubReference(REPO))).size
    assert (await place.hub.details(REPO, FILE, None)).file.exact


async def test_private_and_missing_are_told_alike(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        error = await fails(place)
        assert isinstance(error, NotFoundError) and "or it is private" in error.message
        assert "HF_TOKEN" in error.hint
        place.far.add(REPO, {FILE: place.made("Q8_0")}, private=True)
    place.far.tokens = {TOKEN: set()}
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    error = await fails(place)
    assert isinstance(error, NotFoundError) and "token that is set" in error.hint
    place.far.tokens = {TOKEN: {REPO}}
    assert (await place.hub.files(REPO, None)).repo.private


async def test_a_token_that_nobody_knows(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.far.add(REPO, {FILE: place.made("Q8_0")})
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    error = await fails(place)
    assert isinstance(error, GatedError) and "does not accept the token" in error.message


@pytest.mark.parametrize("token", ["hf_\x00secret", "hf_sëcret", "hf_secret\r\nX-Other: 1"])
async def test_a_token_that_cannot_be_sent(place: Place, monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    place.far.add(REPO, {FILE: place.made("Q8_0")})
    place.far.tokens = {TOKEN: set()}
    import os

    monkeypatch.setattr(os, "environ", {**os.environ, "HF_TOKEN": token})
    error = await fails(place)
    assert isinstance(error, GatedError) and "secret" not in error.line() and "cret" not in error.line()


async def test_the_token_file(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    file = tmp_path / "token"
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(file))
    file.write_text(f"{TOKEN}\n", encoding="utf-8")
    place.far.add(REPO, {FILE: place.made("Q8_0")}, private=True)
    place.far.tokens = {TOKEN: {REPO}}
    assert (await place.hub.files(REPO, None)).files
    file.unlink()
    file.mkdir()
    assert f"{file} cannot be read" in (await fails(place)).message
    with pytest.raises(HubError):
        place.hub.headers(f"{place.far.url}/x")


async def test_disabled_and_without_such_a_revision(place: Place) -> None:
    place.far.add(REPO, {FILE: place.made("Q8_0")})
    error = await fails(place, "resolve", HubReference(REPO, revision="v9"))
    assert isinstance(error, NotFoundError) and "revision" in error.message
    place.far.repos[REPO].disabled = True
    error = await fails(place)
    assert isinstance(error, NotFoundError) and "disabled" in error.message


async def test_the_token_stays_with_the_hub(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the port that bytes come from sees it, nor whom the hub sends us to, nor another address."""
    with LoopbackHub() as other:
        repo = place.far.add(REPO, {FILE: place.made("Q8_0")})
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        place.far.tokens = {TOKEN: set()}
        repo[FILE].knobs.redirect = True
        assert (await place.hub.details(REPO, FILE, None)).file.exact
        assert place.far.cdn.requests and place.far.main.requests
        assert all(request.token == "" for request in place.far.cdn.requests)
        assert {request.token for request in place.far.requests} == {TOKEN}
        place.far.answer("/api/models", [{"id": "a/b"}], Link=f'<{other.url}/api/models>; rel="next"')
        other.answer("/api/models", [{"id": "c/d"}])
        assert len((await place.hub.search(SearchHub(query="x"))).repos) == 2
        place.far.answer(f"/api/models/{REPO}", {}, 307, Location=f"{other.url}/api/models/{REPO}")
        with pytest.raises(NotFoundError):
            await place.hub.files(REPO, None)
        assert len(other.requests) == 2 and other.tokens_seen() == set()
        there = await asyncio.to_thread(place.hub.headers, f"{other.url}/x.gguf")
    assert {name.lower() for name in there} == {"user-agent"}
    own = await asyncio.to_thread(place.hub.headers, f"{place.far.url}/{REPO}/resolve/main/x.gguf")
    assert own["authorization"] == f"Bearer {TOKEN}"


# --- the line ---------------------------------------------------------------------------------------------


async def test_told_to_stay_offline(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for what in ("search", "files", "resolve"):
        error = await fails(place, what)
        assert isinstance(error, OfflineError) and "HF_HUB_OFFLINE" in error.message
    with pytest.raises(OfflineError):
        place.hub.headers(f"{place.far.url}/x")
    assert place.hub.headers("https://example.org/x.gguf").keys() == {"user-agent"}
    assert place.asked() == []


async def test_no_way_to_it(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    error = await fails(place)
    assert isinstance(error, OfflineError) and "127.0.0.1:1" in error.message
    monkeypatch.setenv("HF_ENDPOINT", "http://no-such-host.invalid")
    assert isinstance(await fails(place), OfflineError)


@pytest.mark.parametrize(
    "endpoint", ["huggingface.co", "ftp://x", "https://me:secret@hub.example", "https://"]
)
async def test_an_endpoint_that_is_none(place: Place, monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    error = await fails(place)
    assert isinstance(error, UsageError) and "HF_ENDPOINT" in error.message and "secret" not in error.line()


async def test_a_proxy_of_the_environment_is_used(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import close_session

    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    for name in ("NO_PROXY", "no_proxy", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    close_session()
    try:
        assert isinstance(await fails(place), OfflineError)
        assert place.asked() == []
    finally:
        monkeypatch.delenv("HTTP_PROXY")
        close_session()


async def test_certificates_that_are_not_there(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import close_session

    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent/certificates.pem")
    close_session()
    try:
        assert "SSL_CERT_FILE" in (await fails(place)).line()
    finally:
        monkeypatch.delenv("SSL_CERT_FILE")
        close_session()


@pytest.mark.parametrize("what", ["search", "files"])
@pytest.mark.parametrize(
    ("seconds", "said"),
    [(7, "7 s"), (600, "10 min"), (20_000, "6 h"), (10**8, "168 h"), (None, "some minutes")],
)
async def test_asked_too_often(place: Place, what: str, seconds: float | None, said: str) -> None:
    place.far.knobs.failure = Failure(status=429, retry_after=seconds)
    started = time.monotonic()
    error = await fails(place, what)
    assert isinstance(error, LimitedError) and said in error.line()
    assert time.monotonic() - started < 5, "the library would wait"
    assert len(place.asked()) == 1


async def test_the_hubs_own_way_to_say_so(place: Place) -> None:
    told = {"RateLimit": '"api";r=0;t=42', "RateLimit-Policy": '"fixed window";"api";q=500;w=300'}
    place.far.knobs.failure = Failure(status=429, headers=told)
    assert "42 s" in (await fails(place)).message
    place.far.knobs.failure = Failure(status=429, headers={"RateLimit": f'"api";r=0;t={"9" * 5000}'})
    assert isinstance(await fails(place), LimitedError)


@pytest.mark.parametrize("what", ["search", "files"])
async def test_out_of_order(place: Place, what: str) -> None:
    place.far.add(REPO, {FILE: place.made("Q8_0")})
    place.far.knobs.failure = Failure(status=503)
    error = await fails(place, what)
    assert type(error) is HubError and "503" in error.message
    assert len(place.asked()) == 2, "once more, and no more"
    place.far.knobs.failure = Failure(status=500, times=1)
    if what == "search":
        assert len((await place.hub.search(SearchHub(query="tiny"))).repos) == 1
    else:
        assert (await place.hub.files(REPO, None)).files


async def test_a_connection_that_breaks(place: Place) -> None:
    place.far.add(REPO, {FILE: place.made("Q8_0")})
    place.far.repos[REPO][FILE].knobs.cut = Cut(after=1000)
    error = await fails(place, "details")
    assert isinstance(error, HubError)
    listed = await place.hub.files(REPO, None)
    assert "verdicts rest on" in listed.note and listed.files[0].verdict is not None


async def test_a_hub_that_says_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "READ_S", 0.2)
    repo = place.far.add(REPO, {FILE: place.made("Q8_0"), "Tiny-Q4_K_M.gguf": place.made("Q4_K_M")})
    repo[FILE].knobs.stall = Stall(after=2000)
    error = await fails(place, "details")
    assert isinstance(error, HubError) and "does not answer" in error.message


async def test_a_hub_that_dribbles(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """No single wait is long, and all of them together would be."""
    monkeypatch.setattr(hub_module, "HEADER_S", 0.3)
    monkeypatch.setattr(hub_module, "LONGEST_S", 0.3)
    place.far.add(REPO, {FILE: place.made("Q8_0")})[FILE].knobs.drip = (100, 0.05)
    error = await fails(place, "details")
    assert "in full" in error.message
    assert "in full" in (await place.hub.files(REPO, None)).note


async def test_whoever_stops_waiting_frees_the_line(place: Place) -> None:
    """The thread that asks ends with the one who waited, though the hub says nothing."""
    import threading

    place.far.add(REPO, {FILE: place.made("Q8_0")})[FILE].knobs.stall = Stall(after=2000)
    before = set(threading.enumerate())
    task = asyncio.create_task(place.hub.details(REPO, FILE, None))
    while not (place.far.requests and "/resolve/" in place.far.requests[-1].path):
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    started = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - started < 1

    def asking() -> list[threading.Thread]:
        new = set(threading.enumerate()) - before
        return [thread for thread in new if thread.name == "download"]

    while asking():
        assert time.monotonic() - started < 10
        await asyncio.sleep(0.02)


async def test_a_login_page_in_the_way(place: Place) -> None:
    place.far.answer(f"/api/models/{REPO}", b"<html>Welcome to our hotel</html>", Content_Type="text/html")
    error = await fails(place)
    assert "makes no sense" in error.message and "log in" in error.hint


@pytest.mark.parametrize("there", ["/api/models", "file:///etc/passwd", "gopher://x/", "http://[bad", ""])
async def test_a_way_that_leads_nowhere(place: Place, there: str) -> None:
    place.far.answer("/api/models", {}, 302, Location=there)
    assert isinstance(await fails(place, "search"), HubError)


def test_no_way_leads_out_of_encryption() -> None:
    import httpx2

    watch = Watch("https://hub.example", 1000)

    def hop(url: str) -> httpx2.Headers:
        request = httpx2.Request("GET", url, headers={"Authorization": "Bearer x", "Cookie": "a=b"})
        wire.watched(watch, lambda: wire._before(request))
        return request.headers

    assert "authorization" in hop("https://hub.example/api") and "cookie" not in hop(
        "https://hub.example/api"
    )
    for url in ("https://hub.example:8443/", "https://cdn.example/", "https://hub.example.evil.example/"):
        assert "authorization" not in hop(url)
    with pytest.raises(HubError, match="without encryption"):
        hop("http://hub.example/api")


# --- what it says of files -------------------------------------------------------------------------------


async def test_a_range_that_is_ignored_costs_no_more(place: Place) -> None:
    content = place.made("Q8_0", "SmolLM2-135M")
    repo = place.far.add(REPO, {FILE: content})
    repo[FILE].knobs.ignore_range = True
    assert (await place.hub.details(REPO, FILE, None)).file.exact
    sent = place.far.sent(FILE)
    assert sent < content.size / 4, "the rest of the file was left"


async def test_another_part_than_was_asked_for(place: Place) -> None:
    place.far.add(REPO, {FILE: place.made("Q8_0")})[FILE].knobs.shift_range = 64
    assert "another part" in (await fails(place, "details")).message


async def test_a_file_that_is_listed_and_not_there(place: Place) -> None:
    place.far.add(REPO, {FILE: Listed(1000)})
    assert isinstance(await fails(place, "details"), NotFoundError)
    listed = await place.hub.files(REPO, None)
    assert "no such file" in listed.note


async def test_a_header_without_end(place: Place) -> None:
    """It announces more than is read of any header."""
    import struct

    huge = b"GGUF" + struct.pack("<IQQ", 3, 1, 1) + struct.pack("<Q", 4) + b"name" + struct.pack("<I", 8)
    place.far.add(REPO, {FILE: huge + struct.pack("<Q", 1 << 40) + bytes(4 << 20)})
    found = await place.hub.details(REPO, FILE, None)
    assert found.file.problem and found.fit is None


HOSTILE_SIZES: list[object] = [-1, 0, None, True, "5", 10**30, 1.5, [], 1 << 50]


@pytest.mark.parametrize("size", HOSTILE_SIZES)
async def test_sizes_that_cannot_be(place: Place, size: object) -> None:
    place.far.add(REPO, {FILE: Listed(100), "Tiny-Q4_K_M.gguf": place.made("Q4_K_M")})
    told = place.far.repos[REPO]
    entry = told.told(told.sha, [], True)
    for sibling in entry["siblings"]:
        if sibling["rfilename"] == FILE:
            sibling["size"] = sibling["lfs"]["size"] = size
    place.far.answer(f"/api/models/{REPO}", entry)
    found = await place.hub.files(REPO, None)
    bad = next(file for file in found.files if file.file == FILE)
    assert "does not say how large" in bad.problem and bad.size == 0 and not bad.recommended
    error = await fails(place, "resolve")
    assert isinstance(error, UsageError)


@pytest.mark.parametrize("told", ["x" * 64, "A" * 63, None, 5, "../../etc/passwd", "a" * 65])
async def test_hashes_that_are_none(place: Place, told: object) -> None:
    place.far.add(REPO, {FILE: Listed(1000, told)})  # type: ignore[arg-type]
    assert (await place.hub.resolve(HubReference(REPO))).parts[0].sha256 == ""


HOSTILE_NAMES = [
    "../../../etc/cron.d/Tiny-Q8_0.gguf",
    "/etc/Tiny-Q8_0.gguf",
    "a/../../Tiny-Q8_0.gguf",
    ".ssh/Tiny-Q8_0.gguf",
    ".Tiny-Q8_0.gguf",
    "Tiny\x1b[2J-Q8_0.gguf",
    "Tiny\n-Q8_0.gguf",
    "Tiny\u202e-Q8_0.gguf",
    "x" * 4000 + "-Q8_0.gguf",
    "a\\..\\Tiny-Q8_0.gguf",
]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
async def test_names_that_lead_away_are_left_out(place: Place, name: str) -> None:
    place.far.add(REPO, {name: Listed(1000), "Tiny-Q4_K_M.gguf": place.made("Q4_K_M")})
    found = await place.hub.files(REPO, None)
    assert [file.file for file in found.files] == ["Tiny-Q4_K_M.gguf"]
    assert "1 files are left out" in found.note
    with pytest.raises(NotFoundError):
        await place.hub.resolve(HubReference(REPO, file=name))


@pytest.mark.parametrize("sha", ["", "main", "../..", "A" * 40, None, 5, "f" * 41])
async def test_a_listing_without_a_commit(place: Place, sha: object) -> None:
    place.far.add(REPO, {FILE: Listed(1000)}, extra={"sha": sha})
    assert "revision" in (await fails(place)).message


async def test_a_listing_of_another_commit(place: Place) -> None:
    place.far.add(REPO, {FILE: Listed(1000)})
    with pytest.raises(HubError, match="another revision"):
        place.far.answer(
            f"/api/models/{REPO}/revision/{'b' * 40}", {"id": REPO, "sha": "c" * 40, "siblings": []}
        )
        await place.hub.files(REPO, "b" * 40)


async def test_a_repository_under_another_name_keeps_the_one_asked_for(place: Place) -> None:
    """The name decides on the folder: the hub may only correct its case."""
    place.far.add(REPO, {FILE: place.made("Q8_0")}, extra={"id": "somebody/else"})
    assert (await place.hub.resolve(HubReference(REPO))).folder == REPO
    place.far.add(REPO, {FILE: place.made("Q8_0")}, extra={"id": REPO.upper()})
    assert (await place.hub.resolve(HubReference(REPO))).folder == REPO.upper()


async def test_a_huge_listing(place: Place) -> None:
    files = {f"Tiny-{number}-Q4_K_M.gguf": Listed(1000 + number) for number in range(5000)}
    place.far.add(REPO, {**files, FILE: place.made("Q8_0")})
    found = await place.hub.files(REPO, None)
    assert len(found.files) == 2000 and "3001 more files" in found.note


@pytest.mark.parametrize("repo", ["../..", "owner", "owner/..", "owner/na me", ""])
async def test_repositories_that_cannot_be_asked_for(place: Place, repo: str) -> None:
    for ask in (place.hub.files(repo, None), place.hub.details(repo, FILE, None)):
        with pytest.raises(UsageError):
            await ask
    with pytest.raises(UsageError):
        await place.hub.resolve(HubReference(repo))
    with pytest.raises(UsageError):
        await place.hub.files(REPO, "../main")
    assert place.asked() == []
