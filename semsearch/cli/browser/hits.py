"""The list of what is found: a line or two for each hit, with the one that is chosen."""

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from rich.text import Text
from textual import events
from textual.message import Message

from semsearch.cli.browser.lines import Lines, clean
from semsearch.cli.formats import on_host, place, sentence_shown
from semsearch.retrieval.hit import Hit
from semsearch.retrieval.snippets import match_spans

# From so many columns of the terminal on the hits stand beside the preview, on two lines each.
WIDE = 110
# Of the width of one line for a hit: what its place gets at most.
_PLACE_PART = 0.45


class HitList(Lines):
    """The hits; it never has the focus, which stays with the query."""

    can_focus = False

    class Chosen(Message):
        """Another hit is chosen, or none is."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self.hits: list[Hit] = []
        self.chosen = 0
        self.rows = 1
        self._keys: frozenset[str] = frozenset()

    def show(self, hits: Sequence[Hit], keys: frozenset[str]) -> None:
        """Shows other hits from the first on; `keys`: the terms that were looked for."""
        self.hits, self._keys, self.chosen = list(hits), keys, 0
        self.fit()
        self.scroll_to(0, 0, animate=False)
        self.post_message(self.Chosen())

    def add(self, hits: Sequence[Hit]) -> None:
        """Shows more hits below the others."""
        known = {(hit.path, hit.chunk_id) for hit in self.hits}
        self.hits += [hit for hit in hits if (hit.path, hit.chunk_id) not in known]
        self.fit()

    @property
    def hit(self) -> Hit | None:
        """The hit that is chosen."""
        return self.hits[self.chosen] if self.hits else None

    @property
    def page(self) -> int:
        """How many hits are seen at once."""
        return max(1, self.scrollable_content_region.height // self.rows - 1)

    def move(self, by: int) -> None:
        """Chooses the hit so many below the one that is chosen, as far as there are any."""
        self.choose(self.chosen + by)

    def choose(self, number: int) -> None:
        """Chooses the hit `number`, from 0, or the nearest that there is."""
        number = max(0, min(number, len(self.hits) - 1))
        if number != self.chosen:
            self.chosen = number
            self._reveal()
            self.refresh()
            self.post_message(self.Chosen())

    def count(self) -> int:
        return len(self.hits) * self.rows

    def line(self, number: int, width: int) -> Text:
        hit = self.hits[number // self.rows]
        is_chosen = number // self.rows == self.chosen
        text = Text("▌ " if is_chosen else "  ", style="bold cyan" if is_chosen else "")
        if self.rows == 1:
            text.append_text(self._on_one_line(hit, width - 2))
        elif number % 2:
            text.append("  ")
            text.append_text(self._sentence(hit))
        else:
            text.append(clean(place(hit)), "bold magenta")
            text.append(on_host(hit), "dim")
            text.append("  " + clean(" > ".join(hit.heading)), "green")
        if is_chosen and (self.rows == 1 or not number % 2):
            text.stylize("reverse", 2, 2 + len(clean(place(hit))) if self.rows == 2 else len(text))
        return text

    def _on_one_line(self, hit: Hit, width: int) -> Text:
        at, room = clean(place(hit)), max(12, int(width * _PLACE_PART))
        if cell_len(at) > room:  # its end tells more: the name of the file and the line
            while cell_len(at) >= room:
                at = at[max(1, (cell_len(at) - room) // 2) :]
            at = "…" + at
        text = Text(set_cell_size(at, room) + "  ", "magenta")
        text.append_text(self._sentence(hit))
        return text

    def _sentence(self, hit: Hit) -> Text:
        shown = clean(sentence_shown(hit) or hit.snippet)
        text = Text(shown)
        for start, end in match_spans(shown, self._keys, frozenset((hit.language,))):
            text.stylize("bold yellow", start, end)
        return text

    def _reveal(self) -> None:
        """Scrolls as far as needed to see the chosen hit."""
        top, height = self.chosen * self.rows, self.scrollable_content_region.height
        if top < self.scroll_offset.y:
            self.scroll_to(y=top, animate=False)
        elif top + self.rows > self.scroll_offset.y + height:
            self.scroll_to(y=top + self.rows - height, animate=False)

    def on_resize(self) -> None:
        self.rows = 2 if self.app.size.width >= WIDE else 1
        self.fit()
        self.call_after_refresh(self._reveal)

    def on_click(self, event: events.Click) -> None:
        number = (event.y + self.scroll_offset.y) // self.rows
        if number < len(self.hits):
            self.choose(number)
