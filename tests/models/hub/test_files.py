"""A repository's models: which files they are, what they take here, and that later verdicts are the same."""

from pathlib import Path

import pytest

from kensho_tui.core.errors import NotFoundError, UsageError
from kensho_tui.core.hub_contract import HubFile
from kensho_tui.core.model_contract import FitModel
from kensho_tui.models.hub.remote import HubReference
from tests.models.hub.conftest import GB, Machine, Place, Sparse
from tests.support.loopback_hub import Listed

REPO = "owner/Tiny-GGUF"


def by_name(files: tuple[HubFile, ...]) -> dict[str, HubFile]:
    return {file.file: file for file in files}


async def test_models_are_told_and_the_rest_is_not(place: Place) -> None:
    place.far.add(
        REPO,
        {
            "README.md": b"read me",
            "mmproj-Tiny-F16.gguf": b"GGUF projector",
            "Tiny.imatrix.gguf": b"GGUF matrix",
            "config.json": b"{}",
            "Tiny-Q8_0.gguf": place.made("Q8_0"),
            "Tiny-Q4_K_M.gguf": place.made("Q4_K_M"),
            "Q6_K/Tiny-Q6_K-00001-of-00002.gguf": Listed(10_000_000),
            "Q6_K/Tiny-Q6_K-00002-of-00002.gguf": Listed(5_000_000),
            "Tiny-F16-00001-of-00002.gguf": Listed(90_000_000),
            "Tiny-Q4_0_4_4.gguf": Listed(100_000_000),
        },
        downloads=7,
        likes=3,
        licence="apache-2.0",
        gguf={"total": 1, "architecture": "nonsense", "context_length": 5},
    )
    found = await place.hub.files(REPO, None)
    assert found.revision == place.far.repos[REPO].sha
    assert [file.quantisation for file in found.files] == ["Q4_K_M", "Q8_0", "Q6_K", "F16", "Q4_0_4_4"]
    q4, q8, q6, f16, old = found.files
    assert (q6.parts, q6.size, q6.name) == (2, 15_000_000, "Tiny-Q6_K")
    assert (q4.parts, q4.name, q4.problem) == (1, "Tiny-Q4_K_M", "")
    assert 4 < q4.bits < 7 < q8.bits < 10
    assert "Part 2 of 2 is missing" in f16.problem and "Q4_0" in old.problem
    assert f16.verdict is not None and f16.verdict.kind == "unknown"
    assert [file.recommended for file in found.files] == [False, True, False, False, False]
    row = found.repo
    assert (row.repo, row.downloads, row.likes, row.licence) == (REPO, 7, 3, "apache-2.0")
    assert (row.architecture, row.context, row.quantisation) == ("llama", 2048, "Q8_0"), (
        "the header knows better"
    )
    assert row.verdict == q8.verdict and not row.about


async def test_one_header_is_read_and_the_rest_is_reckoned_from_it(place: Place) -> None:
    names = ["Tiny-Q4_K_M.gguf", "Tiny-Q8_0.gguf", "Tiny-Q6_K.gguf", "Other-Q4_K_M.gguf"]
    place.far.add(REPO, {name: place.made(name.split("-")[1][:-5]) for name in names})
    found = by_name((await place.hub.files(REPO, None)).files)
    assert [name for name, file in found.items() if file.exact] == ["Tiny-Q8_0.gguf"]
    assert all(file.verdict is not None and file.verdict.kind == "fits" for file in found.values())
    asked = [path for path in place.asked() if "/resolve/" in path]
    assert len(asked) == 1 and asked[0].endswith("Tiny-Q8_0.gguf")
    for name in names[:3]:
        exact = (await place.hub.details(REPO, name, None)).file
        about = found[name].verdict
        assert exact.exact and exact.verdict is not None and about is not None
        assert about.need == pytest.approx(exact.verdict.need, rel=0.02)
        assert found[name].bits == pytest.approx(exact.bits, rel=0.02)


@pytest.mark.parametrize("quantisation", ["Q4_K_M", "Q8_0"])
@pytest.mark.parametrize(("of", "ram"), [("Llama-3.1-8B", 64), ("Llama-3.1-8B", 8), ("Gemma-3-4B", 16)])
async def test_the_verdict_is_the_same_once_it_is_here(
    machine: Machine, quantisation: str, of: str, ram: int
) -> None:
    async with machine(ram * GB) as place:
        content = place.made(quantisation, of)
        place.far.add(REPO, {f"Big-{quantisation}.gguf": content})
        before = await place.hub.details(REPO, f"Big-{quantisation}.gguf", None)
        assert sum(request.sent for request in place.far.requests) < content.size / 20, "not the file itself"
        place.install(REPO, f"Big-{quantisation}.gguf", content)
        (model,) = await place.stage.fitting.models()
        after = await place.stage.fitting.fit(FitModel(model=model.name))
        details = await place.stage.fitting.details(model.name)
    assert before.file.exact and before.file.verdict == model.verdict == after.verdict
    assert before.fit == after
    assert before.facts == details.facts
    assert before.file.name == model.name


async def test_a_split_model_is_read_in_all_its_parts(place: Place) -> None:
    whole = place.made("Q4_K_M", "Llama-3.2-3B", parts=3)
    parts = sorted(place.folder.glob("Q4_K_M-0-*.gguf"))
    names = [f"Q4/Split-Q4_K_M-{number:05}-of-00003.gguf" for number in (1, 2, 3)]
    place.far.add(REPO, {name: type(whole)(path) for name, path in zip(names, parts, strict=True)})
    found = await place.hub.details(REPO, names[0], None)
    assert (found.file.parts, found.file.size) == (3, sum(path.stat().st_size for path in parts))
    assert found.file.exact and found.fit is not None
    assert "in 3 files" in found.facts["Weights"]
    for name, path in zip(names, parts, strict=True):
        place.install(REPO, name.rpartition("/")[2], type(whole)(path))
    (model,) = await place.stage.fitting.models()
    assert model.verdict == found.file.verdict


async def test_what_is_here_already(place: Place) -> None:
    content = place.made("Q8_0")
    place.far.add(REPO, {"sub/Tiny-Q8_0.gguf": content, "Tiny-Q4_K_M.gguf": place.made("Q4_K_M")})
    place.install(REPO, "Tiny-Q8_0.gguf", content)
    place.install("owner/another", "Tiny-Q4_K_M.gguf", place.made("Q6_K"))
    found = await place.hub.files(REPO, None)
    assert {file.file: file.installed for file in found.files} == {
        "sub/Tiny-Q8_0.gguf": "Tiny-Q8_0",
        "Tiny-Q4_K_M.gguf": "",
    }
    assert found.repo.installed == ("Tiny-Q8_0",)


async def test_a_file_that_is_no_model_says_so(place: Place) -> None:
    place.far.add(REPO, {"Broken-Q8_0.gguf": b"GGUF" + bytes(100), "Tiny-Q4_K_M.gguf": place.made("Q4_K_M")})
    found = await place.hub.details(REPO, "Broken-Q8_0.gguf", None)
    assert found.file.problem and found.fit is None and found.facts == {}
    listed = by_name((await place.hub.files(REPO, None)).files)
    assert not listed["Broken-Q8_0.gguf"].recommended


async def test_a_commit_is_asked_for_once(place: Place) -> None:
    place.far.add(REPO, {"Tiny-Q8_0.gguf": place.made("Q8_0")})
    found = await place.hub.files(REPO, None)
    before = len(place.asked())
    assert (await place.hub.details(REPO, "Tiny-Q8_0.gguf", found.revision)).file.exact
    assert (await place.hub.files(REPO, found.revision)) == found
    assert len(place.asked()) == before
    newer = place.far.repos[REPO].commit({"Tiny-Q4_K_M.gguf": place.made("Q4_K_M")})
    assert (await place.hub.files(REPO, None)).revision == newer
    old = await place.hub.files(REPO, found.revision)
    assert len(old.files) == 1, "another revision is not mixed in"


async def test_what_does_not_fit_is_not_recommended(machine: Machine) -> None:
    async with machine(5 * GB) as place:
        files = {f"Big-{name}.gguf": place.made(name, "Llama-3.1-8B") for name in ("Q2_K", "Q4_K_M", "Q8_0")}
        place.far.add(REPO, files)
        found = by_name((await place.hub.files(REPO, None)).files)
        assert [name for name, file in found.items() if file.recommended] == ["Big-Q2_K.gguf"]
        large = found["Big-Q8_0.gguf"].verdict
        assert large is not None and large.kind == "too large"
        assert (await place.hub.resolve(HubReference(REPO))).quantisation == "Q2_K"


async def test_when_nothing_fits(machine: Machine) -> None:
    async with machine(2 * GB) as place:
        place.far.add(
            REPO, {f"Big-{name}.gguf": place.made(name, "Llama-3.1-8B") for name in ("Q2_K", "Q8_0")}
        )
        assert not any(file.recommended for file in (await place.hub.files(REPO, None)).files)
        with pytest.raises(UsageError) as caught:
            await place.hub.resolve(HubReference(REPO))
        assert f"{REPO}:Q2_K" in caught.value.hint
        assert (await place.hub.resolve(HubReference(REPO, "Q8_0"))).quantisation == "Q8_0"


async def test_a_repository_without_models(place: Place) -> None:
    place.far.add(REPO, {"model.safetensors": b"x"})
    found = await place.hub.files(REPO, None)
    assert found.files == ()
    with pytest.raises(NotFoundError):
        await place.hub.resolve(HubReference(REPO))


@pytest.mark.slow
async def test_real_models_before_and_after(place: Place, smollm: Path, gemma: Path) -> None:
    for repo, path in (("owner/smollm", smollm), ("owner/gemma", gemma)):
        content = Sparse(path)
        place.far.add(repo, {path.name: content})
        before = await place.hub.details(repo, path.name, None)
        assert sum(request.sent for request in place.far.fetched(path.name)) < content.size / 4
        link = place.stage.paths.models / repo / path.name
        link.parent.mkdir(parents=True)
        link.symlink_to(path)
        found = await place.stage.fitting.details(link.stem)
        assert (before.fit, before.facts) == (found.fit, found.facts)
