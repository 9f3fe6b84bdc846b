"""Figures as files: whole or not at all, over no other, and safe to open."""

import csv
import errno
import io
import json
import os
import stat
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from kensho_tui.core.errors import KenshoError
from kensho_tui.core.metrics_contract import Figures
from kensho_tui.ui.metrics.figures.document import Document, Item, flat, model, setup
from kensho_tui.ui.metrics.figures.export import (
    Job,
    Wanted,
    csv_lines,
    export,
    file_name,
    harmless,
    once,
)
from tests.ui.conftest import NOW
from tests.ui.metrics.figures.scripted import OLD, RUNS, SMALL, generation

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


def wanted(*items: Item, kind: str = "models") -> Wanted:
    return Wanted(kind, {"since": None}, once(items))


MODELS = [model(one) for one in (SMALL, OLD)]


@given(
    st.lists(st.lists(TEXTS | st.integers() | st.floats(allow_nan=False), min_size=2, max_size=2), min_size=1)
)
def test_cells_are_read_back_as_they_were_made_harmless(table: list[list[str | int | float]]) -> None:
    records: list[Document] = [dict(zip("ab", row, strict=True)) for row in table]
    text = csv_lines(records, titles=True)
    read = list(csv.reader(io.StringIO(text, newline="")))
    assert read == [["a", "b"], *([str(harmless(cell)) for cell in row] for row in table)]


@given(TEXTS)
def test_no_text_is_a_formula_or_a_command(text: str) -> None:
    cell = str(harmless(text))
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"))
    assert "\x1b" not in cell and "\r" not in cell


def test_numbers_stay_numbers() -> None:
    assert harmless(-1) == -1 and harmless(None) is None
    assert harmless("-1") == "'-1" and harmless("=1+1") == "'=1+1"


def test_truth_is_written_as_other_programs_read_it() -> None:
    again, once_only = flat(generation(1, from_cache=True)), flat(generation(2))
    text = csv_lines([again, once_only], titles=True)
    assert [row["from_cache"] for row in csv.DictReader(io.StringIO(text))] == ["true", "false"]


async def test_a_csv_file_has_every_figure_with_its_spread(tmp_path: Path) -> None:
    place = await export(tmp_path / "exports", wanted(*MODELS), "csv", NOW, Job())
    assert place is not None and place.name == "models-20261121-092000.csv"
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    small, old = csv.DictReader(io.StringIO(place.read_text()))
    assert (small["model"], small["runs"], small["ttft_s_count"]) == (SMALL.model, "1234", "1234")
    assert float(small["decode_tok_s_median"]) == 148.2
    assert old["quantisation"] == "Q8_0"


async def test_a_json_file_has_settings_and_days(tmp_path: Path) -> None:
    place = await export(tmp_path, wanted(*MODELS), "json", NOW, Job())
    assert place is not None
    read = json.loads(place.read_text())
    assert read["since"] is None
    small = read["models"][0]
    assert len(small["settings"]) == 3 and small["settings"][2]["threads"] == 2
    assert small["decode_tok_s"]["count"] == 1111 and len(small["days"]) == 14


async def test_nothing_is_written_over(tmp_path: Path) -> None:
    places = [await export(tmp_path, wanted(*MODELS), "csv", NOW, Job()) for _ in range(3)]
    assert [place.name for place in places if place] == [
        "models-20261121-092000.csv",
        "models-20261121-092000-2.csv",
        "models-20261121-092000-3.csv",
    ]
    assert sorted(tmp_path.iterdir()) == sorted(place for place in places if place)


@pytest.mark.parametrize("kind", ["csv", "json"])
async def test_pages_make_one_file(tmp_path: Path, kind: str) -> None:
    async def pages() -> AsyncIterator[Sequence[Item]]:
        for first in range(0, 30, 10):
            yield RUNS[first : first + 10]
        yield []

    job, told = Job(), list[int]()
    job.went_on = lambda: told.append(job.written)
    all_of_them = Wanted("generations", {}, pages, of="../Qwen 2.5/=x")
    place = await export(tmp_path, all_of_them, "csv" if kind == "csv" else "json", NOW, job)
    assert place is not None and place.name == f"generations-Qwen-2.5-x-20261121-092000.{kind}"
    text = place.read_text()
    read = json.loads(text)["generations"] if kind == "json" else list(csv.DictReader(io.StringIO(text)))
    assert [one["id"] for one in read] == [one.id for one in RUNS[:30]]
    assert told == [10, 20, 30, 30]


async def test_no_rows_are_a_whole_document_still(tmp_path: Path) -> None:
    place = await export(tmp_path, wanted(kind="generations"), "json", NOW, Job())
    assert place is not None and json.loads(place.read_text()) == {"since": None, "generations": []}


async def test_stopped_it_leaves_nothing(tmp_path: Path) -> None:
    async def pages() -> AsyncIterator[Sequence[Item]]:
        while True:
            yield MODELS

    job = Job()
    job.went_on = lambda: setattr(job, "stopped", job.written >= 6)
    assert await export(tmp_path, Wanted("models", {}, pages), "json", NOW, job) is None
    assert (job.written, list(tmp_path.iterdir())) == (6, [])


async def test_what_fails_on_the_way_leaves_nothing(tmp_path: Path) -> None:
    async def pages() -> AsyncIterator[Sequence[Item]]:
        yield MODELS
        raise KenshoError("the database is locked")

    with pytest.raises(KenshoError, match="locked"):
        await export(tmp_path, Wanted("models", {}, pages), "csv", NOW, Job())
    assert list(tmp_path.iterdir()) == []


async def test_a_folder_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "exports").write_text("a file")
    with pytest.raises(KenshoError, match="nothing was written") as caught:
        await export(tmp_path / "exports", wanted(*MODELS), "csv", NOW, Job())
    assert caught.value.hint == "Check that it is a folder that can be written to, then export again"


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENOSPC, "Free some space on that disk, then export again"),
        (errno.EDQUOT, "Free some space on that disk, then export again"),
        (errno.EACCES, "Allow writing to that folder, then export again"),
        (errno.EROFS, "Allow writing to that folder, then export again"),
    ],
)
async def test_what_helps_is_said_of_what_went_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, hint: str
) -> None:
    def refusing(self: Path, **options: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "mkdir", refusing)
    with pytest.raises(KenshoError, match=os.strerror(number)) as caught:
        await export(tmp_path / "exports", wanted(*MODELS), "csv", NOW, Job())
    assert caught.value.hint == hint


def test_settings_and_generations_are_flat() -> None:
    small = setup(SMALL.settings[1])
    assert small["decode_tok_s"] == SMALL.settings[1].figures.decode
    assert flat(small)["kv_type"] == "q8_0" and flat(small)["decode_tok_s_median"] == 121.0
    bare = flat(generation(1, usage=None, timings=None))
    assert bare["prompt_tokens"] is None and bare["ttft_s"] is None and bare["bandwidth"] == 0.0
    assert bare.keys() == flat(generation(1)).keys()


def test_what_was_not_measured_has_empty_fields_and_a_count_of_nothing() -> None:
    bare = flat(model(replace(OLD, figures=Figures(runs=2))))
    assert bare["load_s_median"] is None and bare["load_s_count"] == 0
    assert bare.keys() == flat(model(SMALL)).keys() and "days" not in bare


def test_names_of_models_make_names_of_files() -> None:
    name = file_name(Wanted("settings", {}, once(()), of="a/../b\n" * 40), "csv", NOW)
    assert "/" not in name and "\n" not in name and len(name) < 120
