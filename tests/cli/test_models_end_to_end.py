"""The commands about models against a real host: scripted workers, and real models where marked slow."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.gguf import write_model
from tests.support.home import Home, wait_until
from tests.support.turns import script

MIB = 1 << 20


def add_synthetic(home: Home, name: str, of: str = "SmolLM2-135M", **changes: object) -> Path:
    """A model with published hyper-parameters whose tensors are a hole."""
    return write_model(home.paths.models / f"{name}.gguf", of, **changes)  # type: ignore[arg-type]


def listed(home: Home) -> dict[str, dict[str, object]]:
    done = home.run("models", "--json")
    assert done.returncode == 0, done.stderr
    return {model["name"]: model for model in json.loads(done.stdout)}


def test_models_are_listed_with_what_their_headers_say(scripted: Home) -> None:
    add_synthetic(scripted, "tiny-chat")
    scripted.add_model("torn", b"GGUF torn")
    models = listed(scripted)
    tiny = models["tiny-chat"]
    assert (tiny["architecture"], tiny["quantisation"], tiny["context"]) == ("llama", "Q4_K_M", 8192)
    assert tiny["source"] == "folder" and tiny["removable"] is True and tiny["problem"] == ""
    assert tiny["size"] == (scripted.paths.models / "tiny-chat.gguf").stat().st_size
    assert models["torn"]["problem"]
    assert [name for name, model in models.items() if model["default"]] == ["scripted"]
    text = scripted.run("models").stdout
    assert text.splitlines()[0].split()[0] == "MODEL"
    assert "tiny-chat" in text and str(models["torn"]["problem"])[:20] in text


def test_a_loaded_model_is_marked_and_unloaded(scripted: Home) -> None:
    assert scripted.run("host", "unload").stdout == "no model is loaded\n"
    add_synthetic(scripted, "mine")
    scripted.run("ask", "-m", "mine", "hello")
    mine = listed(scripted)["mine"]
    assert (mine["resident"], mine["verdict"]) == (True, "resident")
    status = json.loads(scripted.run("host", "status", "--json").stdout)
    assert status["workers"][0]["model"] == "mine"
    assert status["workers"][0]["memory"] > 0
    done = scripted.run("host", "unload", "mine", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["models"] == ["mine"]
    assert json.loads(scripted.run("host", "status", "--json").stdout)["workers"] == []
    assert scripted.named("scripted_worker") == []


def test_unload_without_a_host_starts_none(home: Home) -> None:
    done = home.run("host", "unload")
    assert (done.returncode, done.stdout) == (0, "no model is loaded\n")
    assert home.processes() == []


def test_what_streams_is_not_unloaded(scripted: Home) -> None:
    asking = subprocess.Popen(
        [sys.executable, "-m", "kensho_tui", "ask", script(text="word ", repeat=4000, piece=5, rate=100)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert asking.stdout is not None and asking.stdout.read(5) == b"word "
    done = scripted.run("host", "unload")
    asking.send_signal(signal.SIGINT)
    asking.communicate(timeout=30)
    assert done.returncode == 1
    assert "scripted is answering and not unloaded" in done.stderr
    wait_until(lambda: scripted.run("host", "unload").returncode == 0, what="for the answer to end")


def test_a_model_goes_to_the_bin_and_comes_back(scripted: Home) -> None:
    path = add_synthetic(scripted, "old-model")
    done = scripted.run("rm", "old-model", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["model"] == "old-model" and said["size"] > 0
    assert not path.exists() and "old-model" not in listed(scripted)
    back = scripted.run("rm", "--undo", said["token"])
    assert back.returncode == 0, back.stderr
    assert back.stdout.startswith("old-model (")
    assert path.exists() and "old-model" in listed(scripted)
    assert scripted.run("rm", "--undo", said["token"]).returncode in (1, 3)


def test_the_line_that_rm_prints_brings_the_model_back(scripted: Home) -> None:
    path = add_synthetic(scripted, "old-model")
    line = scripted.run("rm", str(path)).stdout.splitlines()[-1].split()
    assert line[:3] == ["kensho-tui", "rm", "--undo"]
    assert scripted.run(*line[1:]).returncode == 0
    assert path.exists()


def test_gc_empties_the_bin(scripted: Home) -> None:
    add_synthetic(scripted, "old-model")
    size = json.loads(scripted.run("rm", "old-model", "--json").stdout)["size"]
    stores = {store["name"]: store for store in json.loads(scripted.run("gc", "--json").stdout)["stores"]}
    assert stores["bin"]["freeable"] >= size
    assert scripted.run("gc", "--free", "bin").returncode == 2
    freed = json.loads(scripted.run("gc", "--free", "bin", "--yes", "--json").stdout)
    assert freed["size"] >= size
    after = {store["name"]: store for store in json.loads(scripted.run("gc", "--json").stdout)["stores"]}
    assert (after["bin"]["size"], after["bin"]["freeable"]) == (0, 0)
    assert after["models"]["freeable"] == 0
    assert scripted.run("gc", "--free", "bin", "--yes").stdout == "There was nothing to free.\n"
    assert "kensho.db" in scripted.run("gc").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["rm", "nothing"], 3, "no model 'nothing'"),
        (["rm", "/nowhere/x.gguf"], 3, "/nowhere/x.gguf"),
        (["rm", "twin"], 3, "twin-a"),
        (["rm", "SmolLM2"], 1, "is not deleted here"),
        (["rm", "--undo", "zzzz"], 3, "no such model in the bin"),
        (["rm", "--undo", "../../models"], 3, "no such model in the bin"),
        (["fit", "nothing"], 3, "no model 'nothing'"),
        (["fit", "torn"], 4, "torn"),
        (["host", "unload", "nothing"], 3, "no model 'nothing'"),
    ],
)
def test_errors(scripted: Home, arguments: list[str], code: int, said: str) -> None:
    scripted.add_model("torn", b"GGUF torn")
    for name in ("twin-a", "twin-b"):
        add_synthetic(scripted, name)
    done = scripted.run(*arguments, "--json")
    assert done.returncode == code, done.stderr
    assert said in done.stderr and "Traceback" not in done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1


def test_a_fit_in_closed_form_starts_no_worker(scripted: Home) -> None:
    path = add_synthetic(scripted, "llama", "Llama-3.2-3B")
    said = json.loads(scripted.run("fit", "llama", "--ctx", "4096", "--json").stdout)
    assert scripted.named("scripted_worker") == []
    assert (said["model"], said["n_ctx"], said["kv_type"]) == ("llama", 4096, "f16")
    assert said["source"] == "estimated"
    assert said["kv"] == 448 * MIB
    assert said["total"] == said["weights"] + said["kv"] + said["compute"] + said["overhead"]
    assert said["max_ctx"] >= 4096
    compact = json.loads(scripted.run("fit", str(path), "--ctx", "4096", "--kv", "q8_0", "--json").stdout)
    assert compact["kv"] == 448 * MIB * 34 // 64
    text = scripted.run("fit", "llama.gguf", "--ctx", "4096", cwd=scripted.paths.models).stdout
    assert "KV cache           0.44 GiB" in text
    assert "Largest context that fits:" in text


def test_what_is_too_large_is_no_error(home: Home) -> None:
    add_synthetic(home, "huge")
    home.settings("memory_limit = 0.05\n")
    home.start_scripted_host()
    done = home.run("fit", "huge", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verdict"] == "too large"
    assert "\nToo large. " in home.run("fit", "huge").stdout
    assert "too large: needs" in home.run("models").stdout


def test_names_of_files_are_made_safe_for_a_terminal(scripted: Home) -> None:
    path = add_synthetic(scripted, "\x1b]0;NAME\x07q\x9b31m")
    for arguments in (("models",), ("fit", "q"), ("rm", "q")):
        done = scripted.run(*arguments)
        assert done.returncode == 0, done.stderr
        assert not {"\x1b", "\x9b", "\x07"} & set(done.stdout + done.stderr)
    add_synthetic(scripted, path.stem)
    # In JSON a path is what opens the file.
    assert str(path) in {model["path"] for model in listed(scripted).values()}


def test_names_that_are_no_text_harm_nothing(scripted: Home) -> None:
    whole = add_synthetic(scripted, "plain")
    os.rename(os.fsencode(whole), os.fsencode(scripted.paths.models) + b"/bad\xff.gguf")  # noqa: PTH104
    assert "scripted" in listed(scripted)
    assert scripted.run("models").returncode == 0


@pytest.mark.slow
def test_exact_is_what_llama_cpp_would_allocate(home: Home) -> None:
    computed = json.loads(home.run("fit", "smol", "--ctx", "2048", "--json").stdout)
    exact = json.loads(home.run("fit", "smol", "--ctx", "2048", "--exact", "--json").stdout)
    assert (computed["source"], exact["source"]) == ("estimated", "dry run")
    for term in ("kv", "compute"):
        assert abs(computed[term] - exact[term]) <= 0.01 * exact["total"]
    assert home.named("kensho_tui.worker") == []


@pytest.mark.slow
def test_a_real_load_is_measured(home: Home) -> None:
    assert home.run("ask", "--max-tokens", "4", "hello").returncode == 0
    (model,) = listed(home).values()
    assert model["resident"] is True and model["verdict"] == "resident"
    assert float(str(model["load_s"])) > 0
    said = json.loads(home.run("fit", "smol", "--json").stdout)
    assert said["source"] == "measured"
    status = home.run("host", "status").stdout
    assert "measured" in status
    assert home.run("host", "unload").stdout.startswith("unloaded SmolLM2")
    assert home.named("kensho_tui.worker") == []
