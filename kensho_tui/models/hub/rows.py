"""A repository's models as rows: verdicts from headers that are known, and what is recommended."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

import msgspec

from kensho_tui.core.contract import Verdict
from kensho_tui.core.hub_contract import HubFile, HubFiles, HubRepo
from kensho_tui.core.text import one_line
from kensho_tui.models.fitting import Fitting, Judged
from kensho_tui.models.gguf.shape import ModelShape
from kensho_tui.models.hub.installed import Installed
from kensho_tui.models.hub.listing import Listing, RemoteGguf
from kensho_tui.models.hub.quantisations import bits_of, quantisation_of
from kensho_tui.models.hub.recommend import Choice, recommend
from kensho_tui.models.hub.scaling import about, scaled
from kensho_tui.models.plan import Rooms

AT_ONCE = 64
"""Rows judged before others have their turn."""

_FITS = frozenset({"resident", "fits", "after"})


@dataclass
class Rows:
    """The rows of one listing. ``shapes`` are from a file's own header, ``problems`` are why it has none."""

    listing: Listing
    fitting: Fitting
    rooms: Rooms
    installed: Installed
    shapes: dict[str, ModelShape] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    note: str = ""

    async def told(self) -> HubFiles:
        """All there is to say of the repository."""
        files = tuple(await self.rows())
        best = next((file for file in files if file.recommended), None)
        names = self.installed.of_repo(self.listing.repo.repo)
        row = msgspec.structs.replace(self._repo(), installed=names)
        if best is not None:
            row = msgspec.structs.replace(
                row, quantisation=best.quantisation, size=best.size, verdict=best.verdict
            )
        notes = [self.note] if self.note else []
        if self.listing.left_out:
            notes.append(f"{self.listing.left_out} files are left out: their names cannot be kept")
        if self.listing.more:
            notes.append(f"{self.listing.more} more files were not looked at")
        return HubFiles(repo=row, revision=self.listing.commit, files=files, note=". ".join(notes))

    def _repo(self) -> HubRepo:
        """What a header says goes before what the hub says of it."""
        repo, shape = self.listing.repo, self._any_shape()
        if shape is None:
            return repo
        return msgspec.structs.replace(
            repo,
            architecture=one_line(shape.architecture, 40),
            context=shape.trained_context,
            parameters=shape.parameters,
        )

    async def rows(self) -> list[HubFile]:
        """The smallest first; one may be recommended."""
        rows, choices = [], []
        read = self._read()
        for number, model in enumerate(self.listing.models):
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)  # others have work too
            shape = self._shape_for(model, read)
            problem = model.problem or self.problems.get(model.file, "")
            judged = Judged(Verdict(kind="unknown", reason=problem), None)
            if not problem:
                judged = await self.fitting.judge_remote(shape, about(model.size), self.rooms)
            row = self._row(model, shape, judged, problem)
            rows.append(row)
            if not problem:
                choices.append(_choice(row, judged))
        best = recommend(choices, self._parameters())
        return [
            msgspec.structs.replace(row, recommended=best is not None and row.file == best.file)
            for row in rows
        ]

    def _row(self, model: RemoteGguf, shape: ModelShape | None, judged: Judged, problem: str) -> HubFile:
        own = self.shapes.get(model.file)
        return HubFile(
            file=model.file,
            name=model.name,
            size=model.size,
            parts=len(model.parts),
            quantisation=model.quantisation or (one_line(own.quantisation, 40) if own is not None else ""),
            bits=self._bits(model, shape),
            verdict=judged.verdict,
            exact=own is not None,
            installed=self.installed.of_model(self.listing.repo.repo, model),
            problem=problem,
        )

    def _read(self) -> dict[str, RemoteGguf]:
        """By kin a model whose header is known."""
        return {model.kin: model for model in self.listing.models if model.file in self.shapes and model.size}

    def _shape_for(self, model: RemoteGguf, read: dict[str, RemoteGguf]) -> ModelShape | None:
        """Its own, or one from another quantisation of the same model."""
        if model.file in self.shapes:
            return self.shapes[model.file]
        other = read.get(model.kin)
        if other is None:
            return None
        return scaled(self.shapes[other.file], other.size, model.size, model.quantisation)

    def _bits(self, model: RemoteGguf, shape: ModelShape | None) -> float:
        """Bits per weight: of its tensors, else of its size, else of its name."""
        if shape is not None and shape.parameters:
            return round(shape.bits, 2)
        parameters = self.listing.repo.parameters
        if parameters and model.size and self.listing.one_model:
            return round(min(model.size * 8 / parameters, 64.0), 2)
        return bits_of(model.quantisation)

    def _any_shape(self) -> ModelShape | None:
        """Of the model that the repository has most files of, where a header of it is known."""
        kins = Counter(model.kin for model in self.listing.models)
        known = [model for model in self.listing.models if model.file in self.shapes]
        most = max(known, key=lambda model: kins[model.kin], default=None)
        return self.shapes[most.file] if most is not None else None

    def _parameters(self) -> int:
        """How many the model has, as far as anything tells: a header, the hub, or sizes and names."""
        shape = self._any_shape()
        if shape is not None and shape.parameters:
            return shape.parameters
        counts = [
            int(model.size * 8 / bits)
            for model in self.listing.models
            if (bits := bits_of(model.quantisation))
        ]
        return self.listing.repo.parameters or max(counts, default=0)


def _choice(row: HubFile, judged: Judged) -> Choice:
    """What is not known to be too large may be taken."""
    return Choice(
        file=row.file,
        quantisation=row.quantisation,
        size=row.size,
        bits=row.bits,
        fits=judged.verdict.kind != "too large",
        context=judged.context,
    )


async def about_row(row: HubRepo, files: list[str], fitting: Fitting, rooms: Rooms) -> HubRepo:
    """`row` with what may be taken of it here, from its parameters and its files' names alone."""
    names = {name for name in map(quantisation_of, files) if bits_of(name)}
    if not names or not row.parameters:
        return row
    verdicts, choices = {}, []
    for name in sorted(names):
        size = int(row.parameters * bits_of(name) / 8)
        verdicts[name] = (await fitting.judge_remote(None, about(size), rooms)).verdict
        choices.append(Choice(name, name, size, bits_of(name), verdicts[name].kind in _FITS))
    best = recommend(choices, row.parameters) or min(choices, key=lambda choice: choice.size)
    return msgspec.structs.replace(
        row, quantisation=best.quantisation, size=best.size, verdict=verdicts[best.file], about=True
    )
