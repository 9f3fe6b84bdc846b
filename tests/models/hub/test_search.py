"""Search: what is asked and told, with verdicts reckoned from parameters, and nothing believed blindly."""

import sys
from pathlib import Path
from typing import Any

import pytest

from kensho_tui.core.errors import HubError
from kensho_tui.core.hub_contract import SearchHub
from tests.models.hub.conftest import GB, Machine, Place
from tests.support.loopback_hub import MISSING, Listed

FILES = {f"Model-{name}.gguf": Listed(10) for name in ("Q2_K", "Q4_K_M", "Q8_0", "F16")}


def gguf(parameters: Any, architecture: Any = "llama", context: Any = 8192) -> dict[str, Any]:
    return {"total": parameters, "architecture": architecture, "context_length": context}


async def found(place: Place, query: str = "model", **more: Any) -> list[str]:
    return [row.repo for row in (await place.hub.search(SearchHub(query=query, **more))).repos]


async def test_rows_are_told_in_full(place: Place) -> None:
    place.far.add(
        "owner/Model-8B-GGUF",
        FILES,
        downloads=12,
        likes=3,
        licence="mit",
        gated="manual",
        gguf=gguf(8_030_261_248),
        updated="2026-05-06T07:08:09.000Z",
    )
    result = await place.hub.search(SearchHub(query="model"))
    (row,) = result.repos
    assert not result.curated and not result.more
    assert (row.repo, row.downloads, row.likes, row.licence) == ("owner/Model-8B-GGUF", 12, 3, "mit")
    assert (row.architecture, row.context, row.parameters) == ("llama", 8192, 8_030_261_248)
    assert row.updated == "2026-05-06T07:08:09Z" and row.gated and not row.private
    assert row.quantisation == "Q4_K_M" and row.size == pytest.approx(4.92e9, rel=0.02), "as it really is"
    assert row.about and row.verdict is not None and row.verdict.kind == "fits"


async def test_what_is_taken_goes_by_the_machine(machine: Machine) -> None:
    async with machine(5 * GB) as place:
        place.far.add("owner/model-8b", FILES, gguf=gguf((8e9).__int__()))
        place.far.add("owner/model-half", FILES, gguf=gguf(500_000_000))
        place.far.add("owner/model-70b", FILES, gguf=gguf(70_000_000_000))
        rows = {row.repo: row for row in (await place.hub.search(SearchHub(query="model"))).repos}
    assert {repo: row.quantisation for repo, row in rows.items()} == {
        "owner/model-8b": "Q2_K",
        "owner/model-half": "Q8_0",
        "owner/model-70b": "Q2_K",
    }
    verdict = rows["owner/model-70b"].verdict
    assert verdict is not None and verdict.kind == "too large"


async def test_sorts_and_limits(place: Place) -> None:
    for name, downloads, likes, month, parameters in (
        ("a", 30, 1, 1, 3_000),
        ("b", 20, 2, 3, 1_000),
        ("c", 10, 3, 2, 0),
        ("d", 5, 0, 4, 2_000),
    ):
        place.far.add(
            f"owner/model-{name}",
            FILES,
            downloads=downloads,
            likes=likes,
            updated=f"2026-0{month}-01T00:00:00.000Z",
            gguf=gguf(parameters),
        )
    place.far.add("owner/model-without", {"model.safetensors": b"x"})

    async def order(sort: str) -> str:
        return "".join(repo[-1] for repo in await found(place, sort=sort))

    assert await order("downloads") == "abcd"
    assert await order("likes") == "cbad"
    assert await order("updated") == "dbca"
    assert await order("size") == "bdac", "the smallest first, those that do not say last"
    few = await place.hub.search(SearchHub(query="model", limit=2))
    assert [row.repo for row in few.repos] == ["owner/model-a", "owner/model-b"] and few.more
    assert not (await place.hub.search(SearchHub(query="model", limit=4))).more
    assert (await place.hub.search(SearchHub(query="model", sort="size", limit=2))).more


async def test_pages_are_followed(place: Place) -> None:
    place.far.page = 7
    for number in range(30):
        place.far.add(f"owner/model-{number}", FILES, downloads=100 - number)
    assert await found(place, limit=25) == [f"owner/model-{number}" for number in range(25)]


@pytest.mark.parametrize(
    "query",
    [
        "owner/Model-GGUF",
        "https://huggingface.co/owner/Model-GGUF",
        "hf.co/owner/Model-GGUF:Q4_K_M",
        "owner/model-gguf",
    ],
)
async def test_a_repository_that_is_written_out_is_found(place: Place, query: str) -> None:
    place.far.add("owner/Model-GGUF", FILES)
    assert await found(place, query) == ["owner/Model-GGUF"]


async def test_no_words_ask_nobody(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    place.install("Qwen/Qwen2.5-0.5B-Instruct-GGUF", "x.gguf", place.made("Q8_0"))
    result = await place.hub.search(SearchHub(query="  "))
    assert result.curated and len(result.repos) > 5
    assert all(row.verdict is not None and not row.about for row in result.repos)
    assert place.asked() == []


async def test_what_is_here_is_told(place: Place) -> None:
    place.far.add("Owner/Model", FILES)
    place.install("owner/model", "x-Q8_0.gguf", place.made("Q8_0"))
    (row,) = (await place.hub.search(SearchHub(query="model"))).repos
    assert row.installed == ("x-Q8_0",)


HOSTILE: list[dict[str, Any]] = [
    {"downloads": -5, "likes": True},
    {"downloads": 10**400, "likes": "many"},
    {"downloads": 1e308, "likes": None},
    {"gguf": gguf(-1, ["x"], "long")},
    {"gguf": gguf(10**30, "\x1b[2J\u202earch" * 50, float("inf"))},
    {"gguf": "none"},
    {"gguf": gguf(8_000_000_000), "siblings": None},
    {"tags": "license:x"},
    {"tags": [None, 5, "license:" + "\x1b]0;x\x07" * 100 + "y" * 10_000]},
    {"gated": {"a": 1}, "private": "yes", "lastModified": MISSING},
]


@pytest.mark.parametrize("extra", HOSTILE)
async def test_hostile_metadata_is_left_out(place: Place, extra: dict[str, Any]) -> None:
    place.far.add("owner/model", FILES, extra=extra)
    place.far.add("owner/model-good", FILES, downloads=1, gguf=gguf(8_000_000_000))
    rows = {row.repo: row for row in (await place.hub.search(SearchHub(query="model"))).repos}
    row = rows["owner/model"]
    assert 0 <= row.downloads <= 1 << 53 and 0 <= row.likes <= 1 << 53 and 0 <= row.parameters <= 1 << 53
    assert all(text.isprintable() and len(text) < 100 for text in (row.architecture, row.licence))
    assert not row.gated and not row.private
    assert rows["owner/model-good"].verdict is not None


@pytest.mark.parametrize(
    "name", ["../../etc", "owner/..", "a/b/c", "owner/\x1b[2J", "o" * 4000 + "/x", "", None, 5]
)
async def test_impossible_names_are_left_out(place: Place, name: Any) -> None:
    good = {"id": "owner/model"}
    place.far.answer("/api/models", [{"id": name}, good])
    assert await found(place) == ["owner/model"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>log in here</html>",
        b"[" * 100_000,
        b"9" * 10_000,
        {"error": "x"},
        ["x"],
        [{}],
        [None],
        [[[]]],
        [{"id": "owner/model", "siblings": [{}]}],
        [{"id": "owner/model", "siblings": 5}],
        [{"id": "owner/model", "lastModified": "yesterday"}],
        [{"id": "owner/model", "cardData": {"license": [{}]}, "inferenceProviderMapping": "x"}],
        "text",
        None,
    ],
)
async def test_nonsense_is_one_clear_error(place: Place, body: Any) -> None:
    place.far.answer("/api/models", body)
    with pytest.raises(HubError) as caught:
        await found(place)
    assert "makes no sense" in caught.value.message and caught.value.hint


async def test_a_reply_without_end_is_left(place: Place) -> None:
    place.far.answer("/api/models", b"[" + b'{"id": "owner/model"},' * 1_000_000)
    with pytest.raises(HubError, match="more than 16 MiB"):
        await found(place)


async def test_a_packed_reply_is_not_unpacked(place: Place) -> None:
    place.far.answer("/api/models", b"\x1f\x8b" + bytes(1000), Content_Encoding="gzip")
    with pytest.raises(HubError, match="encoding"):
        await found(place)
    assert all(request.headers["accept-encoding"] == "identity" for request in place.far.requests)


async def test_the_library_tells_nothing_of_its_own(place: Place) -> None:
    """No list of agents is fetched, and the name it goes by is ours."""
    await found(place)
    assert [request.path for request in place.far.requests] == ["/api/models"]
    assert place.far.requests[0].headers["user-agent"].startswith("kensho-tui/")


def test_what_asks_is_imported_when_something_is_asked() -> None:
    import subprocess

    program = (
        "import sys, kensho_tui.models.hub.hub, kensho_tui.models.hub.client\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('httpx2', 'huggingface_hub')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=Path.cwd()
    )
    assert done.stdout.strip() == "[]"
