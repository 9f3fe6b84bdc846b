"""Which models of this machine came from a repository."""

import pytest

from kensho_tui.models.catalogue import Catalogue
from kensho_tui.models.hub.installed import Installed
from kensho_tui.models.hub.listing import RemoteFile, RemoteGguf
from tests.models.homes import FakeHome

REPO = "Owner/Name-GGUF"


@pytest.fixture
def here(home: FakeHome, no_starter: None) -> Installed:
    home.own(f"{REPO}/ours-Q8_0.gguf", "1234")
    home.own("other/Name-GGUF/theirs.gguf")
    home.own("flat.gguf")
    home.own(f"{REPO}/deeper/one.gguf")
    home.hub(REPO, "sub/cached-Q4_0.gguf")
    home.hub("owner--name/x", "no.gguf")
    catalogue = Catalogue(home.paths.models, home.elsewhere())
    return Installed(catalogue.files(), home.paths.models)


def remote(path: str, size: int) -> RemoteGguf:
    return RemoteGguf((RemoteFile(path, path.rpartition("/")[2], size, ""),), "", "")


def test_ours_and_those_of_the_cache_are_found_whatever_the_case(here: Installed) -> None:
    assert set(here.of_repo(REPO.lower())) == {"ours-Q8_0", "cached-Q4_0"}
    assert here.of_repo("other/Name-GGUF") == ("theirs",)
    assert here.of_repo("nobody/nothing") == ()
    assert set(here.by_repo([REPO, "nobody/nothing"])) == {REPO}


def test_a_file_is_the_same_by_its_name_and_size(here: Installed) -> None:
    assert here.of_model(REPO, remote("ours-Q8_0.gguf", 8)) == "ours-Q8_0"
    assert here.of_model(REPO, remote("ours-Q8_0.gguf", 9)) == "", "another revision"
    assert here.of_model(REPO, remote("ours-Q4_0.gguf", 8)) == ""


def test_a_link_of_the_cache_counts_as_its_file(home: FakeHome, no_starter: None) -> None:
    link = home.hub(REPO, "sub/cached-Q4_0.gguf")
    found = Installed(Catalogue(home.paths.models, home.elsewhere()).files(), home.paths.models)
    assert found.of_model(REPO, remote("sub/cached-Q4_0.gguf", link.stat().st_size)) == "cached-Q4_0"
