"""Lines of text that scroll, and what keeps the text of documents from being obeyed by the terminal."""

from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.color import Color
from textual.filter import LineFilter
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from semsearch.cli.streams import for_terminal


class Cleaning(LineFilter):
    """Leaves out of everything that is drawn what a terminal would obey, whichever widget draws it."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            segment if segment.control else Segment(for_terminal(segment.text).replace("\n", " "), _plain(segment))
            for segment in segments
        ]


def _plain(segment: Segment) -> Style:
    """The style of `segment` without a link: no text of a document is one. Textual's filters want a style of each."""
    style = segment.style or Style()
    return style.update_link(None) if style.link is not None else style


def clean(text: str) -> str:
    """`text` as it is drawn on one line: cleaned before its width is measured."""
    return for_terminal(text.expandtabs(4)).replace("\n", " ")


class Lines(ScrollView):
    """A view of lines, each as wide as the view at most; those that are seen are asked of `line`."""

    # A bar that is always there, lest lines get less room when there are many.
    DEFAULT_CSS = "Lines { overflow-x: hidden; overflow-y: scroll; scrollbar-size-vertical: 1; }"

    def count(self) -> int:
        """How many lines there are."""
        raise NotImplementedError

    def line(self, number: int, width: int) -> Text:
        """Line `number`, from 0, for a view of so many cells."""
        raise NotImplementedError

    def fit(self) -> None:
        """Tells the view that its lines are others now."""
        self.virtual_size = Size(0, self.count())
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        number = y + self.scroll_offset.y
        if number >= self.count():
            return Strip.blank(width)
        text = self.line(number, width).copy()
        text.truncate(width, overflow="ellipsis")
        return Strip(_segments(text, self)).adjust_cell_length(width)


def _segments(text: Text, view: Lines) -> Sequence[Segment]:
    return list(text.render(view.app.console, end=""))
