"""Rich for terminals: colours, links, tables and bars, with nothing in their texts that a terminal would obey."""

from collections.abc import Iterable
from typing import Any, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from semsearch.cli.streams import for_terminal, styled


class _Console(Console):
    """A console whose texts are cleaned like all others; the sequences between them are Rich's."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
                continue
            style = segment.style
            if style is not None and style.link is not None and not _is_plain(style.link):
                style = style.update_link(None)
            yield Segment(for_terminal(segment.text), style)


def console(stream: TextIO, **options: Any) -> Console:
    """A Rich console that writes to `stream`, a standard stream; `options`: those of `Console`."""
    return _Console(file=styled(stream), highlight=False, **options)


def _is_plain(link: str) -> bool:
    """Whether `link` cannot end the sequence that it stands in."""
    return link.isascii() and link.isprintable()
