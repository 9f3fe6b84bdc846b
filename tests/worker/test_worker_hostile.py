"""Models whose chat template is not what it should be: the starter with another template of equal length."""

from collections.abc import Callable
from pathlib import Path

import pytest

from kensho_tui.core.frames import AbortWork, Beat, End
from tests.support.worker_process import WorkerProcess

Patch = Callable[[str], Path]


@pytest.fixture
def patched(smollm: Path, tmp_path: Path) -> Patch:
    """Makes a copy of the model with `source` as its template."""

    def make(source: str) -> Path:
        whole = smollm.read_bytes()
        start = whole.index(b"{% for message in messages %}")
        end = whole.index(b"{% endif %}", whole.index(b"add_generation_prompt", start)) + len(b"{% endif %}")
        padding = end - start - len(source) - len("{##}")
        assert padding >= 0
        template = (source + "{#" + " " * padding + "#}").encode()
        path = tmp_path / "patched.gguf"
        path.write_bytes(whole[:start] + template + whole[end:])
        return path

    return make


ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"


def test_an_abort_ends_an_endless_template(worker: WorkerProcess, patched: Patch) -> None:
    worker.load(patched(ENDLESS), context=512)
    name = worker.start("Hello")
    assert worker.until(Beat).busy
    worker.send(AbortWork(id=name))
    end = worker.until(End)
    assert (end.stop_reason, end.sequence) == ("abort", 0)
    worker.send(AbortWork(id=worker.start("Hello again")))
    assert worker.until(End).stop_reason == "abort"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{{ raise_exception('only for members') }}", "only for members"),
        ("{% for %}", "failed"),
        ("{{ cycler.__init__.__globals__.os.system('true') }}", "failed"),
    ],
)
def test_a_template_that_fails_is_named(
    worker: WorkerProcess, patched: Patch, source: str, reason: str
) -> None:
    assert worker.load(patched(source), context=512).has_template
    for _ in range(2):
        error = worker.fail("Hello")
        assert error.code == "engine"
        assert "chat template" in error.message
        assert reason in error.message
        assert error.hint


def test_an_empty_prompt_is_a_usage_error(worker: WorkerProcess, patched: Patch) -> None:
    worker.load(patched(""), context=512)
    assert worker.fail("Hello").code == "usage"
