"""Whatever a hub tells: the right bytes under a name inside the models folder, or a clear error."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kensho_tui.core.hub_contract import ChangeDownload, Download
from tests.models.downloads.rig import NAME, REPO, Rig, rigged
from tests.support.loopback_hub import MIB, Generated, Listed, LoopbackHub


@pytest.fixture
async def rig(tmp_path: Path, loopback_hub: LoopbackHub, no_starter: None) -> AsyncIterator[Rig]:
    async with rigged(tmp_path / "home", loopback_hub) as rig:
        yield rig


# --- what the hub tells ----------------------------------------------------------------------------------

HOSTILE_NAMES = [
    "../x-Q4_K_M.gguf",
    "../../../../x-Q4_K_M.gguf",
    "/tmp/x-Q4_K_M.gguf",
    "sub/../../x-Q4_K_M.gguf",
    "..\\x-Q4_K_M.gguf",
    ".partial/x-Q4_K_M.gguf",
    ".x-Q4_K_M.gguf",
    "~/x-Q4_K_M.gguf",
    "x\x1b]0;title\x07-Q4_K_M.gguf",
    "x\n-Q4_K_M.gguf",
    "x\0-Q4_K_M.gguf",
    "x\ud800-Q4_K_M.gguf",
    "x\u202e-Q4_K_M.gguf",
    "x" * 4000 + "-Q4_K_M.gguf",
    "d/" * 2000 + "x-Q4_K_M.gguf",
    ".gguf",
    "..",
]


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=[ascii(name)[:24] for name in HOSTILE_NAMES])
async def test_hostile_names(rig: Rig, name: str) -> None:
    """Fetched under a name of its own inside the models folder, or refused; the file beside it is fetched."""
    repo = rig.hub.add("owner/hostile", {name: Generated(MIB), "good-Q8_0.gguf": Generated(MIB, seed=1)})
    seen = await rig.fetch(f"owner/hostile/{name}")
    if isinstance(seen, Download) and seen.state == "done":
        assert [path.name for path in rig.listed()] == [name.rpartition("/")[2]]
        await rig.again("remove")
        rig.listed()[0].unlink()
        rig.installed.clear()
    else:
        rig.refused(seen, "usage", "not_found", "failed")
    rig.right(await rig.fetch("owner/hostile/good-Q8_0.gguf"), repo["good-Q8_0.gguf"].content)


SIZES = [-1, 0, 2**63, 2**70, "3145728", "many", 1.5, True, [], {}]
HASHES = ["", "ab", "Z" * 64, "../" * 21 + "x", 5, None, ["ab" * 32], "AB" * 32]


@pytest.mark.parametrize("size", SIZES, ids=repr)
async def test_hostile_sizes(rig: Rig, size: Any) -> None:
    rig.file.knobs.told_size = size
    await right_or_refused(rig)


@pytest.mark.parametrize("told", HASHES, ids=repr)
async def test_hostile_hashes(rig: Rig, told: Any) -> None:
    rig.file.knobs.told_sha256 = told
    await right_or_refused(rig)


DEEP = b"[" * 100_000
SHA = "a" * 40
ANSWERS: list[Any] = [
    DEEP,
    b"",
    b"\xff\xfe",
    b"null",
    [],
    {},
    {"id": REPO},
    {"id": REPO, "sha": SHA, "siblings": None},
    {"id": REPO, "sha": SHA, "siblings": [None]},
    {"id": REPO, "sha": SHA, "siblings": [{"rfilename": ["a"]}]},
    {"id": REPO, "sha": SHA, "siblings": [{"rfilename": NAME, "lfs": [1]}]},
    {"id": REPO, "sha": SHA, "siblings": [{"rfilename": NAME, "lfs": {"size": 1}}]},
    {"id": REPO, "sha": "../../../etc", "siblings": [{"rfilename": NAME}]},
    {"id": REPO, "sha": None, "siblings": [{"rfilename": NAME}]},
    {"id": "../..", "sha": SHA, "siblings": [{"rfilename": NAME, "size": 5}]},
    {"id": REPO, "sha": SHA, "gated": [], "private": "x", "gguf": "y", "lastModified": 7, "siblings": []},
    b'{"id": "%s", "pad": "' % REPO.encode() + b"x" * (40 * MIB) + b'"}',
]


@pytest.mark.parametrize("body", ANSWERS, ids=lambda body: repr(body)[:30])
async def test_hostile_metadata(rig: Rig, body: Any) -> None:
    rig.hub.answer(f"/api/models/{REPO}", body)
    await right_or_refused(rig)


async def right_or_refused(rig: Rig) -> None:
    """And when it was refused it is fetched as soon as the hub is sound again."""
    seen = await rig.fetch()
    if rig.sound(seen, "hub", "damaged", "usage", "not_found", "disk_full", "failed"):
        return
    rig.file.knobs.told_size = rig.file.knobs.told_sha256 = None
    rig.hub.answers.clear()
    for view in rig.downloads.views():
        await rig.downloads.change(ChangeDownload(id=view.id, action="cancel"))
        await rig.downloads.change(ChangeDownload(id=view.id, action="remove"))
    rig.right(await rig.fetch())


async def test_a_repository_of_twenty_thousand_files(rig: Rig) -> None:
    many = {f"folder/file-{number}.bin": Listed(number) for number in range(20_000)}
    repo = rig.hub.add("owner/huge", {**many, NAME: Generated(MIB)})
    rig.right(await rig.fetch(f"owner/huge/{NAME}"), repo[NAME].content)
