"""Which model of a repository is meant (pure)."""

from kensho_tui.core.errors import NotFoundError, UsageError
from kensho_tui.core.text import one_line
from kensho_tui.models.hub.listing import Listing, RemoteGguf, told
from kensho_tui.models.hub.quantisations import base_of, matches
from kensho_tui.models.hub.remote import HubReference


def choose(listing: Listing, reference: HubReference) -> RemoteGguf:
    """By file, else by quantisation. Raises `NotFoundError` or `UsageError` with what there is."""
    if reference.file:
        return _by_file(listing, reference.file)
    return _by_quantisation(listing, reference.quantisation)


def _by_file(listing: Listing, file: str) -> RemoteGguf:
    """By the path of any of its parts, or by a file name that is there once."""
    found = [model for model in listing.models if any(part.path == file for part in model.parts)]
    if not found and "/" not in file:
        found = [
            model
            for model in listing.models
            if any(part.path.rpartition("/")[2] == file or part.name == file for part in model.parts)
        ]
    if len(found) == 1:
        return found[0]
    repo = listing.repo.repo
    if found:
        paths = ", ".join(model.file for model in found)
        raise UsageError(f"{repo} has that file in several folders: {paths}", hint="Write the whole path")
    raise NotFoundError(f"{repo} has no model {one_line(file, 120)}", hint=f"It has: {told(listing.models)}")


def _by_quantisation(listing: Listing, wanted: str) -> RemoteGguf:
    usable = [model for model in listing.models if not model.problem]
    exact = [model for model in usable if matches(wanted, model.quantisation)]
    found = exact or [model for model in usable if matches(wanted, base_of(model.quantisation))]
    repo = listing.repo.repo
    if not found:
        broken = [model for model in listing.models if matches(wanted, model.quantisation)]
        why = f" that can be used: {broken[0].problem}" if broken else ""
        raise NotFoundError(
            f"{repo} has no {one_line(wanted, 40)}{why}", hint=f"It has: {told(listing.models)}"
        )
    if len(found) > 1:
        files = ", ".join(model.file for model in found[:8])
        more = f" and {len(found) - 8} more" if len(found) > 8 else ""
        raise UsageError(
            f"{repo} has several models in {one_line(wanted, 40)}: {files}{more}",
            hint=f"Name the file, as {repo}/{found[0].file}",
        )
    return found[0]
