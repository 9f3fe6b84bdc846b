"""What the details pane says of a repository, and of one of its files. Pure."""

from datetime import datetime
from typing import NamedTuple

from textual.content import Content

from kensho_tui.core import contract as c
from kensho_tui.core import hub_contract as h
from kensho_tui.core.text import one_line
from kensho_tui.ui import format as fmt
from kensho_tui.ui.lines import quiet
from kensho_tui.ui.models import sheet
from kensho_tui.ui.models.hub_rows import (
    Here,
    access,
    count,
    downloading,
    file_state,
    parameters,
    repo_mark,
    size,
    title,
)
from kensho_tui.ui.models.rows import GREEN, judged, names, verdict_mark

ACCESS = {
    "gated": "gated: accept its terms on its page, then run hf auth login; or set HF_TOKEN and restart the "
    "host (/restart)",
    "private": "private: only with a token of its owner's (hf auth login)",
}


class RepoPage(NamedTuple):
    """A repository as it is listed; nothing more is asked for."""

    repo: h.HubRepo
    here: Here
    now: datetime

    def head(self) -> list[Content]:
        """Its name, what it is for, the verdict."""
        repo = self.repo
        role = quiet(f"  {one_line(repo.role, 80)}" if repo.role else "")
        fits = quiet("Enter shows whether its files fit")
        if repo.verdict is not None:
            fits = _judged(repo.verdict, repo.about)
        lines = [Content.assemble((title(repo), "bold"), role), fits]
        found = self.here.models_of(repo)
        if found:
            said = f"✓ {names(found)} {'are' if len(found) > 1 else 'is'} here"
            lines.append(Content.styled(said, GREEN))
        elif repo.repo in self.here.coming:
            said = downloading(self.here.coming[repo.repo])
            lines.append(Content.styled(f"{repo_mark(repo, self.here).text} {said}", "$primary"))
        return lines

    def memory(self, width: int) -> list[Content]:
        return []

    def facts(self) -> sheet.Facts:
        repo = self.repo
        recommended = " · ".join(word for word in (repo.quantisation, size(repo)) if word)
        facts = {
            "Repository": repo.repo if repo.title else "",
            "Recommended": recommended and f"{recommended}{', reckoned from its parameters' * repo.about}",
            "Parameters": parameters(repo.parameters),
            "Architecture": repo.architecture,
            "Context": f"{fmt.thousands(repo.context)} tokens" if repo.context > 0 else "",
            "Licence": repo.licence,
            "Access": ACCESS.get(access(repo), ""),
            "Downloads": count(repo.downloads),
            "Likes": count(repo.likes),
            "Updated": fmt.ago(repo.updated, self.now) if repo.updated else "",
        }
        return sheet.told(facts)


class FilePage(NamedTuple):
    """A file, with what its header says once that was read."""

    repo: h.HubRepo
    file: h.HubFile
    here: Here
    details: h.HubDetails | None = None
    asking: bool = False
    problem: str = ""

    def head(self) -> list[Content]:
        """Its name, the verdict, and whether it is here already."""
        file = self.details.file if self.details is not None else self.file
        name = Content.assemble(
            (one_line(file.name, 100) or one_line(file.file, 100), "bold"),
            ("  ★ recommended here" if self.file.recommended else "", "$primary"),
        )
        found = self.details.fit.verdict if self.details is not None and self.details.fit else file.verdict
        wrong = self.file.problem or self.problem
        said = Content.styled(f"✗ {one_line(wrong, 300)}", "$error") if wrong else _judged(found, False)
        mark, state = file_state(self.repo.repo, self.file, self.here)
        return [name, said, *([Content.styled(f"{mark.text} {state}", mark.style)] if state else [])]

    def memory(self, width: int) -> list[Content]:
        """As for a model of this machine."""
        fit = self.details.fit if self.details is not None else None
        if fit is None:
            return [Content(), quiet("◌ reading its header …")] if self.asking else []
        taken = sheet.Taken(fit.footprint, fit.verdict, fit, kv_note=sheet.kv_words(fit))
        fits = sheet.most(fit, self.repo.context)
        return [*sheet.memory(taken, width), Content(), Content(fits), *sheet.would_fit(fit)]

    def facts(self) -> sheet.Facts:
        file = self.file
        facts = dict(self.details.facts) if self.details is not None else {}
        if not facts:
            bits = f", {file.bits:.2f} bits per weight" if file.bits > 0 else ""
            facts = {
                "Quantisation": f"{file.quantisation}{bits}" if file.quantisation else "",
                "Parameters": parameters(self.repo.parameters),
                "Licence": self.repo.licence,
            }
        parts = f" in {file.parts} parts" if file.parts > 1 else ""
        own = {
            "Download": f"{fmt.size(file.size)}{parts}" if file.size > 0 else "",
            "Repository": self.repo.repo,
            "File": file.file,
        }
        return [*sheet.told(facts), *sheet.told(own)]


def _judged(found: c.Verdict | None, about: bool) -> Content:
    """The verdict's glyph and reason."""
    if found is None:
        return quiet("whether it fits is not known")
    glyph, words = verdict_mark(found), judged(found)
    reason = one_line(found.reason, 200) or words.text
    return Content.assemble((f"{glyph.text} ", glyph.style), reason, quiet("  reckoned" if about else ""))
