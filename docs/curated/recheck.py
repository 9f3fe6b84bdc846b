"""Compare the curated list with the hub: is each repository there and free, with these files and numbers?

    python docs/curated/recheck.py [--write] [OWNER/NAME …]

Prints for each entry what was confirmed, or what differs; fetches headers only, about ten MB for an entry.
``--write`` keeps what the hub says, with today's date, and marks what could not be confirmed. Ends with 0
where everything was confirmed, 1 where something differs, and 2 where the hub could not be reached.
"""

import argparse
import asyncio
import datetime
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec.structs import replace

from kensho_tui.core.errors import GatedError, HubError, KenshoError, LoadError, NotFoundError
from kensho_tui.models.gguf.shape import ModelShape
from kensho_tui.models.hub import curated as the_list
from kensho_tui.models.hub.client import LONGEST_S, HubClient
from kensho_tui.models.hub.curated import Curated, CuratedFile, Entry, Fact, Group, shape_of
from kensho_tui.models.hub.listing import Listing, RemoteFile, listing_of

LIST = Path(the_list.__file__).with_name(the_list.FILE)
SOURCE = "the hub itself, by docs/curated/recheck.py"
State = Literal["confirmed", "differs", "not reachable"]
CODES: dict[State, int] = {"confirmed": 0, "differs": 1, "not reachable": 2}

# Numbers that are a header's as they are. The others say which layers are of which kind: mended by hand.
_PLAIN = {
    "architecture": "architecture",
    "layers": "layers",
    "embedding": "embedding",
    "feed_forward": "feed_forward",
    "key_length": "key_length",
    "vocabulary": "vocabulary",
    "context": "trained_context",
    "tied": "tied",
    "window": "window",
    "experts": "experts",
    "experts_used": "experts_used",
}
_COMPARED = (*_PLAIN.values(), "heads", "kv_heads", "value_length", "key_length_swa", "sliding", "recurrent")


class Difference(NamedTuple):
    """``mended``: the renewed entry has the hub's word for it."""

    group: Group
    what: str
    mended: bool = False


@dataclass
class Report:
    """``renewed`` is the entry with what the hub says."""

    renewed: Entry
    state: State = "confirmed"
    differences: list[Difference] = field(default_factory=list)
    error: str = ""

    def differs(self, group: Group, what: str, *, mended: bool = False) -> None:
        self.differences.append(Difference(group, what, mended))

    def lines(self) -> Iterator[str]:
        yield f"{self.renewed.repo}: {self.state}" + (f" ({self.error})" if self.error else "")
        yield from (f"    {one.group}: {one.what}" for one in self.differences)


async def check(entry: Entry, client: HubClient, today: str) -> Report:
    """Never raises for what the hub does."""
    report = Report(entry)
    try:
        listing = listing_of(await client.repository(entry.repo, None), entry.repo)
        there = {model.file: model.parts[0] for model in listing.models if len(model.parts) == 1}
        _repository(report, listing, there)
        await _header(client, report, there)
    except (NotFoundError, GatedError) as error:
        for group in entry.facts:
            report.differs(group, error.line())
    except HubError as error:
        return Report(entry, "not reachable", error=error.line())
    if report.differences:
        report.state = "differs"
    report.renewed = replace(
        report.renewed, facts={group: _fact(report, group, today) for group in entry.facts}
    )
    return report


def _repository(report: Report, listing: Listing, there: Mapping[str, RemoteFile]) -> None:
    """What the hub tells without a file being opened."""
    entry, found = report.renewed, listing.repo
    if found.private or found.gated:
        report.differs("repository", "it is private" if found.private else "it is gated")
    if found.licence != entry.licence:
        what = f"{entry.licence} here, {found.licence or 'none'} there"
        report.differs("licence", what, mended=bool(found.licence))
    files = []
    for one in entry.files:
        if one.file not in there:
            report.differs("files", f"{one.file} is not there")
        elif there[one.file].size != one.size:
            what = f"{one.file}: {one.size:,} bytes here, {there[one.file].size:,} there"
            report.differs("files", what, mended=True)
        files.append(replace(one, size=there[one.file].size) if one.file in there else one)
    report.renewed = replace(
        entry, files=tuple(files), revision=listing.commit, licence=found.licence or entry.licence
    )


async def _header(client: HubClient, report: Report, there: Mapping[str, RemoteFile]) -> None:
    """Compares the numbers with the header of the first file that is there."""
    entry = report.renewed
    file = next((one for one in entry.files if one.file in there), None)
    if file is None:
        return report.differs("shape", "none of its files is there, so that no header could be read")
    try:
        return _numbers(
            report, file, await client.header(entry.repo, entry.revision, [there[file.file]], LONGEST_S)
        )
    except LoadError as error:
        return report.differs("shape", error.line())


def _numbers(report: Report, file: CuratedFile, real: ModelShape) -> None:
    """Compares the header's numbers, and takes them over where that makes the header's shape."""
    entry = report.renewed
    ours, header = shape_of(entry, file), file.size - real.weights
    plain = {to: getattr(real, of) for to, of in _PLAIN.items()}
    numbers = replace(entry.shape, **plain, heads=max(real.heads), kv_heads=max(real.kv_heads))
    renewed = replace(entry, shape=numbers, header=header, parameters=real.parameters)
    left = [name for name in _COMPARED if getattr(shape_of(renewed, file), name) != getattr(real, name)]
    if not left:
        report.renewed = renewed
    pairs = [(name, getattr(ours, name), getattr(real, name)) for name in _COMPARED]
    pairs += [("header", entry.header, header), ("parameters", entry.parameters, real.parameters)]
    for name, here, there in pairs:
        if here != there:
            report.differs("shape", f"{name}: {_short(here)} here, {_short(there)} there", mended=not left)
    if left:
        report.differs("shape", f"to be mended by hand: {', '.join(left)}")


def _short(value: Any) -> str:
    """Of a value for each layer: the different ones."""
    if isinstance(value, tuple):
        return "/".join(map(str, dict.fromkeys(value))) or "none"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _fact(report: Report, group: Group, today: str) -> Fact:
    """As the hub says it now; not confirmed is what it does not say, or what only a person can mend."""
    left = [one.what for one in report.differences if one.group == group and not one.mended]
    source = f"{SOURCE}: {'; '.join(left)}" if left else SOURCE
    return Fact(confirmed=not left, date=today, source=source)


def written(made: Curated) -> str:
    """The list as it is in its file."""
    return msgspec.json.format(msgspec.json.encode(made), indent=1).decode() + "\n"


async def recheck(made: Curated, client: HubClient, today: str, only: Sequence[str] = ()) -> list[Report]:
    """One entry after the other, so that the hub is not asked too often. ``only`` names repositories."""
    chosen = [entry for entry in made.entries if not only or entry.repo in only]
    return [await check(entry, client, today) for entry in chosen]


def renewed(made: Curated, reports: Sequence[Report], today: str) -> Curated:
    """The list with what was found; an entry that could not be asked about stays as it is."""
    by_repo = {report.renewed.repo: report.renewed for report in reports if report.state != "not reachable"}
    entries = tuple(by_repo.get(entry.repo, entry) for entry in made.entries)
    return replace(made, date=today, entries=entries) if by_repo else made


def main(arguments: Sequence[str] | None = None, path: Path = LIST) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("only", nargs="*", metavar="OWNER/NAME", help="these entries only")
    parser.add_argument("--write", action="store_true", help="keep what the hub says")
    given = parser.parse_args(arguments)
    made = msgspec.json.decode(path.read_bytes(), type=Curated)
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    try:
        reports = asyncio.run(recheck(made, HubClient(), today, given.only))
    except KenshoError as error:
        sys.stderr.write(error.line() + "\n")
        return CODES["not reachable"]
    for report in reports:
        sys.stdout.write("\n".join(report.lines()) + "\n")
    if given.write:
        path.write_text(written(renewed(made, reports, today)), encoding="utf-8")
    return max((CODES[report.state] for report in reports), default=0)


if __name__ == "__main__":
    sys.exit(main())
