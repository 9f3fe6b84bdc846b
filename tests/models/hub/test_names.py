"""Names that the hub may give, and what becomes of them here."""

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kensho_tui.core.text import one_line
from kensho_tui.models.hub.names import is_file_name, is_file_path, is_repo, local_names

HOSTILE = [
    "../../etc/cron.d/x.gguf",
    "/etc/x.gguf",
    "a//x.gguf",
    "a/../x.gguf",
    "./x.gguf",
    ".x.gguf",
    ".git/x.gguf",
    "..\\x.gguf",
    "x\x00.gguf",
    "x\n.gguf",
    "\x1b[2Jx.gguf",
    "\u202efugg.gguf",
    "\ud800.gguf",
    "a" * 4000 + ".gguf",
    "ü" * 110 + ".gguf",
    "x.gguf ",
    "a  b.gguf",
    ".gguf",
    "x.exe",
    "",
    "con:x.gguf",
]


@pytest.mark.parametrize("path", HOSTILE)
def test_hostile_paths_are_none(path: str) -> None:
    assert not is_file_path(path)


@pytest.mark.parametrize("path", ["x.gguf", "Q4/x-00001-of-00002.gguf", "a/b/c d.GGUF", "модель-Q4_0.gguf"])
def test_usual_paths(path: str) -> None:
    assert is_file_path(path)


@pytest.mark.parametrize("repo", ["a/b", "Qwen/Qwen2.5-7B", "a_/_b", "1/2", "a" * 96 + "/b"])
def test_usual_repositories(repo: str) -> None:
    assert is_repo(repo)


@pytest.mark.parametrize(
    "repo",
    [
        "a",
        "a/b/c",
        "../b",
        "a/..",
        ".a/b",
        "a/.b",
        "a/b.",
        "-a/b",
        "a--b/c",
        "a/b..c",
        "a/b c",
        "ä/b",
        "/b",
        "a/",
        "a" * 97 + "/b",
        "a/b\n",
    ],
)
def test_other_repositories(repo: str) -> None:
    assert not is_repo(repo)


@given(st.text(max_size=60).map(lambda text: text + ".gguf"))
def test_a_name_that_is_taken_stays_what_it_is(name: str) -> None:
    if is_file_name(name):
        assert PurePosixPath(name).name == name
        assert one_line(name) == name
        assert name.isprintable()
        assert len(name.encode()) <= 200


def test_files_of_one_name_keep_their_folders() -> None:
    found = local_names(["a/x.gguf", "b/X.gguf", "c/y.gguf", "z.gguf"])
    assert found == {"a/x.gguf": "a-x.gguf", "b/X.gguf": "b-X.gguf", "c/y.gguf": "y.gguf", "z.gguf": "z.gguf"}


def test_no_two_files_have_one_name_here() -> None:
    found = local_names(["a/x.gguf", "b/x.gguf", "a-x.gguf", "A/x.gguf"])
    assert len({name.casefold() for name in found.values()}) == len(found) < 4
