"""A compositor that renders only what a partial update needs.

Made for Textual 8.2.8, where `Compositor._get_renders` (private) renders every widget whose *clip* meets the
update, all of its rows, and those behind others as well: a line that grows in the transcript costs a
rendering of the whole screen. Not reported. Remove when it crops by region and leaves out what is covered.
"""

from collections.abc import Iterable, Iterator

from textual._compositor import Compositor
from textual.geometry import Region
from textual.strip import Strip


class CroppingCompositor(Compositor):
    """Renders rows inside the crop, of widgets that are seen there."""

    def _get_renders(self, crop: Region | None = None) -> Iterable[tuple[Region, Region, list[Strip]]]:
        area = self.size.region
        if crop is not None:
            # Whole rows: Textual's updates take what was composed between two cuts as a whole.
            area = Region(0, crop.y, area.width, crop.height).intersection(area)
        bare = [area]
        for widget, (region, clip) in self.visible_widgets.items():
            shown = region.intersection(clip).intersection(area)
            if shown and any(shown.overlaps(part) for part in bare):
                strips = widget.render_lines(shown.translate(-region.offset))
                yield region, shown, strips
                # A widget not yet told its new size renders less than that: what is behind it is seen there.
                width = min((strip.cell_length for strip in strips), default=0)
                drawn = shown.intersection(Region(shown.x, shown.y, width, len(strips)))
                bare = [rest for part in bare for rest in _without(part, drawn)]


def _without(region: Region, cover: Region) -> Iterator[Region]:
    """What of `region` is not covered, in up to four pieces."""
    cover = region.intersection(cover)
    if not cover:
        yield region
        return
    x, y, width, _ = region
    pieces = (
        Region(x, y, width, cover.y - y),
        Region(x, cover.bottom, width, region.bottom - cover.bottom),
        Region(x, cover.y, cover.x - x, cover.height),
        Region(cover.right, cover.y, region.right - cover.right, cover.height),
    )
    yield from (piece for piece in pieces if piece)
