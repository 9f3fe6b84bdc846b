"""What a person may write for `pull`, and what is refused with words."""

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kensho_tui.core.errors import UsageError
from kensho_tui.models.hub.names import is_file_path, is_repo, is_revision
from kensho_tui.models.hub.references import parse
from kensho_tui.models.hub.remote import FileReference, HubReference, OllamaReference, UrlReference

REPO = "Qwen/Qwen2.5-0.5B-Instruct-GGUF"
SHA = "0123456789" * 4


@pytest.mark.parametrize(
    ("what", "meant"),
    [
        (REPO, HubReference(REPO)),
        (f"  {REPO}/ ", HubReference(REPO)),
        (f"{REPO}:Q4_K_M", HubReference(REPO, quantisation="Q4_K_M")),
        (f"{REPO}:UD-IQ2_XXS", HubReference(REPO, quantisation="UD-IQ2_XXS")),
        (f"{REPO}:latest", HubReference(REPO)),
        (f"{REPO}:model-q8_0.gguf", HubReference(REPO, file="model-q8_0.gguf")),
        (f"{REPO}/Q4/model-00001-of-00002.gguf", HubReference(REPO, file="Q4/model-00001-of-00002.gguf")),
        (f"{REPO}/a file.GGUF", HubReference(REPO, file="a file.GGUF")),
        (f"hf.co/{REPO}:Q4_K_M", HubReference(REPO, quantisation="Q4_K_M")),
        (f"huggingface.co/{REPO}", HubReference(REPO)),
        (f"hf://{REPO}/model.gguf", HubReference(REPO, file="model.gguf")),
        (f"https://huggingface.co/{REPO}", HubReference(REPO)),
        (f"https://huggingface.co/{REPO}/tree/main", HubReference(REPO)),
        (f"https://hf.co/{REPO}/tree/main/UD-Q4_K_XL", HubReference(REPO, quantisation="UD-Q4_K_XL")),
        (f"https://huggingface.co/{REPO}/tree/v1.0", HubReference(REPO, revision="v1.0")),
        (f"https://huggingface.co/{REPO}?show_file_info=m-Q4_0.gguf", HubReference(REPO, file="m-Q4_0.gguf")),
        (f"https://huggingface.co/{REPO}/blob/main/m.gguf", HubReference(REPO, file="m.gguf")),
        (
            f"https://huggingface.co/{REPO}/resolve/main/m.gguf?download=true",
            HubReference(REPO, file="m.gguf"),
        ),
        (f"https://huggingface.co/{REPO}/resolve/{SHA}/a/m.gguf", HubReference(REPO, "", "a/m.gguf", SHA)),
        (
            f"https://huggingface.co/{REPO}/resolve/refs%2Fpr%2F3/m.gguf",
            HubReference(REPO, "", "m.gguf", "refs/pr/3"),
        ),
        (
            f"https://huggingface.co/{REPO}/blob/refs/pr/3/a/m.gguf",
            HubReference(REPO, "", "a/m.gguf", "refs/pr/3"),
        ),
        (f"https://huggingface.co/{REPO}/blob/main/a%20b.gguf", HubReference(REPO, file="a b.gguf")),
        (f"http://127.0.0.1:8080/hub/{REPO}/blob/main/m.gguf", HubReference(REPO, file="m.gguf")),
        ("https://example.org/m.gguf?sig=a%2Fb#top", UrlReference("https://example.org/m.gguf?sig=a%2Fb")),
        ("https://127.0.0.1:8080/m.GGUF", UrlReference("https://127.0.0.1:8080/m.GGUF")),
        ("https://huggingface.co:8443/m.gguf", UrlReference("https://huggingface.co:8443/m.gguf")),
        ("/models/m.gguf", FileReference("/models/m.gguf")),
        ("/models/../m.gguf", FileReference("/m.gguf")),
        ("file:///models/a%20b.gguf", FileReference("/models/a b.gguf")),
        ("ollama:llama3.2:1b", OllamaReference("llama3.2:1b")),
        ("ollama:owner/name", OllamaReference("owner/name")),
    ],
)
def test_what_it_means(what: str, meant: object) -> None:
    assert parse(what, "http://127.0.0.1:8080/hub") == meant


def test_paths_begin_where_the_process_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")
    assert parse("./m.gguf") == FileReference(str(tmp_path / "m.gguf"))
    assert parse("../m.gguf") == FileReference(str(tmp_path.parent / "m.gguf"))
    assert parse("~/m.gguf") == FileReference("/home/somebody/m.gguf")


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("", "owner/name"),
        ("qwen", "search the hub"),
        ("m.gguf", "no model on the hub"),
        ("models/m.gguf", "./models/m.gguf"),
        ("a/b/c", ".gguf file"),
        (f"{REPO}:Q4 K", "no quantisation"),
        (f"{REPO}/../../m.gguf", ".gguf file"),
        (f"{REPO}/.hidden.gguf", ".gguf file"),
        ("../..", ".gguf"),
        ("../name:Q4_K_M", ".gguf"),
        ("owner/..", "no model on the hub"),
        (".owner/name", "no model on the hub"),
        ("owner/na--me", "no model on the hub"),
        ("owner/name\x1b[31m", "names no model"),
        ("a" * 5000, "names no model"),
        ("https://huggingface.co/datasets/owner/name", "no model on the hub"),
        ("https://huggingface.co/owner", "no model on the hub"),
        (f"https://huggingface.co/{REPO}/blob/main/README.md", ".gguf file"),
        (f"https://huggingface.co/{REPO}/blob/..%2F..%2Fx/m.gguf", "no model on the hub"),
        (f"https://huggingface.co/{REPO}/blob/main/..%2F..%2Fm.gguf", ".gguf file"),
        ("https://example.org/index.html", "ends in .gguf"),
        ("https://me:secret@example.org/m.gguf", "password"),
        ("https://[::1/m.gguf", "no address"),
        ("ftp://example.org/m.gguf", "no http address"),
        ("/etc/passwd", "no .gguf file"),
        ("~nobody-of-this-name/m.gguf", "home folder"),
        ("ollama:", "Ollama"),
        ("ollama:../x", "Ollama"),
    ],
)
def test_what_is_none_of_these(what: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(what)
    assert said in caught.value.line()
    assert caught.value.hint
    assert "secret" not in caught.value.line()


PIECES = st.sampled_from(
    [
        "a",
        "Q4_K_M",
        "..",
        ".",
        "/",
        ":",
        "//",
        "~",
        "%2F",
        "%00",
        "\x00",
        "\x1b",
        ".gguf",
        "hf.co",
        "http",
        "@",
        " ",
        "?",
        "#",
    ]
)


@given(st.lists(PIECES, max_size=12).map("".join) | st.text(max_size=60))
def test_nothing_that_is_taken_leaves_its_place(what: str) -> None:
    try:
        meant = parse(what)
    except UsageError as error:
        assert error.line().isprintable()
        return
    if isinstance(meant, HubReference):
        assert is_repo(meant.repo)
        assert not meant.file or is_file_path(meant.file)
        assert meant.revision is None or is_revision(meant.revision)
    elif isinstance(meant, FileReference):
        assert meant.path.startswith("/")
    elif isinstance(meant, UrlReference):
        assert meant.url.startswith(("http://", "https://", "HTTP"))


WORDS = st.text(string.ascii_letters + string.digits, min_size=1, max_size=20)


@given(WORDS, WORDS, WORDS, st.sampled_from(["https://huggingface.co/", "hf.co/", ""]))
def test_a_repository_is_the_same_in_every_form(owner: str, name: str, file: str, start: str) -> None:
    if owner.lower() in (
        "datasets",
        "spaces",
        "collections",
        "papers",
        "docs",
        "api",
        "settings",
        "models",
        "kernels",
    ):
        return
    assert parse(f"{start}{owner}/{name}") == HubReference(f"{owner}/{name}")
    assert parse(f"{start}{owner}/{name}/{file}.gguf") == HubReference(f"{owner}/{name}", file=f"{file}.gguf")
