"""`pull` with the real host against a hub on this machine: every way in, interrupted, repeated, refused."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kensho_tui.cli.pull import EXIT_INTERRUPTED
from tests.models.homes import MODEL_LAYER
from tests.support.gguf import write_model
from tests.support.home import Home, wait_until
from tests.support.loopback_hub import MIB, Failure, Generated, LoopbackHub

pytestmark = pytest.mark.slow

REPO, NAME, LARGE = "owner/small-GGUF", "small-Q4_K_M", "small-Q8_0"
WHAT = f"{REPO}:Q8_0"
SMALL_SIZE, LARGE_SIZE = 2 * MIB, 24 * MIB
RATE, CRAWL = 16e6, 4e5


@pytest.fixture
def hub(loopback_hub: LoopbackHub) -> LoopbackHub:
    files = {f"{NAME}.gguf": Generated(SMALL_SIZE), f"{LARGE}.gguf": Generated(LARGE_SIZE, seed=1)}
    loopback_hub.add(REPO, files, downloads=1000)
    return loopback_hub


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "kensho_tui", "pull", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def in_its_midst(hub: LoopbackHub, least: int = 4 * MIB) -> None:
    """Wait for so many bytes; more come so slowly that what follows finds the download on its way."""
    wait_until(lambda: hub.sent(f"{LARGE}.gguf") > least, what="for some bytes")
    hub.knobs.rate = CRAWL


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files(home: Home) -> list[str]:
    """All that lies in the models folder."""
    models = home.paths.models
    return sorted(str(path.relative_to(models)) for path in models.rglob("*") if path.is_file())


def test_interrupted_repeated_and_repeated_again(home: Home, hub: LoopbackHub) -> None:
    hub.knobs.rate = RATE
    first = start(WHAT)
    in_its_midst(hub)
    status = json.loads(home.run("host", "status", "--json").stdout)
    assert status["downloads"] == 1 and status["fetching"][0]["model"] == LARGE
    stores = {store["name"]: store for store in json.loads(home.run("gc", "--json").stdout)["stores"]}
    assert stores["partial"]["size"] > 0 and stores["partial"]["freeable"] == 0
    first.send_signal(signal.SIGINT)
    out, err = first.communicate(timeout=30)
    assert (first.returncode, out) == (EXIT_INTERRUPTED, "")
    assert f"{LARGE} is paused; " in err and f"go on with: kensho-tui pull {WHAT}" in err
    assert json.loads(home.run("host", "status", "--json").stdout)["downloads"] == 0
    assert LARGE not in home.run("models").stdout
    hub.knobs.rate = None
    done = home.run("pull", WHAT)
    assert (done.returncode, done.stdout) == (0, f"{LARGE}\n")
    path = home.paths.models / REPO / f"{LARGE}.gguf"
    assert sha256(path) == Generated(LARGE_SIZE, seed=1).sha256
    assert hub.twice(f"{LARGE}.gguf") <= MIB
    assert files(home) == [f"{REPO}/{LARGE}.gguf"]
    assert LARGE in home.run("models").stdout
    asked = len(hub.fetched(f"{LARGE}.gguf"))
    again = home.run("pull", WHAT)
    assert (again.returncode, again.stdout) == (0, f"{LARGE}\n") and "is here already" in again.stderr
    assert len(hub.fetched(f"{LARGE}.gguf")) == asked


def test_an_unfinished_download_is_dropped_by_its_name(home: Home, hub: LoopbackHub) -> None:
    hub.knobs.rate = RATE
    pulling = start(WHAT)
    in_its_midst(hub)
    pulling.send_signal(signal.SIGINT)
    pulling.communicate(timeout=30)
    assert files(home) != []
    assert home.run("rm", "small").returncode == 3
    done = home.run("rm", LARGE)
    assert done.returncode == 0 and f"The download of {LARGE} is gone, with " in done.stdout
    assert files(home) == []
    assert home.run("rm", LARGE).returncode == 3


def test_json_lines_of_a_real_download(home: Home, hub: LoopbackHub) -> None:
    hub.knobs.rate = RATE
    hub.knobs.failure = Failure(times=1, status=503, where="files")
    done = home.run("pull", WHAT, "--json")
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds[0] == "start" and kinds[-1] == "done" and "progress" in kinds
    assert any(event["state"] == "waiting" and event["note"] for event in events if event["event"] == "state")
    amounts = [event["done"] for event in events]
    assert amounts == sorted(amounts) and amounts[-1] == LARGE_SIZE
    assert (events[0]["total"], events[-1]["already"]) == (LARGE_SIZE, False)
    assert sha256(Path(events[-1]["path"])) == Generated(LARGE_SIZE, seed=1).sha256


def test_the_host_is_killed_and_pull_goes_on(home: Home, hub: LoopbackHub) -> None:
    hub.knobs.rate = RATE
    pulling = start(WHAT)
    in_its_midst(hub)
    os.kill(home.host_pid(), signal.SIGKILL)
    hub.knobs.rate = RATE
    out, err = pulling.communicate(timeout=60)
    assert (pulling.returncode, out) == (0, f"{LARGE}\n"), err
    assert sha256(home.paths.models / REPO / f"{LARGE}.gguf") == Generated(LARGE_SIZE, seed=1).sha256
    assert hub.twice(f"{LARGE}.gguf") <= MIB


def test_the_command_is_ended_and_the_host_goes_on(home: Home, hub: LoopbackHub) -> None:
    hub.knobs.rate = RATE
    pulling = start(WHAT)
    in_its_midst(hub, MIB)
    pulling.terminate()
    pulling.communicate(timeout=30)
    assert pulling.returncode == -signal.SIGTERM
    hub.knobs.rate = RATE
    path = home.paths.models / REPO / f"{LARGE}.gguf"
    wait_until(path.exists, 30, "for the host to end it alone")
    assert sha256(path) == Generated(LARGE_SIZE, seed=1).sha256


def test_what_the_hub_refuses(home: Home, hub: LoopbackHub) -> None:
    hub.add("owner/secret-GGUF", {"secret-Q4_K_M.gguf": Generated(MIB)}, gated="auto")
    for what, code, said in (
        ("owner/nothing", 3, "owner/nothing"),
        (f"{REPO}:Q2_K", 3, "has no Q2_K"),
        (f"{REPO}/gone.gguf", 3, "gone.gguf"),
        ("owner/secret-GGUF", 1, "gated"),
        ("nonsense", 2, "'nonsense'"),
        ("ollama:gone", 3, "'gone'"),
        (str(home.root / "gone.gguf"), 3, "no file"),
        (f"{hub.url}/none.txt", 2, "none.txt"),
    ):
        done = home.run("pull", what)
        assert (done.returncode, done.stdout) == (code, ""), done
        assert said in done.stderr and len(done.stderr.splitlines()) == 1
        event = json.loads(home.run("pull", what, "--json").stdout)
        assert event["event"] == "error" and said in event["message"] + event["hint"]
    assert files(home) == []


def test_a_token_opens_what_is_gated(home: Home, hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add("owner/secret-GGUF", {"secret-Q4_K_M.gguf": Generated(MIB)}, gated="auto")
    hub.tokens["hf_mine"] = {"owner/secret-GGUF"}
    hub.knobs.redirect = True
    assert home.run("pull", "owner/secret-GGUF").returncode == 1
    monkeypatch.setenv("HF_TOKEN", "hf_mine")
    told = home.run("pull", "owner/secret-GGUF")
    assert told.returncode == 1 and "other values of HF_TOKEN" in told.stderr
    assert home.run("host", "stop").returncode == 0
    done = home.run("pull", "owner/secret-GGUF")
    assert (done.returncode, done.stdout) == (0, "secret-Q4_K_M\n"), done.stderr
    assert {request.token for request in hub.cdn.requests} <= {""}
    for path in home.root.rglob("*"):
        if path.is_file():
            assert b"hf_mine" not in path.read_bytes(), path


def test_an_address_a_file_and_a_model_of_ollama(
    home: Home, hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = Generated(3 * MIB, seed=2)
    with LoopbackHub() as elsewhere:
        done = home.run("pull", elsewhere.serve("/models/afar.gguf", served))
    assert (done.returncode, done.stdout) == (0, "afar\n"), done.stderr
    assert sha256(home.paths.models / "afar.gguf") == served.sha256

    folder = home.root / "mine"
    folder.mkdir()
    split = write_model(folder / "big.gguf", parts=2)
    monkeypatch.chdir(folder)
    done = home.run("pull", f"./{split.name}")
    assert (done.returncode, done.stdout) == (0, "big\n"), done.stderr
    for part in folder.iterdir():
        assert (home.paths.models / part.name).read_bytes() == part.read_bytes()

    store = home.root / "person"  # what OLLAMA_MODELS names in a test's home
    (store / "blobs").mkdir(parents=True)
    model = write_model(store / "blobs" / "model", vocabulary=400)
    digest = sha256(model)
    model.rename(model.with_name(f"sha256-{digest}"))
    manifest = store / "manifests/registry.ollama.ai/library/llama3.2/1b"
    manifest.parent.mkdir(parents=True)
    layer = {"mediaType": MODEL_LAYER, "digest": f"sha256:{digest}", "size": 1}
    manifest.write_text(json.dumps({"schemaVersion": 2, "layers": [layer]}), encoding="utf-8")
    done = home.run("pull", "ollama:llama3.2:1b")
    assert (done.returncode, done.stdout) == (0, "llama3.2-1b\n"), done.stderr
    assert sha256(home.paths.models / "llama3.2-1b.gguf") == digest
    again = home.run("pull", str(home.paths.models / "llama3.2-1b.gguf"))
    assert again.returncode == 2 and "already, as llama3.2-1b" in again.stderr


def test_the_name_that_is_printed_is_one_that_can_be_asked(
    home: Home, hub: LoopbackHub, smollm: Path
) -> None:
    hub.add("owner/real-GGUF", {"real-Q4_1.gguf": smollm})
    name = home.run("pull", "owner/real-GGUF").stdout.strip()
    done = home.run("ask", "-m", name, "--max-tokens", "4", "--json", "Hello")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["model"] == name == "real-Q4_1"
