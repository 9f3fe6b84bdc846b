"""What is fetched for what a person named: which files, from where, of which commit, into which folder."""

from urllib.parse import urlsplit

import pytest

from kensho_tui.core.errors import NotFoundError, UsageError
from kensho_tui.models.hub.references import parse
from kensho_tui.models.hub.remote import HubReference
from tests.models.hub.conftest import Place
from tests.support.loopback_hub import Listed

REPO = "owner/Tiny-GGUF"


@pytest.fixture
def repo(place: Place) -> Place:
    names = {f"Tiny-{name}.gguf": place.made(name) for name in ("Q4_K_M", "Q8_0")}
    split = {f"BF16/Tiny-BF16-{number:05}-of-00002.gguf": Listed(1000 * number) for number in (1, 2)}
    place.far.add(
        REPO, {**names, **split, "Tiny-UD-Q4_K_XL.gguf": Listed(5000), "mmproj-F16.gguf": Listed(9)}
    )
    return place


async def test_by_file(repo: Place) -> None:
    found = await repo.hub.resolve(HubReference(REPO, file="Tiny-Q8_0.gguf"))
    there, sha = repo.far.repos[REPO], repo.far.repos[REPO].sha
    (part,) = found.parts
    assert (found.name, found.origin, found.folder) == ("Tiny-Q8_0", REPO, REPO)
    assert (found.revision, found.quantisation) == (sha, "Q8_0")
    assert part.url == f"{repo.far.url}/{REPO}/resolve/{sha}/Tiny-Q8_0.gguf"
    content = there["Tiny-Q8_0.gguf"].content
    assert (part.name, part.size, part.sha256) == ("Tiny-Q8_0.gguf", content.size, content.sha256)
    assert parse(found.what) == HubReference(REPO, file="Tiny-Q8_0.gguf")


@pytest.mark.parametrize(
    ("asked", "file"),
    [
        ("q4_k_m", "Tiny-Q4_K_M.gguf"),
        ("Q8", "Tiny-Q8_0.gguf"),
        ("UD-Q4_K_XL", "Tiny-UD-Q4_K_XL.gguf"),
        ("Q4_K_XL", "Tiny-UD-Q4_K_XL.gguf"),
        ("bf16", "BF16/Tiny-BF16-00001-of-00002.gguf"),
    ],
)
async def test_by_quantisation(repo: Place, asked: str, file: str) -> None:
    found = await repo.hub.resolve(HubReference(REPO, asked))
    assert found.what == f"{REPO}/{file}"


@pytest.mark.parametrize(
    "file",
    [
        "BF16/Tiny-BF16-00001-of-00002.gguf",
        "BF16/Tiny-BF16-00002-of-00002.gguf",
        "Tiny-BF16-00002-of-00002.gguf",
    ],
)
async def test_all_parts_come_whichever_was_named(repo: Place, file: str) -> None:
    found = await repo.hub.resolve(HubReference(REPO, file=file))
    assert [part.name for part in found.parts] == [
        "Tiny-BF16-00001-of-00002.gguf",
        "Tiny-BF16-00002-of-00002.gguf",
    ]
    assert found.size == 3000 and found.name == "Tiny-BF16"
    assert all("/BF16/" in urlsplit(part.url).path for part in found.parts)


async def test_the_recommended_one_is_the_one_that_is_shown(repo: Place) -> None:
    shown = next(file.file for file in (await repo.hub.files(REPO, None)).files if file.recommended)
    assert (await repo.hub.resolve(HubReference(REPO))).what == f"{REPO}/{shown}"


async def test_the_only_one_needs_no_header(place: Place) -> None:
    place.far.add(REPO, {"tiny.gguf": Listed(1000)})
    assert (await place.hub.resolve(HubReference(REPO))).name == "tiny"
    assert not [path for path in place.asked() if "/resolve/" in path]


async def test_what_is_not_there_is_told_with_what_is(repo: Place) -> None:
    for reference in (HubReference(REPO, "Q5_K_M"), HubReference(REPO, file="Tiny-Q5_K_M.gguf")):
        with pytest.raises(NotFoundError) as caught:
            await repo.hub.resolve(reference)
        assert all(name in caught.value.hint for name in ("Q4_K_M", "Q8_0", "BF16", "UD-Q4_K_XL"))
    with pytest.raises(NotFoundError):
        await repo.hub.resolve(HubReference(REPO, file="mmproj-F16.gguf"))


async def test_several_models_in_one_quantisation(place: Place) -> None:
    place.far.add(REPO, {"Base-Q4_K_M.gguf": Listed(1000), "Chat-Q4_K_M.gguf": Listed(1001)})
    with pytest.raises(UsageError) as caught:
        await place.hub.resolve(HubReference(REPO, "Q4_K_M"))
    assert "Base-Q4_K_M.gguf, Chat-Q4_K_M.gguf" in caught.value.message
    assert f"{REPO}/Base-Q4_K_M.gguf" in caught.value.hint


async def test_files_of_one_name_do_not_meet_here(place: Place) -> None:
    place.far.add(REPO, {"Base/model-Q4_K_M.gguf": Listed(1000), "Chat/model-Q4_K_M.gguf": Listed(1001)})
    found = await place.hub.resolve(HubReference(REPO, file="Chat/model-Q4_K_M.gguf"))
    assert (found.parts[0].name, found.name) == ("Chat-model-Q4_K_M.gguf", "Chat-model-Q4_K_M")
    with pytest.raises(UsageError, match="several folders"):
        await place.hub.resolve(HubReference(REPO, file="model-Q4_K_M.gguf"))


async def test_what_cannot_be_used_is_not_fetched(place: Place) -> None:
    place.far.add(REPO, {"Tiny-Q8_0-00001-of-00002.gguf": Listed(1000), "Tiny-Q4_0_4_4.gguf": Listed(10)})
    with pytest.raises(UsageError, match="Part 2 of 2 is missing"):
        await place.hub.resolve(HubReference(REPO, file="Tiny-Q8_0-00001-of-00002.gguf"))
    with pytest.raises(NotFoundError, match="Q4_0"):
        await place.hub.resolve(HubReference(REPO, "Q4_0_4_4"))


async def test_a_revision_is_kept(repo: Place) -> None:
    old = repo.far.repos[REPO].sha
    repo.far.repos[REPO].commit({"Tiny-Q8_0.gguf": repo.made("Q8_0", context=4096)})
    found = await repo.hub.resolve(HubReference(REPO, file="Tiny-Q8_0.gguf", revision=old))
    assert found.revision == old and f"/resolve/{old}/" in found.parts[0].url
    assert parse(found.what, repo.far.url) == HubReference(REPO, file="Tiny-Q8_0.gguf", revision=old)
    assert (await repo.hub.resolve(HubReference(REPO, "Q8_0"))).revision != old


async def test_names_that_need_quoting(place: Place) -> None:
    name = "модель #1 100%-Q8_0.gguf"
    content = place.made("Q8_0")
    place.far.add(REPO, {name: content})
    found = await place.hub.resolve(HubReference(REPO))
    assert found.parts[0].name == name and found.parts[0].url.isascii()
    assert (await place.hub.details(REPO, name, None)).file.exact, "its bytes are found at that address"
    assert parse(found.what) == HubReference(REPO, file=name)
